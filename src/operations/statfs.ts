import { putStatfs } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import { NAME_MAX } from '../namespace/names.ts';
import type { Filesystem } from './filesystem.ts';

/** Inodes that a volume shows to have room for when `max_inodes` sets no limit: as many as other filesystems can. */
const UNLIMITED = 2 ** 32;

/** FUSE_STATFS. Quarantined blocks count as used; nothing is kept back for root. */
export function statfs(fs: Filesystem, request: Request): void {
  const { blockSize } = fs.volume;
  const { total, free } = fs.space;
  const { count, maxInodes } = fs.inodes;
  const files = Math.max(count, maxInodes || UNLIMITED);
  const length = putStatfs(request.out.view, request.out.start, {
    blocks: total,
    bfree: free,
    bavail: free,
    files,
    ffree: files - count,
    bsize: blockSize,
    namelen: NAME_MAX,
    frsize: blockSize,
  });
  request.ok(length);
}
