import fs from 'node:fs';
import type SQLite from 'better-sqlite3';
import { bound, isNumbered } from './parameters.ts';
import { checksum, FRAME, HEADER, MAGIC, VERSION } from './redo.ts';
import { decodeRecords } from './redo-records.ts';

export interface Replayed {
  /** Operations that were answered but not committed, and now are. */
  operations: number;
  /** Replies by `unique` (low 53 bits and the rest, as `low:high`), for requests that the kernel sends again. */
  answers: Map<string, Buffer>;
  /** Key of the last of them: the only one whose request may not have got it. */
  lastAnswer: string | undefined;
  /** Transaction that the replay has committed, or the last one before if there was nothing to do. */
  sequence: number;
  /** Why the replay was given up; the volume is then in the state of its last commit. */
  problem?: string;
}

/** Key of `Replayed.answers`. */
export const answerKey = (unique: number, uniqueHigh: number): string => `${unique}:${uniqueHigh}`;

/**
 * Runs what the redo log holds behind transaction `committed`, in one transaction of its own, not synced. The device
 * must have been synced: the log may tell of blocks whose data is in the page cache only. All or nothing.
 */
export function replay(connection: SQLite.Database, path: string, uuid: string, committed: number): Replayed {
  const answers = new Map<string, Buffer>();
  const none: Replayed = { operations: 0, answers, lastAnswer: undefined, sequence: committed };
  const all = readFrames(path, uuid, committed);
  if (all.length === 0) return none;
  let lastAnswer: string | undefined;
  const answer = (unique: number, high: number, reply: Buffer): void => {
    lastAnswer = answerKey(unique, high);
    answers.set(lastAnswer, reply);
  };
  const frames = all.filter(({ sequence }) => sequence === committed + 1);
  if (frames.length === 0) {
    // Committed, and died before the log began anew: what is left of it are the replies.
    for (const { records } of all) decodeRecords(records, { define: () => {}, run: () => {}, answer });
    return { ...none, lastAnswer };
  }
  const statements = new Map<number, { statement: SQLite.Statement; numbered: boolean }>();
  connection.exec('BEGIN IMMEDIATE');
  try {
    for (const { records } of frames) {
      decodeRecords(records, {
        define: (number, sql) =>
          statements.set(number, { statement: connection.prepare(sql), numbered: isNumbered(sql) }),
        run: (number, args) => {
          const known = statements.get(number);
          if (!known) throw new RangeError(`statement ${number} is not defined`);
          if (known.numbered) known.statement.run(bound(args));
          else known.statement.run(...args);
        },
        answer,
      });
    }
    connection.prepare('UPDATE volume SET sequence = ?').run(committed + 1);
    connection.exec('COMMIT');
  } catch (error) {
    if (connection.inTransaction) connection.exec('ROLLBACK');
    return { ...none, problem: `redo log ${path}: ${String(error)}` };
  }
  return { operations: frames.length, answers, lastAnswer, sequence: committed + 1 };
}

/** Whether the log holds operations that were answered after transaction `committed`. */
export function isReplayDue(path: string, uuid: string, committed: number): boolean {
  return readFrames(path, uuid, committed).some(({ sequence }) => sequence === committed + 1);
}

interface Frame {
  sequence: number;
  records: Buffer;
}

/** Whole frames of one transaction, `committed` or the one after it, in order; none when the log is not of this volume. */
function readFrames(path: string, uuid: string, committed: number): Frame[] {
  if (!fs.existsSync(path)) return [];
  const bytes = fs.readFileSync(path);
  if (bytes.length < HEADER + FRAME || bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt32LE(4) !== VERSION) return [];
  if (bytes.toString('latin1', 16, 16 + uuid.length) !== uuid) return [];
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const out: Frame[] = [];
  for (let at = HEADER; at + FRAME <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    const end = at + FRAME + length;
    if (length === 0 || length % 4 !== 0 || end > bytes.length) break;
    if (checksum(words, (at + 8) >> 2, end >> 2) !== words[(at >> 2) + 1]) break;
    const sequence = bytes.readDoubleLE(at + 8);
    if (sequence === committed + 1 || sequence === committed) {
      out.push({ sequence, records: bytes.subarray(at + FRAME, end) });
    }
    at = (end + 7) & ~7;
  }
  return out;
}
