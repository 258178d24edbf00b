import type { DeviceRun } from './extent.ts';
import type { Commits, Database } from './ports.ts';

export interface SpaceOptions {
  database: Database;
  commits: Commits;
  /** Length of the device, and the first block that may hold file data. Blocks. */
  deviceBlocks: number;
  firstBlock: number;
}

export interface SpaceRequest {
  /** Power of two, blocks: the run starts at `phase` modulo it. */
  align?: number;
  phase?: number;
  /** Exactly the wanted length or nothing. */
  contiguous?: boolean;
  /** Shortest acceptable run. */
  min?: number;
  /** Not in this device range. */
  avoid?: DeviceRun;
}

/** The free space of the device. */
export class Space {
  /** Blocks for file data: the device without its header. */
  readonly total: number;
  /** Blocks in no file, quarantine or header; what was freed counts at once, though it is allocatable later. */
  free: number;

  constructor(options: SpaceOptions) {
    this.total = options.deviceBlocks - options.firstBlock;
    this.free = this.total;
  }

  /** One run of at most `want` blocks near `goal`, marked as used; undefined when there is none. */
  allocate(_goal: number, _want: number, _request?: SpaceRequest): DeviceRun | undefined {
    throw new Error('not yet');
  }

  /** Frees in the open transaction; the blocks are allocatable once that is durable. */
  release(_start: number, _length: number): void {
    throw new Error('not yet');
  }
}
