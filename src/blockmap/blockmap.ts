import { type AllocateOptions, allocate, markWritten, unshare } from './allocate.ts';
import { Core, type CoreOptions } from './core.ts';
import { type ExtentRow, type ExtentRun, MAX_FILE_BLOCKS, type MappedInode, STATE } from './extent.ts';
import { punch, truncate, zeroIsInPlace, zeroRange } from './punch.ts';
import { extents, nextData, nextHole, read } from './read.ts';
import { type RelocateOptions, relocate } from './relocate.ts';
import { collapse, insert, share } from './shift.ts';
import { classifyWrite, write, writeWhatFits } from './write.ts';

export type { AllocateOptions } from './allocate.ts';
export type { CoreOptions as BlockMapOptions } from './core.ts';
export type { RelocateOptions } from './relocate.ts';

/**
 * Where the bytes of files are, and every change of that. Offsets and lengths are bytes, blocks are named so. `read` and
 * `write` answer bytes or -errno, `nextData` and `nextHole` an offset or -errno, all other operations 0 or a positive
 * errno. Nothing has changed when an operation answers ENOSPC, EFBIG or EINVAL. `inode.blocks` is kept exact, and
 * `inode.gen` rises once by each operation that changes which device blocks a file maps (not by a conversion to written).
 *
 * Reads and overwrites cost no SQL while the extents around are in memory.
 */
export class BlockMap {
  private readonly core: Core;
  private readonly run: ExtentRun = { fileBlock: 0, deviceBlock: -1, length: 0, state: STATE.HOLE };
  private readonly selectOwners;

  constructor(options: CoreOptions) {
    this.core = new Core(options);
    this.selectOwners = options.database
      .query(
        'SELECT ino, file_block, device_block, length FROM extent ' +
          'WHERE device_block + length > ? AND device_block < ? ORDER BY ino, file_block',
      )
      .raw();
  }

  /** Where blocks go that left a file and that no other file maps; at first, `space.release`. */
  get onFree(): (ino: number, fileBlock: number, deviceBlock: number, length: number) => void {
    return this.core.onFree;
  }

  set onFree(fn: (ino: number, fileBlock: number, deviceBlock: number, length: number) => void) {
    this.core.onFree = fn;
  }

  /** Told of every new generation of a file's map, in the middle of the change. */
  set onMoved(fn: (ino: number, gen: number) => void) {
    this.core.onMoved = fn;
  }

  /** The run from a block on. The object is filled anew by the next call. */
  find(ino: number, block: number): ExtentRun {
    this.core.extents.find(ino, block, this.run);
    return this.run;
  }

  /** Reads to memory; holes and unwritten blocks give zeros; does not clip at the end of the file. */
  read(inode: MappedInode, offset: number, length: number, address: number): number {
    return read(this.core, inode, offset, length, address);
  }

  /** Bits of WRITE for a write of these bytes. */
  classifyWrite(inode: MappedInode, offset: number, length: number): number {
    return classifyWrite(this.core, inode, offset, length);
  }

  /** Writes from memory, all or nothing in what it allocates; the caller then updates size and times. */
  write(inode: MappedInode, offset: number, length: number, address: number): number {
    return write(this.core, inode, offset, length, address);
  }

  /** After ENOSPC of `write`: the bytes in front that there is room for. */
  writeWhatFits(inode: MappedInode, offset: number, length: number, address: number): number {
    return writeWhatFits(this.core, inode, offset, length, address);
  }

  /** Blocks [fromBlock, toBlock) become mapped: fallocate mode 0 and KEEP_SIZE, prepare. */
  allocate(inode: MappedInode, fromBlock: number, toBlock: number, options?: AllocateOptions): number {
    return allocate(this.core, inode, fromBlock, toBlock, options);
  }

  punch(inode: MappedInode, offset: number, length: number): number {
    return punch(this.core, inode, offset, length);
  }

