import type { Request } from '../fuse/request.ts';
import { E } from '../system/errno.ts';
import { replyWhenDurable } from './contents.ts';
import type { Filesystem } from './filesystem.ts';

/**
 * FUSE_FSYNC and FUSE_FSYNCDIR: answered when data and metadata of everything done so far are on the device. Row 20 of
 * the matrix: never recalls a lease.
 */
export function fsync(fs: Filesystem, request: Request): void {
  if (fs.inodes.get(request.nodeid) === undefined) return request.error(E.STALE);
  replyWhenDurable(fs, request);
}
