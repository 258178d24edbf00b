import { E } from '../system/errno.ts';
import type { Claim, Core } from './core.ts';
import { type ExtentRun, MAX_FILE_BLOCKS, type MappedInode, STATE } from './extent.ts';
import { closeTail, growOver, tailBefore } from './tail.ts';
import { copyBlock } from './write.ts';

const run: ExtentRun = { fileBlock: 0, deviceBlock: -1, length: 0, state: STATE.HOLE };

/** Bytes [from, to) of one written block that become zeros; `claim`: the block is shared, and moves there. */
interface Edge {
  block: number;
  deviceBlock: number;
  from: number;
  to: number;
  claim: Claim | undefined;
}

/** The blocks that a byte range covers in part, where they are written: at most two. `claims` gets places for shared ones. */
function edgesOf(core: Core, inode: MappedInode, offset: number, end: number): { edges: Edge[]; shared: number } {
  const { blockSize } = core;
  const edges: Edge[] = [];
  let shared = 0;
  const first = Math.floor(offset / blockSize);
  const last = Math.floor(end / blockSize);
  const add = (block: number, from: number, to: number): void => {
    if (from >= to) return;
    const isShared = core.shareRun(inode.ino, block, block + 1, run);
    if (run.state !== STATE.WRITTEN && run.state !== STATE.UNSYNCED) return;
    const claim = isShared ? { fileBlock: block, deviceBlock: -1, length: 1 } : undefined;
    if (isShared) shared++;
    edges.push({ block, deviceBlock: run.deviceBlock, from, to, claim });
  };
  if (first === last) add(first, offset % blockSize, end % blockSize);
  else {
    if (offset % blockSize !== 0) add(first, offset % blockSize, blockSize);
    add(last, 0, end % blockSize);
  }
  return { edges, shared };
}

/** Zeros the edges; those that move are copied to places of their own. `space.ensure` was asked for them. 0 or errno. */
function zeroEdges(core: Core, inode: MappedInode, edges: Edge[]): number {
  const claims: Claim[] = [];
  for (const edge of edges) {
    let target = edge.deviceBlock;
    let r = 0;
    if (edge.claim) {
      if (!core.claim(inode, edge.block, 1, claims)) return E.NOSPC;
      edge.claim = claims[claims.length - 1];
      target = edge.claim.deviceBlock;
      r = copyBlock(core, edge.deviceBlock, target);
    }
    if (r === 0) r = core.zero(target, edge.from, edge.to);
    if (r !== 0) {
      core.giveBack(claims);
      return r;
    }
  }
  if (claims.length > 0) core.commits.orderedData();
  for (const claim of claims) core.remap(inode, claim, STATE.WRITTEN);
  return 0;
}

/** Whole blocks of a byte range: [first, end), empty when there are none. */
function wholeBlocks(core: Core, offset: number, end: number): { first: number; end: number } {
  const first = Math.ceil(offset / core.blockSize);
  return { first, end: Math.max(first, Math.floor(end / core.blockSize)) };
}

/** fallocate(2) PUNCH_HOLE: whole blocks leave the file, the rest of the range becomes zeros. 0 or errno. */
export function punch(core: Core, inode: MappedInode, offset: number, length: number): number {
  const end = Math.min(offset + length, MAX_FILE_BLOCKS * core.blockSize);
  if (offset >= end) return 0;
  const lost = core.settleShares(inode.ino, Math.floor(offset / core.blockSize), Math.ceil(end / core.blockSize));
  if (lost !== 0) return lost;
  const { edges, shared } = edgesOf(core, inode, offset, end);
  if (shared > 0 && !core.space.ensure(shared)) return E.NOSPC;
  const r = zeroEdges(core, inode, edges);
  if (r !== 0) return r;
  const whole = wholeBlocks(core, offset, end);
  if (core.unmap(inode, whole.first, whole.end) > 0 || shared > 0) core.changed(inode, inode.gen);
  return 0;
}

/** Whether `zeroRange` would leave the block map as it is: every block is mapped and nobody else maps it. */
export function zeroIsInPlace(core: Core, inode: MappedInode, offset: number, length: number): boolean {
  const end = Math.ceil((offset + length) / core.blockSize);
  for (let block = Math.floor(offset / core.blockSize); block < end; block += run.length) {
    if (core.shareRun(inode.ino, block, end, run) || run.state === STATE.HOLE) return false;
  }
  return true;
}

