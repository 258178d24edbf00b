import { E } from '../system/errno.ts';
import type { Claim, Core } from './core.ts';
import { type ExtentRun, type MappedInode, STATE, type State, WRITE } from './extent.ts';
import { MAYBE_SHARED } from './sheet.ts';
import { closeTail, tailBefore } from './tail.ts';

/** A claim with the state in which it is mapped once its data is written. */
interface Pending {
  claim: Claim;
  state: State;
  /** The claim replaces blocks that the file has. */
  replaces: boolean;
}

const run: ExtentRun = { fileBlock: 0, deviceBlock: -1, length: 0, state: STATE.HOLE };

/** Bits of WRITE for a write of these bytes. */
export function classifyWrite(core: Core, inode: MappedInode, offset: number, length: number): number {
  if (length <= 0) return 0;
  const end = Math.ceil((offset + length) / core.blockSize);
  let bits = 0;
  for (let block = Math.floor(offset / core.blockSize); block < end; block += run.length) {
    if (core.shareRun(inode.ino, block, end, run)) bits |= WRITE.SHARED;
    else if (run.state === STATE.HOLE) bits |= WRITE.HOLE;
    else bits |= run.state === STATE.UNWRITTEN ? WRITE.UNWRITTEN : WRITE.INPLACE;
  }
  return bits;
}

/**
 * Writes from memory: bytes written (all of them), or -errno. Blocks that are allocated are either wholly overwritten or
 * zeroed around the data. Allocation is all or nothing: without space nothing is written, and after an I/O error the map
 * is as it was.
 */
export function write(core: Core, inode: MappedInode, offset: number, length: number, address: number): number {
  if (length <= 0) return 0;
  const { blockSize } = core;
  const first = Math.floor(offset / blockSize);
  if (inode.blocks === 0) core.extents.sheets.knownEmpty(inode.ino);
  if (offset <= inode.size) {
    // The hot path: written blocks of one run that nobody else maps are overwritten where they are.
    const state = core.extents.find(inode.ino, first, run);
    if ((state === STATE.WRITTEN || state === STATE.UNSYNCED) && offset + length <= (first + run.length) * blockSize) {
      if (offset + length > inode.size) core.growing(inode, offset + length);
      return core.device.pwrite(address, length, run.deviceBlock * blockSize + offset - first * blockSize);
    }
  }
  return core.tooBig(offset, length) !== 0 ? -E.FBIG : writeSlow(core, inode, offset, length, address);
}

/**
 * After ENOSPC: writes as many of these bytes as there are blocks for, up to a whole block of the file; bytes written, or
 * -errno when not even one block is there (write(2): "only as many bytes as there is room for").
 */
export function writeWhatFits(core: Core, inode: MappedInode, offset: number, length: number, address: number): number {
  const { blockSize } = core;
  const end = Math.ceil((offset + length) / blockSize);
  let left = core.space.open - (tailBefore(core, inode, offset)?.moves ? 1 : 0);
  let block = Math.floor(offset / blockSize);
  while (block < end && left >= 0) {
    const takes = takesBlocks(core, inode, block, end);
    block += takes ? Math.min(left, run.length) : run.length;
    if (takes && left < run.length) break;
    if (takes) left -= run.length;
  }
  const fits = Math.min(length, block * blockSize - offset);
  // There are blocks for all of it: it was the host that had no room.
  return fits > 0 && fits < length ? write(core, inode, offset, fits, address) : -E.NOSPC;
}

function writeSlow(core: Core, inode: MappedInode, offset: number, length: number, address: number): number {
  const { blockSize } = core;
  const first = Math.floor(offset / blockSize);
  const end = Math.ceil((offset + length) / blockSize);
  const lost = core.settleShares(inode.ino, Math.min(first, Math.floor(inode.size / blockSize)), end);
  if (lost !== 0) return -lost;
  const tail = tailBefore(core, inode, offset);
  // A tail that moves is no longer shared when the write comes to it.
  const extra = tail?.moves && !(tail.shared && tail.fileBlock >= first) ? 1 : 0;
  const needed = blocksNeeded(core, inode, first, end) + extra;
  if (needed > 0 && !core.space.ensure(needed)) return -E.NOSPC;

  const gen = inode.gen;
  if (offset + length > inode.size) core.growing(inode, offset + length);
  if (tail) {
    const failed = closeTail(core, inode, tail, gen);
    if (failed !== 0) return -failed;
  }
  const claims: Claim[] = [];
  const pending: Pending[] = [];
  const r = writeRuns(core, inode, { offset, end: offset + length, address }, claims, pending);
  if (r !== 0) {
    core.giveBack(claims);
    return -r;
  }
  for (const { claim, state, replaces } of pending) {
    if (replaces) core.remap(inode, claim, state);
    else core.map(inode, claim, state);
  }
  convertWritten(core, inode, first, end);
  if (pending.length > 0) core.changed(inode, gen);
  return length;
}

