import { putStatx } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import { attributesOf } from '../namespace/attributes.ts';
import { FLAG } from '../namespace/inode.ts';
import { E } from '../system/errno.ts';
import type { Filesystem } from './filesystem.ts';

/** STATX_ATTR_* of <linux/stat.h>; their numbers are those of FS_*_FL. */
const SHOWN = FLAG.IMMUTABLE | FLAG.APPEND | FLAG.NODUMP;

/** FUSE_STATX (7.39): asked when somebody wants the birth time. */
export function statx(fs: Filesystem, request: Request): void {
  const inode = fs.inodes.get(request.nodeid);
  if (inode === undefined) return request.error(E.STALE);
  const { view, start } = request.out;
  const { blockSize } = fs.volume;
  const { timeouts } = fs.options;
  const shown = attributesOf(inode, blockSize);
  request.ok(putStatx(view, start, shown, timeouts, blockSize, inode.flags & SHOWN, SHOWN));
}
