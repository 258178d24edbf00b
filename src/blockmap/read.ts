import { E } from '../system/errno.ts';
import { zeroMemory } from '../system/memory.ts';
import type { Core } from './core.ts';
import { type ExtentRow, type ExtentRun, MAX_FILE_BLOCKS, type MappedInode, STATE } from './extent.ts';

const run: ExtentRun = { fileBlock: 0, deviceBlock: -1, length: 0, state: STATE.HOLE };

/** Reads to memory: `length`, or -errno. Does not clip at the end of the file. */
export function read(core: Core, inode: MappedInode, offset: number, length: number, address: number): number {
  const { blockSize } = core;
  const end = offset + length;
  for (let at = offset; at < end; ) {
    const block = Math.floor(at / blockSize);
    core.extents.find(inode.ino, block, run);
    const stop = Math.min(end, (block + run.length) * blockSize);
    const to = address + at - offset;
    if (run.state === STATE.WRITTEN || run.state === STATE.UNSYNCED) {
      const r = core.device.pread(to, stop - at, run.deviceBlock * blockSize + at - block * blockSize);
      if (r < 0) return r;
    } else zeroMemory(to, stop - at);
    at = stop;
  }
  return length;
}

/** lseek(2) SEEK_DATA: bytes, or -ENXIO. Unwritten blocks read as zeros and count as a hole. */
export function nextData(core: Core, inode: MappedInode, offset: number): number {
  return seek(core, inode, offset, true);
}

/** lseek(2) SEEK_HOLE: bytes, the end of the file at the latest; or -ENXIO. */
export function nextHole(core: Core, inode: MappedInode, offset: number): number {
  return seek(core, inode, offset, false);
}

function seek(core: Core, inode: MappedInode, offset: number, data: boolean): number {
  const { blockSize } = core;
  const { ino, size } = inode;
  if (offset < 0 || offset >= size) return -E.NXIO;
  const end = Math.ceil(size / blockSize);
  for (let block = Math.floor(offset / blockSize); block < end; block += run.length) {
    core.extents.find(ino, block, run);
    const written = run.state === STATE.WRITTEN || run.state === STATE.UNSYNCED;
    if (written === data) return Math.max(offset, block * blockSize);
  }
  return data ? -E.NXIO : size;
}

/** Extents that map a block from `fromBlock` on (the first one cut to it), at most `maxCount`, split where sharing changes. */
export function extents(core: Core, ino: number, fromBlock: number, maxCount: number): ExtentRow[] {
  const out: ExtentRow[] = [];
  for (let block = fromBlock; block < MAX_FILE_BLOCKS && out.length < maxCount; block += run.length) {
    const shared = core.shareRun(ino, block, MAX_FILE_BLOCKS, run);
    const { deviceBlock, length, state } = run;
    if (state === STATE.HOLE) continue;
    const last = out.at(-1);
    const continues =
      last &&
      last.fileBlock + last.length === block &&
      last.deviceBlock + last.length === deviceBlock &&
      last.state === state &&
      last.shared === shared;
    if (continues) last.length += length;
    else out.push({ fileBlock: block, deviceBlock, length, state, shared });
  }
  return out;
}