/** Blocks that a write of [first, end) allocates. */
function blocksNeeded(core: Core, inode: MappedInode, first: number, end: number): number {
  let needed = 0;
  for (let block = first; block < end; block += run.length) {
    if (takesBlocks(core, inode, block, end)) needed += run.length;
  }
  return needed;
}

/** Whether a write takes new blocks for the run that begins at `block`, as far as `end`; the run is left in `run`. */
function takesBlocks(core: Core, inode: MappedInode, block: number, end: number): boolean {
  return core.shareRun(inode.ino, block, end, run) || run.state === STATE.HOLE;
}

interface Source {
  offset: number;
  end: number;
  address: number;
}

/** Puts the data where it belongs: in place, or into places taken for it. 0 or errno. */
function writeRuns(core: Core, inode: MappedInode, source: Source, claims: Claim[], pending: Pending[]): number {
  const { blockSize } = core;
  const end = Math.ceil(source.end / blockSize);
  let r = 0;
  for (let block = Math.floor(source.offset / blockSize); block < end && r === 0; ) {
    const shared = core.shareRun(inode.ino, block, end, run);
    const { length, deviceBlock, state } = run;
    if (shared || state === STATE.HOLE) {
      const from = claims.length;
      if (!core.claim(inode, block, length, claims)) return E.NOSPC;
      for (let i = from; i < claims.length && r === 0; i++) {
        const claim = claims[i];
        const written = shared && state !== STATE.UNWRITTEN;
        const old = written ? deviceBlock + claim.fileBlock - block : -1;
        r = writeFresh(core, claim, source, old);
        pending.push({ claim, state: written ? STATE.WRITTEN : STATE.UNSYNCED, replaces: shared });
      }
    } else if (state === STATE.UNWRITTEN) {
      r = writeFresh(core, { fileBlock: block, deviceBlock, length }, source, -1);
    } else r = writePart(core, block, deviceBlock, length, source);
    block += length;
  }
  // Old data goes on in the new place: the map may not say so before the copy is on the device.
  if (pending.some(({ state }) => state === STATE.WRITTEN)) core.commits.orderedData();
  return r;
}

/** Overwrites the part of a run that the source has bytes for. */
function writePart(core: Core, block: number, deviceBlock: number, length: number, source: Source): number {
  const { blockSize } = core;
  const from = Math.max(source.offset, block * blockSize);
  const to = Math.min(source.end, (block + length) * blockSize);
  const at = deviceBlock * blockSize + from - block * blockSize;
  const r = core.device.pwrite(source.address + from - source.offset, to - from, at);
  return r < 0 ? -r : 0;
}

/** Fills blocks that nobody may read as they are: data, and around it zeros, or what the `old` blocks have there. */
function writeFresh(core: Core, place: Claim, source: Source, old: number): number {
  const { blockSize } = core;
  const { fileBlock, deviceBlock, length } = place;
  const begin = fileBlock * blockSize;
  const before = Math.max(0, source.offset - begin);
  const behind = Math.min(length * blockSize, source.end - begin);
  let r = 0;
  if (old >= 0) {
    // Only the blocks at the edges keep something old.
    const last = length - 1;
    if (before > 0) r = copyBlock(core, old, deviceBlock);
    if (r === 0 && behind < length * blockSize && (last > 0 || before === 0)) {
      r = copyBlock(core, old + last, deviceBlock + last);
    }
  } else {
    r = core.zero(deviceBlock, 0, before);
    if (r === 0) r = core.zero(deviceBlock, behind, length * blockSize);
  }
  return r !== 0 ? r : writePart(core, fileBlock, deviceBlock, length, source);
}

export function copyBlock(core: Core, from: number, to: number, count = 1): number {
  const { blockSize } = core;
  const r = core.device.copy(from * blockSize, to * blockSize, count * blockSize);
  return r < 0 ? -r : 0;
}

/** Unwritten blocks in [first, end) have data now. */
function convertWritten(core: Core, inode: MappedInode, first: number, end: number): void {
  for (let block = first; block < end; block += run.length) {
    const state = core.extents.find(inode.ino, block, run);
    if (run.length > end - block) run.length = end - block;
    if (run.state !== STATE.UNWRITTEN) continue;
    const { length } = run;
    core.extents.set(inode.ino, block, length, run.deviceBlock, STATE.UNSYNCED, (state & MAYBE_SHARED) !== 0);
    core.commits.dataWritten(inode.ino, block, length);
    run.length = length;
  }
}
