import type { OutboxJournal } from './outbox.ts';
import type { Caller } from './ports.ts';

/**
 * What the next daemon of a mount has to know of the open files of the hidden directory. It changes with the leases, in
 * the transaction of the operation that changes it: an operation is done with all it did here, or not at all.
 */
export interface Journal {
  put(handle: number, state: HandleState): void;
  /** The handle is closed: it and its lines go. */
  drop(handle: number): void;
  addLine(handle: number, line: Line): void;
  /** The line was read, or is lost. */
  dropLine(handle: number, seq: number): void;
  /** Of a line that was read in part, what is left. */
  cutLine(handle: number, seq: number, bytes: Buffer): void;
  handles(): [number, HandleState][];
  lines(handle: number): Line[];
  /** Forgets everything: the mount is a new one. */
  clear(): void;
}

export interface Line {
  seq: number;
  /** 0 for a reply. */
  events: number;
  bytes: Buffer;
}

export type HandleState =
  | ({ kind: 'session' } & SessionState)
  | { kind: 'events'; caller: Caller; kernelHandle: number }
  | { kind: 'text'; name: string; caller: Caller }
  | { kind: 'guarded'; node: number; lease: number; ino: number; path?: string }
  | { kind: 'device'; lease: number; ino: number; served: boolean; writable: boolean }
  /** The handle is closed; it was a device window of a lease that is not over. */
  | { kind: 'bared'; lease: number };

export interface SessionState {
  id: number;
  caller: Caller;
  form: 'plain' | 'json';
  /** The beginning of a line, base64. */
  partial: string;
  skipping: boolean;
  /** Wakes pollers; 0: nobody polls. */
  kernelHandle: number;
  /** Writes that wait: what of them is still to be done. */
  writes: UnfinishedWrite[];
}

export interface UnfinishedWrite {
  /** Of the request. */
  unique: number;
  /** Lines, base64; null for one that was too long. */
  lines: (string | null)[];
  /** Bytes that the write will have taken. */
  size: number;
}

/** The journal of one handle, for its outbox. */
export function outboxJournal(journal: Journal, handle: number, polled: (kernelHandle: number) => void): OutboxJournal {
  return {
    add: (line) => journal.addLine(handle, line),
    taken: (seq) => journal.dropLine(handle, seq),
    cut: (seq, rest) => journal.cutLine(handle, seq, rest),
    polled,
  };
}
