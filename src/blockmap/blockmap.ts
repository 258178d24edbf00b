import type { DeviceRun, ExtentRow, ExtentRun, MappedInode } from './extent.ts';
import type { Commits, Database, Device } from './ports.ts';
import type { Space } from './space.ts';

export interface BlockMapOptions {
  database: Database;
  device: Device;
  commits: Commits;
  space: Space;
  blockSize: number;
  /** Marks an inode as changed: its row is written with the open transaction. */
  touch: (inode: MappedInode) => void;
}

export interface AllocateOptions {
  /** Written zeros instead of unwritten blocks; unwritten blocks in the range become written zeros too. */
  zero?: boolean;
  /** Blocks, a power of two: every new run starts at such a device block, congruent with its file block. */
  align?: number;
  /** All of the range that is not mapped yet in one run. */
  contiguous?: boolean;
}

export interface RelocateOptions {
  /** Move only what lies in this device range, and nothing into it. */
  avoid?: DeviceRun;
  /** Device block near which the new place is looked for. */
  goal?: number;
  align?: number;
  contiguous?: boolean;
}

/**
 * Where the bytes of files are, and every change of that. Answers of type `errno` are 0 or a positive errno; `read` and
 * `write` answer bytes or -errno. Nothing has changed when an operation answers ENOSPC or EFBIG.
 */
export class BlockMap {
  /** Where freed blocks that nobody else maps go; the assembly sets it to the leases' disposal (quarantine). */
  onFree: (ino: number, fileBlock: number, deviceBlock: number, length: number) => void;

  constructor(options: BlockMapOptions) {
    this.onFree = (_ino, _fileBlock, deviceBlock, length) => options.space.release(deviceBlock, length);
  }

  /** The run at a block. The object is reused by the next call. */
  find(_ino: number, _block: number): ExtentRun {
    throw new Error('not yet');
  }

  /** Reads to memory; holes and unwritten blocks give zeros; does not clip at the end of the file. */
  read(_inode: MappedInode, _offset: number, _length: number, _address: number): number {
    throw new Error('not yet');
  }

  classifyWrite(_inode: MappedInode, _offset: number, _length: number): number {
    throw new Error('not yet');
  }

  /** Allocates, converts and copies on write as needed; the caller then updates size and times. */
  write(_inode: MappedInode, _offset: number, _length: number, _address: number): number {
    throw new Error('not yet');
  }

  /** Blocks [fromBlock, toBlock) become mapped: fallocate mode 0 and KEEP_SIZE, prepare. */
  allocate(_inode: MappedInode, _fromBlock: number, _toBlock: number, _options?: AllocateOptions): number {
    throw new Error('not yet');
  }

  punch(_inode: MappedInode, _offset: number, _length: number): number {
    throw new Error('not yet');
  }

  /** Zeros, allocated: real zeros where blocks are written, unwritten blocks over holes unless `keepHoles`. */
  zeroRange(_inode: MappedInode, _offset: number, _length: number, _options?: { keepHoles?: boolean }): number {
    throw new Error('not yet');
  }

  zeroIsInPlace(_inode: MappedInode, _offset: number, _length: number): boolean {
    throw new Error('not yet');
  }

  truncate(_inode: MappedInode, _oldSize: number, _newSize: number): number {
    throw new Error('not yet');
  }

  collapse(_inode: MappedInode, _offset: number, _length: number): number {
    throw new Error('not yet');
  }

  insert(_inode: MappedInode, _offset: number, _length: number): number {
    throw new Error('not yet');
  }

  /** Reflink. Offsets are whole blocks; the length too, unless it ends at the end of both files. */
  share(_src: MappedInode, _srcOffset: number, _dst: MappedInode, _dstOffset: number, _length: number): number {
    throw new Error('not yet');
  }

  unshare(_inode: MappedInode, _offset: number, _length: number): number {
    throw new Error('not yet');
  }

  relocate(_inode: MappedInode, _fromBlock: number, _count: number, _options?: RelocateOptions): number {
    throw new Error('not yet');
  }

  /** A holder wrote the blocks himself through the device: unwritten ones become written. */
  markWritten(_inode: MappedInode, _fromBlock: number, _toBlock: number): number {
    throw new Error('not yet');
  }

  /** Offset (bytes) of the next data at or after `offset`, or -ENXIO. Unwritten blocks count as a hole. */
  nextData(_inode: MappedInode, _offset: number): number {
    throw new Error('not yet');
  }

  /** Offset (bytes) of the next hole at or after `offset` (the end of the file at the latest), or -ENXIO. */
  nextHole(_inode: MappedInode, _offset: number): number {
    throw new Error('not yet');
  }

  extents(_ino: number, _fromBlock: number, _maxCount: number): ExtentRow[] {
    throw new Error('not yet');
  }

  /** Inodes that map blocks of a device range, with their file ranges. Reads the whole extent table. */
  owners(_start: number, _length: number): { ino: number; fileBlock: number; length: number }[] {
    throw new Error('not yet');
  }

  /** Frees everything: the inode goes. */
  removeAll(_inode: MappedInode): void {
    throw new Error('not yet');
  }

  /** The last handle was closed: blocks kept ready for the file's next write go back. */
  settle(_ino: number): void {
    throw new Error('not yet');
  }
}
