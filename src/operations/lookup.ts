import { putNegativeEntry } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import { checkName, dots } from '../namespace/names.ts';
import { E } from '../system/errno.ts';
import { isControlName } from './entries.ts';
import type { Filesystem } from './filesystem.ts';
import { replyEntry } from './reply.ts';

/**
 * FUSE_LOOKUP: a name in a directory. That a name is not there is remembered by the kernel too. '.' and '..' come from
 * NFS and open_by_handle_at(2) only (EXPORT_SUPPORT).
 */
export function lookup(fs: Filesystem, request: Request): void {
  const parent = fs.inodes.get(request.nodeid);
  if (parent === undefined) return request.error(E.STALE);
  const name = request.name(0);
  const dot = dots(name);
  if (dot === 1) return replyEntry(fs, request, parent);
  if (!parent.isDirectory) return request.error(E.NOTDIR);
  const bad = checkName(name);
  if (bad !== 0) return request.error(bad);
  if (fs.control !== undefined && isControlName(fs, parent.ino, name)) return fs.control.lookup(request);
  const ino = dot === 2 ? parent.parent : fs.dentries.lookup(parent.ino, name);
  if (ino === 0) {
    const { negativeTimeout } = fs.options;
    if (negativeTimeout <= 0) return request.error(E.NOENT);
    return request.ok(putNegativeEntry(request.out.view, request.out.start, negativeTimeout));
  }
  const inode = fs.inodes.get(ino);
  if (inode === undefined) return request.error(E.IO);
  replyEntry(fs, request, inode);
}
