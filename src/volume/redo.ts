import { MAP, O, PROT, SEEK } from '../system/constants.ts';
import { addressOf, bufferAt, close, ftruncate, lseek, mmap, munmap, open, pwrite } from '../system/libc.ts';
import type { Value } from './database.ts';
import { answerSize, encodeAnswer, encodeDefinition, encodeRun, MARGIN } from './redo-records.ts';
import { VolumeError } from './volume-error.ts';

/**
 * The redo log: what the open transaction has done so far, in a file mapped into memory. The page cache outlives a
 * SIGKILL, so a daemon that dies with its host alive loses no operation that it has answered, although COMMIT comes only
 * once a second. It is of no use after a crash of the host (other boot id) and is never synced.
 *
 * Frames, one for each operation: `seal` publishes what was appended since the last one, so that a log never
 * ends in half an operation. A frame is 8-aligned: length (u32) of its records, checksum (u32) over sequence and
 * records, sequence (f64) of the transaction, records. Length 0 ends the log. A frame whose transaction is committed
 * (sequence <= volume.sequence) is passed over.
 */
export const HEADER = 4096;
export const FRAME = 16;
export const MAGIC = 0x4c465352; // 'LFSR'
export const VERSION = 1;

/** Bytes. 0.2 s of the fastest stream of creates; fuller than `HIGH`, the transaction is committed early. */
const CAPACITY = 16 * 1024 * 1024;
const HIGH = 0.75;

/** A statement as the log knows it: by number, and by its text in the first record of a generation that uses it. */
export interface RedoStatement {
  readonly number: number;
  readonly sql: string;
  /** Generation of the log in which it was last defined. */
  defined: number;
}

export class Redo {
  readonly path: string;
  readonly uuid: string;
  private readonly address: number;
  private readonly capacity: number;
  private readonly bytes: Buffer;
  private readonly view: DataView;
  private readonly words: Int32Array;
  /** Start of the frame being filled, and where its next record goes. */
  private frame = HEADER;
  private tail = HEADER + FRAME;
  private sequence = 0;
  private generation = 0;
  /** The frame being filled did not fit: only a COMMIT makes its operation safe. */
  private overflowed = false;
  /** While set nothing is recorded: the flush before COMMIT repeats what was noted operation by operation. */
  paused = false;

  constructor(path: string, uuid: string, capacity: number = CAPACITY) {
    this.path = path;
    this.uuid = uuid;
    this.capacity = capacity;
    const fd = open(path, O.RDWR | O.CREAT, 0o600);
    if (fd < 0) throw new VolumeError('SYSTEM', `cannot create ${path}`, { errno: -fd });
    let r = lseek(fd, 0, SEEK.END);
    // Written, not fallocated: a store to a block the host has not initialised would cost it a journal transaction.
    if (r !== capacity) r = fill(fd, capacity);
    const mapped = r < 0 ? r : mmap(0, capacity, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.POPULATE, fd, 0);
    close(fd);
    if (mapped < 0) throw new VolumeError('SYSTEM', `cannot map ${path}`, { errno: -mapped });
    this.address = mapped;
    this.bytes = bufferAt(mapped, capacity);
    const { buffer, byteOffset } = this.bytes;
    this.view = new DataView(buffer, byteOffset, capacity);
    this.words = new Int32Array(buffer, byteOffset, capacity / 4);
    this.bytes.writeUInt32LE(MAGIC, 0);
    this.bytes.writeUInt32LE(VERSION, 4);
    this.bytes.write(uuid, 16, 'latin1');
  }

  /** Bytes that records of the open transaction take. */
  get used(): number {
    return this.frame - HEADER;
  }

  /** Whether something was appended since the last `seal`. */
  get pending(): boolean {
    return this.overflowed || this.tail > this.frame + FRAME;
  }

  append(statement: RedoStatement, args: readonly Value[]): void {
    if (this.paused || this.overflowed) return;
    let at = this.tail;
    if (statement.defined !== this.generation) {
      if (at + MARGIN + statement.sql.length * 3 > this.capacity) return this.overflow();
      at = encodeDefinition(this.bytes, this.view, at, statement.number, statement.sql);
      statement.defined = this.generation;
    }
    at = encodeRun(this.bytes, this.view, at, this.capacity - MARGIN, statement.number, args);
    if (at < 0) return this.overflow();
    this.tail = at;
  }

  /** Adds the reply of the operation: after a restart its request is recognised by `unique` and answered, not repeated. */
  answer(unique: number, uniqueHigh: number, reply: Uint8Array): void {
    if (this.overflowed) return;
    if (this.tail + answerSize(reply) + MARGIN > this.capacity) return this.overflow();
    this.tail = encodeAnswer(this.bytes, this.view, this.tail, unique, uniqueHigh, reply);
  }

  /** Publishes the records of one operation. False: it is not (or will soon not be) safe here; the caller must COMMIT. */
  seal(): boolean {
    if (this.overflowed) return false;
    const { frame } = this;
    let end = this.tail;
    if (end === frame + FRAME) return true;
    while ((end & 3) !== 0) this.bytes[end++] = 0;
    const next = (end + 7) & ~7;
    this.words[next >> 2] = 0;
    this.view.setFloat64(frame + 8, this.sequence, true);
    this.words[(frame >> 2) + 1] = checksum(this.words, (frame + 8) >> 2, end >> 2);
    this.words[frame >> 2] = end - frame - FRAME;
    this.frame = next;
    this.tail = next + FRAME;
    return next < this.capacity * HIGH;
  }

  /** Everything recorded so far is committed; what follows belongs to transaction `sequence`. */
  reset(sequence: number): void {
    this.words[HEADER >> 2] = 0;
    this.frame = HEADER;
    this.tail = HEADER + FRAME;
    this.sequence = sequence;
    this.generation++;
    this.overflowed = false;
  }

  /** Forgets what was appended since the last `seal`: an operation that failed half way. */
  discard(): void {
    this.tail = this.frame + FRAME;
    this.generation++; // definitions may be among what is dropped
    this.overflowed = false;
  }

  close(): void {
    munmap(this.address, this.capacity);
  }

  private overflow(): void {
    this.overflowed = true;
  }
}

/** Makes the file `capacity` bytes of zeros: 0 or -errno. */
function fill(fd: number, capacity: number): number {
  const zeros = Buffer.alloc(1024 * 1024);
  let r = ftruncate(fd, 0);
  for (let at = 0; r >= 0 && at < capacity; at += r) {
    r = pwrite(fd, addressOf(zeros), Math.min(zeros.length, capacity - at), at);
  }
  return r;
}

/** Over 32-bit words; guards against a frame that was not finished, not against malice. */
export function checksum(words: Int32Array, from: number, to: number): number {
  let sum = 0x9e3779b9 | 0;
  for (let i = from; i < to; i++) sum = Math.imul((sum << 5) ^ (sum >>> 27) ^ words[i], 0x01000193);
  return sum;
}
