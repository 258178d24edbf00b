import { FOPEN } from '../fuse/protocol.ts';
import { putOpen } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import { E } from '../system/errno.ts';
import type { Filesystem } from './filesystem.ts';

/**
 * FUSE_OPENDIR. A directory needs no handle: READDIR goes on after a cookie. Where the kernel agreed to do without,
 * ENOSYS makes this the last request of its kind. Listings stay in the kernel's cache until the directory changes.
 */
export function opendir(fs: Filesystem, request: Request): void {
  if (fs.options.noOpendir) return request.error(E.NOSYS);
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  if (!inode.isDirectory) return request.error(E.NOTDIR);
  request.ok(putOpen(request.out.view, request.out.start, 0, FOPEN.KEEP_CACHE | FOPEN.CACHE_DIR));
}

/** FUSE_RELEASEDIR: nothing was kept. */
export function releasedir(_fs: Filesystem, request: Request): void {
  request.ok();
}
