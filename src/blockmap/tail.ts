import { E } from '../system/errno.ts';
import type { Claim, Core } from './core.ts';
import { type ExtentRun, type MappedInode, STATE } from './extent.ts';

/**
 * The bytes between the end of a file and the end of its last block are zeroed when the file grows over them, not when
 * it shrinks: they may hold what the file had there, and until the shrinking is durable a crash has to find it again.
 */
export interface Tail {
  fileBlock: number;
  deviceBlock: number;
  /** Bytes of the block that become zeros. */
  from: number;
  to: number;
  /** The block must not be changed where it is: it is copied to a new place. */
  moves: boolean;
  /** Another file maps it. */
  shared: boolean;
}

const run: ExtentRun = { fileBlock: 0, deviceBlock: -1, length: 0, state: STATE.HOLE };

/** What becomes zeros when the file grows so that bytes before `offset` (beyond its end) can be read; or undefined. */
export function tailBefore(core: Core, inode: MappedInode, offset: number): Tail | undefined {
  const { blockSize } = core;
  const from = inode.size % blockSize;
  if (offset <= inode.size || from === 0) return undefined;
  const block = Math.floor(inode.size / blockSize);
  const shared = core.shareRun(inode.ino, block, block + 1, run);
  if (run.state !== STATE.WRITTEN && run.state !== STATE.UNSYNCED) return undefined;
  return {
    fileBlock: block,
    deviceBlock: run.deviceBlock,
    from,
    to: Math.min(blockSize, offset - block * blockSize),
    moves: shared || core.shrankJustNow(inode.ino),
    shared,
  };
}

/** Zeros the tail, in an operation that began at generation `since` and made sure of a block when it moves. 0 or errno. */
export function closeTail(core: Core, inode: MappedInode, tail: Tail, since: number): number {
  const { fileBlock, deviceBlock, from, to } = tail;
  if (!tail.moves) {
    // Written by an earlier mount maybe: nobody remembers whether the bytes behind the end were ever part of the file.
    core.commits.orderedData();
    core.growing(inode, fileBlock * core.blockSize + to);
    return core.zero(deviceBlock, from, to);
  }
  const claims: Claim[] = [];
  if (!core.claim(inode, fileBlock, 1, claims)) return E.NOSPC;
  const claim = claims[0];
  const { blockSize } = core;
  let r = core.device.copy(deviceBlock * blockSize, claim.deviceBlock * blockSize, blockSize);
  if (r >= 0) r = -core.zero(claim.deviceBlock, from, blockSize);
  if (r < 0) {
    core.giveBack(claims);
    return -r;
  }
  core.commits.orderedData();
  core.remap(inode, claim, STATE.WRITTEN);
  core.changed(inode, since);
  return 0;
}

/** Makes sure of the space and zeros the tail, for an operation that needs no other blocks. 0 or errno. */
export function growOver(core: Core, inode: MappedInode, offset: number): number {
  const last = Math.floor(inode.size / core.blockSize);
  const lost = core.settleShares(inode.ino, last, last + 1);
  if (lost !== 0) return lost;
  const tail = tailBefore(core, inode, offset);
  if (!tail) return 0;
  if (tail.moves && !core.space.ensure(1)) return E.NOSPC;
  return closeTail(core, inode, tail, inode.gen);
}
