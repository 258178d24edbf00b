/** Words of the block map. Block numbers and lengths are in blocks of the volume; offsets are bytes. */

/** State of a run of file blocks. The first three are values of `extent.state`; a hole has no row. */
export const STATE = {
  /** Allocated, reads as zeros. */
  UNWRITTEN: 0,
  WRITTEN: 1,
  /** Written, but the commit may be ahead of the data: after a crash of the host it counts as unwritten. */
  UNSYNCED: 2,
  HOLE: 3,
} as const;
export type State = 0 | 1 | 2 | 3;

/** What a write would meet in the block map: bits of `BlockMap.classifyWrite`. */
export const WRITE = {
  /** Written blocks, overwritten where they are. */
  INPLACE: 1,
  /** Allocated blocks that become written. */
  UNWRITTEN: 2,
  /** Blocks that have to be allocated (also those past the end of the file). */
  HOLE: 4,
  /** Blocks that another file maps too: copied to a new place first. */
  SHARED: 8,
} as const;

/** First block number that a file cannot have: 4 PiB at 4 KiB blocks. Operations beyond answer EFBIG. */
export const MAX_FILE_BLOCKS = 2 ** 40;

/**
 * A run of file blocks from the block that was asked for on, all in one state and (unless a hole) contiguous on the
 * device. `BlockMap.find` fills the same object again and again: copy what has to live on.
 */
export interface ExtentRun {
  fileBlock: number;
  /** -1 in a hole. */
  deviceBlock: number;
  /** Up to the next extent; to MAX_FILE_BLOCKS in the hole behind the last one. */
  length: number;
  state: State;
}

/** An extent as `BlockMap.extents` tells it. */
export interface ExtentRow {
  fileBlock: number;
  deviceBlock: number;
  length: number;
  state: 0 | 1 | 2;
  /** More than one file maps these blocks. */
  shared: boolean;
}

/** The part of an inode that the block map reads and keeps. */
export interface MappedInode {
  readonly ino: number;
  /** Bytes. Only read here: the caller sets it. */
  readonly size: number;
  /** Blocks mapped by this file, shared ones included. */
  blocks: number;
  /** Bumped once by every operation that changes which device blocks the file maps. */
  gen: number;
}

/** A run of device blocks. */
export interface DeviceRun {
  start: number;
  length: number;
}