  /** Real zeros where blocks are written, unwritten blocks over holes unless `keepHoles`. */
  zeroRange(inode: MappedInode, offset: number, length: number, options?: { keepHoles?: boolean }): number {
    return zeroRange(this.core, inode, offset, length, options);
  }

  /** Whether `zeroRange` would leave the map as it is. */
  zeroIsInPlace(inode: MappedInode, offset: number, length: number): boolean {
    return zeroIsInPlace(this.core, inode, offset, length);
  }

  /** To be called while `inode.size` is still the old one; the caller then sets it. */
  truncate(inode: MappedInode, oldSize: number, newSize: number): number {
    return truncate(this.core, inode, oldSize, newSize);
  }

  collapse(inode: MappedInode, offset: number, length: number): number {
    return collapse(this.core, inode, offset, length);
  }

  insert(inode: MappedInode, offset: number, length: number): number {
    return insert(this.core, inode, offset, length);
  }

  /** Reflink; see shift.ts for what may be shared. The caller sets the destination's size. */
  share(
    source: MappedInode,
    sourceOffset: number,
    destination: MappedInode,
    destinationOffset: number,
    length: number,
  ): number {
    return share(this.core, source, sourceOffset, destination, destinationOffset, length);
  }

  unshare(inode: MappedInode, offset: number, length: number): number {
    return unshare(this.core, inode, offset, length);
  }

  /** Blocks that drains under way have still to come to. */
  toMove = 0;

  /** Blocks that were moved since the mount. */
  get moved(): number {
    return this.core.moved;
  }

  relocate(inode: MappedInode, fromBlock: number, count: number, options?: RelocateOptions): number {
    return relocate(this.core, inode, fromBlock, count, options);
  }

  /** A lease holder wrote blocks through the device: they are written, and the next sync has them to carry. */
  markWritten(inode: MappedInode, fromBlock: number, toBlock: number): number {
    return markWritten(this.core, inode, fromBlock, toBlock);
  }

  /** Offset of the next data at or after `offset`, or -ENXIO. Unwritten blocks count as a hole. */
  nextData(inode: MappedInode, offset: number): number {
    return nextData(this.core, inode, offset);
  }

  /** Offset of the next hole at or after `offset` (the end of the file at the latest), or -ENXIO. */
  nextHole(inode: MappedInode, offset: number): number {
    return nextHole(this.core, inode, offset);
  }

  /** Extents from a block on, at most `maxCount`: for `map`. */
  extents(ino: number, fromBlock: number, maxCount: number): ExtentRow[] {
    return extents(this.core, ino, fromBlock, maxCount);
  }

  /** Inodes that map blocks of a device range, with the file ranges. Reads the whole extent table: for drain. */
  owners(start: number, length: number): { ino: number; fileBlock: number; length: number }[] {
    const rows = this.selectOwners.all(start, start + length) as [number, number, number, number][];
    return rows.map(([ino, fileBlock, device, count]) => {
      const from = Math.max(device, start);
      return { ino, fileBlock: fileBlock + from - device, length: Math.min(device + count, start + length) - from };
    });
  }

  /**
   * Frees the blocks of a file that goes away, of at most `extents` extents; says whether all are gone. A file of very many is
   * freed in several steps, so that others are served in between.
   */
  remove(inode: MappedInode, extents = Number.POSITIVE_INFINITY): boolean {
    const { core } = this;
    core.forget(inode.ino);
    if (inode.blocks === 0) core.extents.sheets.knownEmpty(inode.ino);
    const next = Number.isFinite(extents) ? this.extents(inode.ino, 0, extents + 1)[extents] : undefined;
    if (core.unmap(inode, 0, next?.fileBlock ?? MAX_FILE_BLOCKS) > 0) core.changed(inode, inode.gen);
    if (next !== undefined) return false;
    core.commits.dataDropped(inode.ino);
    core.extents.sheets.forget(inode.ino);
    return true;
  }

  /** The last handle was closed: blocks kept ready for the file's next write go back. */
  settle(ino: number): void {
    this.core.reservations.drop(ino);
  }
}
