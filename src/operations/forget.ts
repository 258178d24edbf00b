import type { Request } from '../fuse/request.ts';
import type { Filesystem } from './filesystem.ts';

/** FUSE_FORGET: the kernel gives lookups of an inode back. No reply. */
export function forget(fs: Filesystem, request: Request): void {
  fs.inodes.forget(request.nodeid, request.u64(0));
  request.none();
}
