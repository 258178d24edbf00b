/**
 * What the block map needs from the volume, as far as it is used here: the volume's classes fit these shapes, and so do
 * the stand-ins of the tests.
 */

/** Prepared reading statement. Rows are arrays of the columns in their order. */
export interface Query {
  get(...args: Value[]): unknown;
  all(...args: Value[]): unknown[];
  iterate(...args: Value[]): IterableIterator<unknown>;
}

export type Value = number | string | Uint8Array | null;

/** Prepared changing statement: opens the transaction; answers the number of rows changed. */
export interface Mutation {
  run(...args: Value[]): number;
  /** Into the redo log only: the change itself is made by `Commits.onFlush`. */
  note(...args: Value[]): void;
}

export interface Database {
  query(sql: string): Query & { raw(): Query };
  mutation(sql: string): Mutation;
}

export interface Device {
  /** Full transfers: 0 or more, or -errno. Addresses are of memory, offsets and lengths are bytes. */
  pread(address: number, length: number, offset: number): number;
  pwrite(address: number, length: number, offset: number): number;
  /** Makes a byte range read as zeros: 0 or -errno. */
  zero(offset: number, length: number): number;
  /** Copies within the device, between ranges that do not overlap: 0 or -errno. */
  copy(from: number, to: number, length: number): number;
  /** Says that bytes changed by another way: the mapping of a lease holder. */
  changed(bytes: number): void;
}

export interface Commits {
  readonly sequence: number;
  readonly durable: number;
  touch(): void;
  /** Blocks of an extent in state 2 were written: it becomes written at a commit after the next device sync. */
  dataWritten(ino: number, fileBlock: number, length: number): void;
  /** All extents of the inode are gone. */
  dataDropped(ino: number): void;
  /** The open transaction must not commit before what was written up to now is on the device. */
  orderedData(): void;
  /** Makes the extents in state 2 within file blocks [from, to) written; set by the block map. */
  convert: (ino: number, from: number, to: number) => void;
  /** The open transaction was rolled back: caches are ahead of the database. */
  onFail(fn: (errno: number) => void): void;
  onFlush(fn: () => void): void;
  onDurable(fn: (sequence: number) => void): void;
  commitNow(): number;
}
