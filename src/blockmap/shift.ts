import { E } from '../system/errno.ts';
import type { Core } from './core.ts';
import { type ExtentRun, MAX_FILE_BLOCKS, type MappedInode, STATE } from './extent.ts';
import { growOver } from './tail.ts';

const run: ExtentRun = { fileBlock: 0, deviceBlock: -1, length: 0, state: STATE.HOLE };

/**
 * Extents whose data is not known to be on the device are about to move in the file, and the ranges that wait for a sync
 * do not move with them: the commit waits for the device instead, and they are written at once.
 */
function settleFrom(core: Core, ino: number, fromBlock: number): void {
  let any = false;
  for (let block = fromBlock; block < MAX_FILE_BLOCKS; block += run.length) {
    core.extents.find(ino, block, run);
    if (run.state !== STATE.UNSYNCED) continue;
    const { length } = run;
    core.extents.set(ino, block, length, run.deviceBlock, STATE.WRITTEN, true);
    run.length = length;
    any = true;
  }
  if (any) core.commits.orderedData();
}

/** First block behind the last extent. */
function endOf(core: Core, ino: number): number {
  let end = 0;
  for (let block = 0; block < MAX_FILE_BLOCKS; block += run.length) {
    core.extents.find(ino, block, run);
    if (run.state !== STATE.HOLE) end = block + run.length;
  }
  return end;
}

/** fallocate(2) COLLAPSE_RANGE on the map: the caller sets the size. Whole blocks within the file. 0 or errno. */
export function collapse(core: Core, inode: MappedInode, offset: number, length: number): number {
  if (core.unaligned(offset, length) !== 0 || length <= 0 || offset + length >= inode.size) return E.INVAL;
  const first = offset / core.blockSize;
  const count = length / core.blockSize;
  core.reservations.drop(inode.ino);
  core.unmap(inode, first, first + count);
  settleFrom(core, inode.ino, first + count);
  core.extents.shift(inode.ino, first + count, -count);
  core.changed(inode, inode.gen);
  return 0;
}

/** fallocate(2) INSERT_RANGE on the map: a hole, and what was there goes behind it. The caller sets the size. 0 or errno. */
export function insert(core: Core, inode: MappedInode, offset: number, length: number): number {
  if (core.unaligned(offset, length) !== 0 || length <= 0 || offset >= inode.size) return E.INVAL;
  const first = offset / core.blockSize;
  const count = length / core.blockSize;
  if (core.tooBig(inode.size, length) !== 0 || endOf(core, inode.ino) + count > MAX_FILE_BLOCKS) return E.FBIG;
  core.reservations.drop(inode.ino);
  settleFrom(core, inode.ino, first);
  core.extents.shift(inode.ino, first, count);
  core.changed(inode, inode.gen);
  return 0;
}

/**
 * Reflink: the destination maps the source's blocks from now on, and who writes first gets a copy. Offsets are whole
 * blocks, and so is the length unless it ends at the source's end and not before the destination's. The caller sets the
 * destination's size. Unwritten blocks are not shared: a hole reads the same. 0 or errno.
 */
export function share(
  core: Core,
  source: MappedInode,
  sourceOffset: number,
  destination: MappedInode,
  destinationOffset: number,
  length: number,
): number {
  const { blockSize } = core;
  if (length <= 0) return 0;
  if (sourceOffset % blockSize !== 0 || destinationOffset % blockSize !== 0) return E.INVAL;
  if (sourceOffset + length > source.size) return E.INVAL;
  if (
    length % blockSize !== 0 &&
    (sourceOffset + length !== source.size || destinationOffset + length < destination.size)
  ) {
    return E.INVAL;
  }
  if (core.tooBig(destinationOffset, length) !== 0) return E.FBIG;
  const first = sourceOffset / blockSize;
  const count = Math.ceil(length / blockSize);
  const to = destinationOffset / blockSize;
  if (source.ino === destination.ino && first < to + count && to < first + count) return E.INVAL;

  const { gen } = destination;
  const r = growOver(core, destination, destinationOffset);
  if (r !== 0) return r;
  core.reservations.drop(destination.ino);
  const replaced = core.unmap(destination, to, to + count) > 0;
  let shared = 0;
  const end = first + count;
  for (let block = first; block < end; block += run.length) {
    core.extents.find(source.ino, block, run);
    if (run.length > end - block) run.length = end - block;
    const { length: n, deviceBlock, state } = run;
    if (state !== STATE.WRITTEN && state !== STATE.UNSYNCED) continue;
    const at = to + block - first;
    core.shared.add(deviceBlock, n);
    core.extents.set(destination.ino, at, n, deviceBlock, state, true);
    if (state === STATE.UNSYNCED) core.commits.dataWritten(destination.ino, at, n);
    shared += n;
    run.length = n;
  }
  destination.blocks += shared;
  if (shared > 0) core.extents.suspect(source.ino, first, end);
  if (shared > 0 || replaced) core.changed(destination, gen);
  if (shared > 0 && source.ino !== destination.ino) core.changed(source, source.gen);
  return 0;
}