/**
 * fallocate(2) ZERO_RANGE: the range reads as zeros and is mapped. Written blocks get zeros on the device, so a lease
 * holder who maps it sees them; blocks that are shared give way to unwritten ones; holes get unwritten ones, unless
 * `keepHoles`. 0 or errno.
 */
export function zeroRange(
  core: Core,
  inode: MappedInode,
  offset: number,
  length: number,
  options: { keepHoles?: boolean } = {},
): number {
  if (length <= 0) return 0;
  if (core.tooBig(offset, length) !== 0) return E.FBIG;
  const { blockSize } = core;
  const { ino } = inode;
  const end = offset + length;
  const begin = Math.floor(Math.min(offset, inode.size) / blockSize);
  const lost = core.settleShares(ino, begin, Math.ceil(end / blockSize));
  if (lost !== 0) return lost;
  const { edges, shared } = edgesOf(core, inode, offset, end);
  const tail = tailBefore(core, inode, offset);
  const fresh: { block: number; length: number; replaces: boolean }[] = [];
  const written: { device: number; length: number }[] = [];
  let needed = shared + (tail?.moves ? 1 : 0);
  const whole = wholeBlocks(core, offset, end);
  const stop = Math.ceil(end / blockSize);
  for (let block = Math.floor(offset / blockSize); block < stop; block += run.length) {
    const border = block < whole.first ? block + 1 : block < whole.end ? whole.end : stop;
    const isShared = core.shareRun(ino, block, border, run);
    const isWhole = block >= whole.first && block < whole.end;
    if (run.state === STATE.HOLE ? !options.keepHoles : isShared && isWhole) {
      fresh.push({ block, length: run.length, replaces: run.state !== STATE.HOLE });
      needed += run.length;
    } else if (isWhole && (run.state === STATE.WRITTEN || run.state === STATE.UNSYNCED)) {
      written.push({ device: run.deviceBlock, length: run.length });
    }
  }
  if (needed > 0 && !core.space.ensure(needed)) return E.NOSPC;
  const claims: Claim[] = [];
  const replacing: Claim[] = [];
  for (const { block, length: count, replaces } of fresh) {
    if (!core.claim(inode, block, count, replaces ? replacing : claims)) {
      core.giveBack(claims);
      core.giveBack(replacing);
      return E.NOSPC;
    }
  }
  const gen = inode.gen;
  let r = tail ? closeTail(core, inode, tail, gen) : 0;
  if (r === 0) {
    // The tail may have moved one of the edges.
    r = zeroEdges(core, inode, tail?.moves ? edgesOf(core, inode, offset, end).edges : edges);
  }
  for (const { device, length: count } of written) {
    if (r === 0) r = core.zero(device, 0, count * blockSize);
  }
  if (r !== 0) {
    core.giveBack(claims);
    core.giveBack(replacing);
    return r;
  }
  for (const claim of claims) core.map(inode, claim, STATE.UNWRITTEN);
  for (const claim of replacing) core.remap(inode, claim, STATE.UNWRITTEN);
  if (claims.length > 0 || replacing.length > 0 || shared > 0) core.changed(inode, gen);
  return 0;
}

/**
 * The file's size goes from `oldSize` to `newSize` (bytes; the caller sets it): shrinking frees all blocks behind the new
 * end, also those that were allocated beyond the old one (as does setting the same size); growing zeros what is left of the last block. 0 or errno.
 */
export function truncate(core: Core, inode: MappedInode, oldSize: number, newSize: number): number {
  const { blockSize } = core;
  if (core.tooBig(0, newSize) !== 0) return E.FBIG;
  if (newSize > oldSize) return growOver(core, inode, newSize);
  core.reservations.drop(inode.ino);
  if (newSize < oldSize && newSize % blockSize !== 0) core.noteShrunk(inode.ino);
  if (core.unmap(inode, Math.ceil(newSize / blockSize), MAX_FILE_BLOCKS) > 0) core.changed(inode, inode.gen);
  return 0;
}
