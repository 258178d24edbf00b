/**
 * What the namespace asks of the volume: prepared statements and the group commit. `Volume` satisfies it; the
 * narrow shape keeps this folder testable over any SQLite connection.
 */

/** What SQLite takes and gives. Integers are JS numbers below 2^53. */
export type Value = number | string | Uint8Array | null;

/** A prepared SELECT. */
export interface Query {
  /** First row, or undefined. */
  get(...args: Value[]): unknown;
  all(...args: Value[]): unknown[];
}

/** A prepared change. `run` answers the number of changed rows. */
export interface Mutation {
  run(...args: Value[]): number;
  /** Puts the change into the redo log without running it: `apply` follows, in `onFlush` at the latest. */
  note(...args: Value[]): void;
  /** Runs a change that the redo log knows of already. */
  apply(...args: Value[]): number;
}

export interface Store {
  readonly database: {
    /** `raw` answers rows as arrays, in the order of the columns. */
    query(sql: string): { raw(): Query };
    mutation(sql: string): Mutation;
  };
  readonly commits: {
    /** Something changes in memory that must reach the next commit. */
    touch(): void;
    /** `fn` runs right before COMMIT: the owner of write-behind state puts it into SQL there. */
    onFlush(fn: () => void): void;
    /** `fn` runs before the reply of an operation that changed something: what is in memory only goes to the redo log. */
    onOperationEnd(fn: () => void): void;
    /** `fn` runs when the metadata failed and the open transaction was rolled back. */
    onFail(fn: () => void): void;
  };
  /** Bytes. */
  readonly blockSize: number;
}
