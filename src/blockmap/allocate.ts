import { E } from '../system/errno.ts';
import type { Claim, Core } from './core.ts';
import { type ExtentRun, MAX_FILE_BLOCKS, type MappedInode, STATE } from './extent.ts';
import { closeTail, tailBefore } from './tail.ts';

export interface AllocateOptions {
  /** Written zeros instead of unwritten blocks; unwritten blocks in the range become written zeros too. */
  zero?: boolean;
  /** Blocks, a power of two: device blocks are congruent with file blocks modulo it, in all that is allocated. */
  align?: number;
  /** Each hole in the range is filled by one run. */
  contiguous?: boolean;
}

/** Bytes: allocations from here on lie so that huge pages of the file are huge pages of the device. */
const HUGE_PAGE = 2 * 1024 ** 2;

const run: ExtentRun = { fileBlock: 0, deviceBlock: -1, length: 0, state: STATE.HOLE };

/**
 * Blocks [fromBlock, toBlock) become mapped, where they are not yet: fallocate(2) mode 0 and KEEP_SIZE. ENOSPC also when
 * there is no place of the shape that was asked for.
 */
export function allocate(
  core: Core,
  inode: MappedInode,
  fromBlock: number,
  toBlock: number,
  options: AllocateOptions = {},
): number {
  if (toBlock > MAX_FILE_BLOCKS) return E.FBIG;
  const { ino } = inode;
  const last = Math.floor(inode.size / core.blockSize);
  const lost = core.settleShares(ino, last, last + 1);
  if (lost !== 0) return lost;
  const tail = tailBefore(core, inode, toBlock * core.blockSize);
  const holes: { block: number; length: number }[] = [];
  let needed = tail?.moves ? 1 : 0;
  for (let block = fromBlock; block < toBlock; block += run.length) {
    core.extents.find(ino, block, run);
    if (run.length > toBlock - block) run.length = toBlock - block;
    if (run.state !== STATE.HOLE) continue;
    holes.push({ block, length: run.length });
    needed += run.length;
  }
  if (needed > 0 && !core.space.ensure(needed)) return E.NOSPC;
  const claims: Claim[] = [];
  for (const { block, length } of holes) {
    if (!claimHole(core, inode, block, length, options, claims)) return E.NOSPC;
  }
  let r = 0;
  const gen = inode.gen;
  if (tail) r = closeTail(core, inode, tail, gen);
  if (r === 0 && options.zero) r = zeroAll(core, inode, fromBlock, toBlock, claims);
  if (r !== 0) {
    core.giveBack(claims);
    return r;
  }
  for (const claim of claims) core.map(inode, claim, options.zero ? STATE.UNSYNCED : STATE.UNWRITTEN);
  if (claims.length > 0) core.changed(inode, gen);
  return 0;
}

/** Takes places for a hole; false, and all of `claims` given back, when there are none of that shape. */
function claimHole(
  core: Core,
  inode: MappedInode,
  block: number,
  length: number,
  options: AllocateOptions,
  claims: Claim[],
): boolean {
  const { align = 1, contiguous } = options;
  const huge = HUGE_PAGE / core.blockSize;
  const end = block + length;
  let goal = core.goal(inode.ino, block);
  // What was kept ready for the file's next write is in the way of its own allocation.
  core.reservations.drop(inode.ino);
  for (let at = block; at < end; ) {
    const want = end - at;
    let place: { start: number; length: number } | undefined;
    const preferred = Math.max(align, want >= huge && huge > 1 ? huge : 1);
    if (preferred > align) {
      place = core.space.take(goal, want, { align: preferred, phase: at % preferred, contiguous: true });
    }
    place ??= core.space.take(goal, want, { align, phase: at % align, contiguous });
    if (!place) {
      core.giveBack(claims);
      return false;
    }
    claims.push({ fileBlock: at, deviceBlock: place.start, length: place.length });
    at += place.length;
    goal = place.start + place.length;
  }
  return true;
}

/** Zeros on the device for all claims and for the unwritten blocks of the range, which become written. */
function zeroAll(core: Core, inode: MappedInode, fromBlock: number, toBlock: number, claims: Claim[]): number {
  const { ino } = inode;
  const { blockSize } = core;
  for (const { deviceBlock, length } of claims) {
    const r = core.zero(deviceBlock, 0, length * blockSize);
    if (r !== 0) return r;
  }
  for (let block = fromBlock; block < toBlock; block += run.length) {
    core.extents.find(ino, block, run);
    if (run.length > toBlock - block) run.length = toBlock - block;
    if (run.state !== STATE.UNWRITTEN) continue;
    const { length, deviceBlock } = run;
    const r = core.zero(deviceBlock, 0, length * blockSize);
    if (r !== 0) return r;
    core.extents.set(ino, block, length, deviceBlock, STATE.UNSYNCED, true);
    core.commits.dataWritten(ino, block, length);
    run.length = length;
  }
  return 0;
}

/** The holder of a lease wrote blocks himself through the device: those that are unwritten become written. 0. */
export function markWritten(core: Core, inode: MappedInode, fromBlock: number, toBlock: number): number {
  const { ino } = inode;
  let any = false;
  for (let block = fromBlock; block < toBlock; block += run.length) {
    core.extents.find(ino, block, run);
    if (run.length > toBlock - block) run.length = toBlock - block;
    if (run.state === STATE.HOLE) continue;
    const { length, deviceBlock, state } = run;
    core.device.changed(length * core.blockSize);
    any = true;
    if (state === STATE.UNWRITTEN) core.extents.set(ino, block, length, deviceBlock, STATE.WRITTEN, true);
    run.length = length;
  }
  if (any) {
    core.commits.touch();
    core.commits.orderedData();
  }
  return 0;
}

/** Blocks of the range that other files map too get a place of their own, with the same bytes. 0 or errno. */
export function unshare(core: Core, inode: MappedInode, offset: number, length: number): number {
  if (length <= 0) return 0;
  const first = Math.floor(offset / core.blockSize);
  const end = Math.min(MAX_FILE_BLOCKS, Math.ceil((offset + length) / core.blockSize));
  const runs: { block: number; device: number; length: number; written: boolean }[] = [];
  let needed = 0;
  for (let block = first; block < end; block += run.length) {
    if (!core.shareRun(inode.ino, block, end, run)) continue;
    const written = run.state !== STATE.UNWRITTEN;
    runs.push({ block, device: run.deviceBlock, length: run.length, written });
    needed += run.length;
  }
  if (needed === 0) return 0;
  if (!core.space.ensure(needed)) return E.NOSPC;
  const claims: Claim[] = [];
  for (const { block, device, length: count, written } of runs) {
    const from = claims.length;
    if (!core.claim(inode, block, count, claims)) return E.NOSPC;
    for (let i = from; i < claims.length && written; i++) {
      const claim = claims[i];
      const { blockSize } = core;
      const at = (device + claim.fileBlock - block) * blockSize;
      const r = core.device.copy(at, claim.deviceBlock * blockSize, claim.length * blockSize);
      if (r < 0) {
        core.giveBack(claims);
        return -r;
      }
    }
  }
  core.commits.orderedData();
  const states = new Map(runs.map((r) => [r.block, r.written]));
  let written = true;
  for (const claim of claims) {
    written = states.get(claim.fileBlock) ?? written;
    core.remap(inode, claim, written ? STATE.WRITTEN : STATE.UNWRITTEN);
  }
  core.changed(inode, inode.gen);
  return 0;
}
