import type { Request } from '../fuse/request.ts';
import type { Filesystem } from './filesystem.ts';

/** FUSE_RELEASE: the last descriptor and the last mapping of an open file are gone. */
export function release(fs: Filesystem, request: Request): void {
  const fh = request.u64(0);
  const inode = fs.inodes.get(request.nodeid);
  if (inode !== undefined) {
    fs.blockmap.settle(inode.ino);
    fs.leases.fileClosed(fh);
    fs.inodes.handleClosed(inode, request.unique);
  }
  request.ok();
}
