import type { Undo } from './undo.ts';

/** What is measured side by side. */
export interface Peer {
  readonly name: string;
  /** What it is, for the table's legend. */
  readonly about: string;
  /** Directory in which rows on names work; undefined: the peer has no names. */
  readonly dir: string | undefined;
  /** File of the rows on data; made by the load generator's `prepare`, unless `data` is there already. */
  readonly data: string | undefined;
  /** Where its data begins in `data`, bytes. */
  readonly offset?: number;
  /** `mapped`: it can only be mapped, a window of a lease. `names`: shown in the rows on names alone. */
  readonly only?: 'mapped' | 'names';
  /** Files that hold the peer's data below it: evicted with it for the cold rows. */
  readonly below: readonly string[];
  /** The process that serves it, where it is one: its CPU time is measured. */
  readonly pid: number | undefined;
  /** Those of its threads that answer; default: all. Those of V8, which wait for each other busily, must not be real-time ones. */
  readonly threads?: readonly number[];
}

export interface PeerMaker {
  readonly name: string;
  /**
   * Sets it up in `folder`, an empty directory. `alone`: its threads must not wait for other work of the machine.
   * Throws when something that it needs is missing: it is then skipped.
   */
  start(folder: string, undo: Undo, size: number, alone?: boolean): Peer | Promise<Peer>;
}
