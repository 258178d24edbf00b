import { putPoll } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import { POLL } from '../system/constants.ts';
import type { Filesystem } from './filesystem.ts';

/**
 * FUSE_POLL of a regular file: always ready, as poll(2) has it. Answered rather than refused, because ENOSYS would stop
 * the kernel from ever polling the control files.
 */
export function poll(_fs: Filesystem, request: Request): void {
  const wanted = request.u32(20);
  const ready = wanted & (POLL.IN | POLL.OUT | POLL.RDNORM | POLL.WRNORM);
  request.ok(putPoll(request.out.view, request.out.start, ready));
}
