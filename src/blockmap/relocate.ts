import { E } from '../system/errno.ts';
import type { Claim, Core } from './core.ts';
import { type DeviceRun, type ExtentRun, MAX_FILE_BLOCKS, type MappedInode, STATE } from './extent.ts';

export interface RelocateOptions {
  /** Move only what lies in this device range, and nothing into it. A drain excludes it from the space beforehand. */
  avoid?: DeviceRun;
  /** Device block near which the new place is looked for. */
  goal?: number;
  /** Blocks, a power of two: device blocks are congruent with file blocks modulo it. */
  align?: number;
  /** Every run of mapped blocks goes to one place. */
  contiguous?: boolean;
}

const run: ExtentRun = { fileBlock: 0, deviceBlock: -1, length: 0, state: STATE.HOLE };

interface Move extends Claim {
  /** Device block where the bytes are now. */
  from: number;
  written: boolean;
}

/**
 * Moves blocks of a file to another place on the device: copied, switched in the open transaction, and the old place
 * freed. Blocks that other files map too are only copied: those keep the old place. 0 or errno; ENOSPC also when there
 * is no place of the shape that was asked for.
 */
export function relocate(
  core: Core,
  inode: MappedInode,
  fromBlock: number,
  count: number,
  options: RelocateOptions = {},
): number {
  const { avoid } = options;
  const end = Math.min(fromBlock + count, MAX_FILE_BLOCKS);
  if (!avoid || core.space.isExcluded(avoid)) return move(core, inode, fromBlock, end, options);
  core.space.exclude(avoid);
  try {
    return move(core, inode, fromBlock, end, options);
  } finally {
    core.space.readmit(avoid);
  }
}

function move(core: Core, inode: MappedInode, fromBlock: number, end: number, options: RelocateOptions): number {
  const sources = runsToMove(core, inode.ino, fromBlock, end, options.avoid);
  let needed = 0;
  for (const { length } of sources) needed += length;
  if (needed === 0) return 0;
  core.reservations.drop(inode.ino);
  if (!core.space.ensure(needed)) return E.NOSPC;
  const moves: Move[] = [];
  const undo = (errno: number): number => {
    for (const { deviceBlock, length } of moves) core.space.giveBack(deviceBlock, length);
    return errno;
  };
  const { align = 1, contiguous } = options;
  let goal = options.goal ?? core.goal(inode.ino, fromBlock);
  for (const span of contiguous ? join(sources) : sources.map((source) => [source])) {
    const length = span.reduce((sum, part) => sum + part.length, 0);
    const start = span[0].fileBlock;
    for (let done = 0; done < length; ) {
      const at = start + done;
      const place = core.space.take(goal, length - done, { align, phase: at % align, contiguous });
      if (!place) return undo(E.NOSPC);
      moves.push(...parts(span, at, place));
      done += place.length;
      goal = place.start + place.length;
    }
  }
  const { blockSize } = core;
  for (const { from, deviceBlock, length, written } of moves) {
    if (!written) continue;
    const r = core.device.copy(from * blockSize, deviceBlock * blockSize, length * blockSize);
    if (r < 0) return undo(-r);
  }
  core.commits.orderedData();
  for (const part of moves) core.remap(inode, part, part.written ? STATE.WRITTEN : STATE.UNWRITTEN);
  core.changed(inode, inode.gen);
  core.moved += needed;
  return 0;
}

function runsToMove(core: Core, ino: number, fromBlock: number, end: number, avoid: DeviceRun | undefined): Move[] {
  const sources: Move[] = [];
  for (let block = fromBlock; block < end; block += run.length) {
    core.extents.find(ino, block, run);
    if (run.length > end - block) run.length = end - block;
    if (run.state === STATE.HOLE) continue;
    const from = avoid ? Math.max(run.deviceBlock, avoid.start) : run.deviceBlock;
    const stop = avoid
      ? Math.min(run.deviceBlock + run.length, avoid.start + avoid.length)
      : run.deviceBlock + run.length;
    if (from >= stop) continue;
    const fileBlock = block + from - run.deviceBlock;
    sources.push({ fileBlock, deviceBlock: -1, length: stop - from, from, written: run.state !== STATE.UNWRITTEN });
  }
  return sources;
}

/** Sources that follow each other in the file, together. */
function join(sources: Move[]): Move[][] {
  const spans: Move[][] = [];
  for (const source of sources) {
    const span = spans.at(-1);
    const last = span?.at(-1);
    if (span && last && last.fileBlock + last.length === source.fileBlock) span.push(source);
    else spans.push([source]);
  }
  return spans;
}

/** How a place for file blocks from `at` on is made up of the sources. */
function parts(span: Move[], at: number, place: DeviceRun): Move[] {
  const out: Move[] = [];
  for (const source of span) {
    const from = Math.max(source.fileBlock, at);
    const to = Math.min(source.fileBlock + source.length, at + place.length);
    if (from >= to) continue;
    out.push({
      fileBlock: from,
      deviceBlock: place.start + from - at,
      length: to - from,
      from: source.from + from - source.fileBlock,
      written: source.written,
    });
  }
  return out;
}
