/**
 * What the block map needs from the volume, as far as it is used here: the volume's classes fit these shapes, and so do
 * the stand-ins of the tests.
 */

/** Prepared reading statement. Rows are arrays of the columns in their order. */
export interface Query {
  get(...args: unknown[]): unknown;
  all(...args: unknown[]): unknown[];
  iterate(...args: unknown[]): IterableIterator<unknown>;
}

/** Prepared changing statement: opens the transaction; answers the number of rows changed. */
export interface Mutation {
  run(...args: unknown[]): number;
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
}

export interface Commits {
  readonly sequence: number;
  readonly durable: number;
  touch(): void;
  orderedData(): void;
  onFlush(fn: () => void): void;
  onDurable(fn: (sequence: number) => void): void;
  commitNow(): number;
}
