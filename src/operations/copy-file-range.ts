import { OP } from '../fuse/protocol.ts';
import { putCopied, putWrite } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import type { Inode } from '../namespace/inode.ts';
import { E } from '../system/errno.ts';
import { changesOfWrite, contentsChanged, failedForSpace, killPrivilegesUntold, MAX_SIZE } from './contents.ts';
import type { Filesystem } from './filesystem.ts';

/** Bytes copied by one request where blocks can not be shared: a longer copy comes back as a short one. */
const COPY_LIMIT = 16 * 2 ** 20;

/**
 * FUSE_COPY_FILE_RANGE (and _64): copy_file_range(2) between files of the mount. Whole blocks are shared (reflink), the
 * rest is copied. Where one of the files has a lease everything is copied (row 16): sharing would be a change of the
 * source's block map.
 */
export function copyFileRange(fs: Filesystem, request: Request): void {
  const source = fs.inodes.get(request.nodeid);
  const target = fs.inodes.get(request.u64(16));
  if (source === undefined || target === undefined) return request.error(E.STALE);
  const from = request.u64(8);
  const fh = request.u64(24);
  const to = request.u64(32);
  if (!source.isRegular || !target.isRegular) return request.error(E.INVAL);
  if (fs.options.readOnly) return request.error(E.ROFS);
  if (target.isFixed) return request.error(E.PERM);
  if (to >= MAX_SIZE) return request.error(E.FBIG);
  const length = Math.min(request.u64(40), source.size - from, MAX_SIZE - to);
  if (length <= 0) return reply(request, 0);
  if (source === target && from < to + length && to < from + length) return request.error(E.INVAL);

  const sharing = !fs.guard.concerns(source.ino) && !fs.guard.concerns(target.ino);
  if (!sharing) {
    const changes = changesOfWrite(fs, target, to, Math.min(length, COPY_LIMIT));
    if (!fs.guard.admit(request, target, 'copy_file_range', changes, fh, false)) return;
  }
  const done = sharing
    ? shareAndCopy(fs, request, source, from, target, to, length)
    : copy(fs, request, source, from, target, to, Math.min(length, COPY_LIMIT));
  if (done < 0) return failedForSpace(fs, request, -done);
  killPrivilegesUntold(fs, request, target);
  fs.inodes.noteAccess(source);
  contentsChanged(fs, target, to, done);
  reply(request, done);
}

function reply(request: Request, bytes: number): void {
  const { view, start } = request.out;
  request.ok(request.opcode === OP.COPY_FILE_RANGE ? putWrite(view, start, bytes) : putCopied(view, start, bytes));
}

/** Shares the whole blocks in front, copies what remains; bytes done, or -errno when nothing was. */
function shareAndCopy(
  fs: Filesystem,
  request: Request,
  source: Inode,
  from: number,
  target: Inode,
  to: number,
  length: number,
): number {
  const { blockSize } = fs.volume;
  let done = 0;
  if (from % blockSize === 0 && to % blockSize === 0) {
    const toEnd = from + length === source.size && to + length >= target.size;
    const shared = toEnd ? length : length - (length % blockSize);
    if (shared > 0) {
      const errno = fs.blockmap.share(source, from, target, to, shared);
      if (errno !== 0) return -errno;
      done = shared;
      if (to + done > target.size) target.size = to + done;
    }
  }
  if (done === length) return done;
  const copied = copy(fs, request, source, from + done, target, to + done, Math.min(length - done, COPY_LIMIT));
  return copied < 0 && done === 0 ? copied : done + Math.max(copied, 0);
}

/** Copies through the reply area; bytes done, or -errno when nothing was. */
function copy(
  fs: Filesystem,
  request: Request,
  source: Inode,
  from: number,
  target: Inode,
  to: number,
  length: number,
): number {
  const { address, capacity } = request.out;
  let done = 0;
  while (done < length) {
    const piece = Math.min(length - done, capacity);
    const got = fs.blockmap.read(source, from + done, piece, address);
    let put = got < 0 ? got : fs.blockmap.write(target, to + done, got, address);
    if (put === -E.NOSPC) put = fs.blockmap.writeWhatFits(target, to + done, got, address);
    if (put < 0) return done > 0 ? done : put;
    done += put;
    if (to + done > target.size) target.size = to + done;
    if (put < got) break;
  }
  return done;
}
