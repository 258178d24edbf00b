import { closeSync, openSync, readSync } from 'node:fs';
import type { SavedInfo } from '../fuse/init.ts';
import type { Owed } from '../fuse/notifier.ts';
import type { TableMemory } from '../namespace/lookups.ts';
import { FALLOC, MAP, PROT } from '../system/constants.ts';
import { SystemError } from '../system/errno.ts';
import { bufferAt, fallocate, ftruncate, memfdCreate, mmap, munmap } from '../system/libc.ts';

/**
 * What the next daemon of a mount has to know and no disk tells: memory shared by the supervisor and one daemon after
 * the other, which lives exactly as long as the connection has somebody to serve it. A daemon may be killed between any
 * two stores: every part says how it stays readable. What must change together with the metadata is not here but in the
 * redo log; here is what changes with every LOOKUP and OPEN.
 *
 *   0       magic, version, status, length of the INIT agreement, process that serves (u32 each)
 *   64      counters (f64 each, `COUNTER`)
 *   512     tables: two records each (offset, bits, bytes; f64) and which of them counts (u32)
 *   1024    INIT agreement, JSON
 *   4096    the counts of the operation under way (`Tally`)
 *   135168  replies that are promised (`Promised`)
 *   458752  notifications that the kernel may not have got (`Owed`)
 *   524288  memory of the tables
 */
const MAGIC = 0x4c465348; // 'HSFL'
const VERSION = 2;
const AT = {
  STATUS: 8,
  INFO_LENGTH: 12,
  SERVING: 16,
  COUNTERS: 64,
  ROOTS: 512,
  INFO: 1024,
  TALLY: 4096,
  PROMISED: 135168,
  OWED: 458752,
} as const;
const FIXED_BYTES = 524288;
const ROOT_BYTES = 64;
const PAGE = 4096;

/** How far the mount has come; survives the daemon that wrote it. */
export const STATUS = { STARTING: 0, SERVING: 1, OVER: 2 } as const;
/**
 * Places in `Handover.counters`: file handles, from CONTROL on those of the control layer (control/handle.ts), the number
 * that the kernel has given the device as a backing file.
 */
export const COUNTER = { FILE_HANDLE: 0, CONTROL: 1, BACKING: 31 } as const;
const COUNTERS = 32;

export class Handover {
  readonly fd: number;
  /** Numbers that must never come twice in the life of a connection; 0 where nothing was stored yet. */
  readonly counters: Float64Array;
  readonly tally: Tally;
  readonly promised: Promised;
  readonly owed: OwedNotifications;
  /** How often the kernel knows each inode, and how many open files each has. */
  readonly lookups: TableMemory;
  readonly opens: TableMemory;
  /** How often the kernel knows the device window of each lease. */
  readonly deviceNodes: TableMemory;
  /** Inodes whose end has moved without the kernel knowing. */
  readonly movedEnds: TableMemory;
  private readonly bytes: Buffer;
  private readonly view: DataView;

  /** Makes the shared memory: the supervisor's part. Throws SystemError. */
  static create(): Handover {
    const fd = memfdCreate('layoutfs-handover');
    if (fd < 0) throw new SystemError(fd, 'memfd_create');
    const r = ftruncate(fd, FIXED_BYTES);
    if (r < 0) throw new SystemError(r, 'ftruncate');
    const handover = new Handover(fd);
    handover.bytes.writeUInt32LE(VERSION, 4);
    handover.bytes.writeUInt32LE(MAGIC, 0);
    return handover;
  }

  /** The one that a supervisor has passed on. Throws when it is not one of ours, or of another version. */
  static open(fd: number): Handover {
    const handover = new Handover(fd);
    const { bytes } = handover;
    if (bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt32LE(4) !== VERSION) {
      throw new Error('the memory that the supervisor has passed on is of another version of layoutfs');
    }
    return handover;
  }

  private constructor(fd: number) {
    const mapped = mmap(0, FIXED_BYTES, PROT.READ | PROT.WRITE, MAP.SHARED, fd, 0);
    if (mapped < 0) throw new SystemError(mapped, 'mmap');
    this.fd = fd;
    this.bytes = bufferAt(mapped, FIXED_BYTES);
    const { buffer, byteOffset } = this.bytes;
    this.view = new DataView(buffer, byteOffset, FIXED_BYTES);
    this.counters = new Float64Array(buffer, byteOffset + AT.COUNTERS, COUNTERS);
    this.tally = new Tally(new Float64Array(buffer, byteOffset + AT.TALLY, (AT.PROMISED - AT.TALLY) / 8));
    this.promised = new Promised(this.bytes.subarray(AT.PROMISED, AT.OWED));
    this.owed = new OwedNotifications(this.bytes.subarray(AT.OWED, FIXED_BYTES));
    this.lookups = this.table(0);
    this.opens = this.table(1);
    this.deviceNodes = this.table(2);
    this.movedEnds = this.table(3);
  }

  get status(): number {
    return this.view.getUint32(AT.STATUS, true);
  }

  set status(status: number) {
    this.view.setUint32(AT.STATUS, status, true);
  }

  /** The process that serves the connection, for those who look at it from outside. */
  set serving(pid: number) {
    this.view.setUint32(AT.SERVING, pid, true);
  }

  /** That process, read through any descriptor of the memory (/proc/PID/fd/N); undefined: none, or it is not to be had. */
  static servingOf(path: string): number | undefined {
    try {
      const fd = openSync(path, 'r');
      const head = Buffer.alloc(AT.SERVING + 4);
      const length = readSync(fd, head, 0, head.length, 0);
      closeSync(fd);
      if (length < head.length || head.readUInt32LE(0) !== MAGIC) return undefined;
      return head.readUInt32LE(AT.SERVING) || undefined;
    } catch {
      return undefined;
    }
  }

  /** What was agreed on at INIT, for every later daemon; undefined before that. */
  get info(): SavedInfo | undefined {
    const length = this.view.getUint32(AT.INFO_LENGTH, true);
    return length === 0 ? undefined : JSON.parse(this.bytes.toString('utf8', AT.INFO, AT.INFO + length));
  }

  set info(info: SavedInfo) {
    const length = this.bytes.write(JSON.stringify(info), AT.INFO, AT.TALLY - AT.INFO, 'utf8');
    this.view.setUint32(AT.INFO_LENGTH, length, true);
  }

  private table(number: number): TableMemory {
    const { view, fd } = this;
    const root = AT.ROOTS + number * ROOT_BYTES;
    const recordAt = (which: number): number => root + 8 + which * 24;
    const current = (): number => view.getUint32(root, true);
    let mine = { address: 0, offset: 0, length: 0 };
    let fresh = mine;
    const map = (offset: number, length: number) => {
      const address = mmap(0, length, PROT.READ | PROT.WRITE, MAP.SHARED, fd, offset);
      if (address < 0) throw new SystemError(address, 'mmap');
      return { address, offset, length };
    };
    const memoryOf = ({ address, length }: { address: number; length: number }): ArrayBuffer =>
      bufferAt(address, length).buffer as ArrayBuffer;
    return {
      allocate: (bytes) => {
        const length = Math.ceil(bytes / PAGE) * PAGE;
        // Offsets only rise: what was given back is a hole.
        const next = view.getFloat64(AT.ROOTS + 256, true);
        const offset = Math.max(next, FIXED_BYTES);
        const r = ftruncate(fd, offset + length);
        if (r < 0) throw new SystemError(r, 'ftruncate');
        view.setFloat64(AT.ROOTS + 256, offset + length, true);
        fresh = map(offset, length);
        return memoryOf(fresh);
      },
      publish: (bits) => {
        const which = current() ^ 1;
        const at = recordAt(which);
        view.setFloat64(at, fresh.offset, true);
        view.setFloat64(at + 8, bits, true);
        view.setFloat64(at + 16, fresh.length, true);
        view.setUint32(root, which, true);
        if (mine.length > 0) {
          munmap(mine.address, mine.length);
          fallocate(fd, FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE, mine.offset, mine.length);
        }
        mine = fresh;
      },
      existing: () => {
        const at = recordAt(current());
        const length = view.getFloat64(at + 16, true);
        if (length === 0) return undefined;
        mine = map(view.getFloat64(at, true), length);
        return { memory: memoryOf(mine), bits: view.getFloat64(at + 8, true) };
      },
    };
  }
}

export interface Counts {
  countLookup(ino: number, by: number): void;
  countOpen(ino: number, by: number): void;
}

const CLOSED = 2 ** 50;

/**
 * What the operation under way has counted. Its request comes again when its reply did not get out; then the new daemon
 * takes the counts back before it does the operation once more. Whatever the moment of death, no count is ever too low;
 * one that is too high by one costs a closed file without names its blocks until the unmount, nothing else.
 *
 * [0] request (0: none), [1] how many follow; then inode numbers: positive of lookups, negative of opened files, above
 * 2^50 of closed ones.
 */
class Tally {
  private readonly words: Float64Array;
  /** The reply is on its way: what is counted from now on belongs to the next operation. */
  private complete = true;

  constructor(words: Float64Array) {
    this.words = words;
  }

  /** The kernel is told of the inode; called after it was counted. */
  looked(ino: number): void {
    this.add(ino);
  }

  /** It gets a handle; called after it was counted. */
  opened(ino: number): void {
    this.add(-ino);
  }

  /** A handle of it ends by request `unique`; called before that is counted, so that it is never counted twice. */
  closing(unique: number, ino: number): void {
    const { words } = this;
    words[0] = 0;
    words[1] = 1;
    words[2] = CLOSED + ino;
    words[0] = unique;
    this.complete = true;
  }

  /** The reply goes out now: what was counted belongs to request `unique`. */
  seal(unique: number): void {
    if (this.complete) return;
    this.complete = true;
    this.words[0] = unique;
  }

  /** Takes back what a daemon that died had counted for this request, if it was the last one. */
  takeBack(unique: number, counts: Counts): void {
    const { words } = this;
    if (unique === 0 || words[0] !== unique) return;
    words[0] = 0;
    for (const entry of words.subarray(2, 2 + words[1])) {
      if (entry > CLOSED) counts.countOpen(entry - CLOSED, 1);
      else if (entry > 0) counts.countLookup(entry, -1);
      else counts.countOpen(-entry, -1);
    }
  }

  private add(entry: number): void {
    const { words } = this;
    if (this.complete) {
      this.complete = false;
      words[0] = 0;
      words[1] = 0;
    }
    const n = words[1];
    if (n + 2 >= words.length) return;
    words[n + 2] = entry;
    words[1] = n + 1;
  }
}

const SLOT = 512;
const HEAD = 24;
/** Bytes of a reply, header included. */
export const LONGEST_PROMISE = SLOT - HEAD;

/**
 * Replies of operations that are done and whose callers still wait: for the disk, or because the log that held the reply
 * begins anew. A slot: length of the reply (u32, 0 = free), high bits of the request's id, low bits (f64), transaction
 * that did the operation (f64), reply. The length is stored last.
 */
export class Promised {
  private readonly bytes: Buffer;
  private readonly view: DataView;
  private readonly slotOf = new Map<number, number>();
  private readonly free: number[] = [];
  /** Answered, but perhaps not out yet: free at the next turn. */
  private done: number[] = [];

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at + SLOT <= bytes.length; at += SLOT) {
      const length = this.view.getUint32(at, true);
      if (length === 0) this.free.push(at);
      else this.slotOf.set(this.view.getFloat64(at + 8, true), at);
    }
  }

  /** False: there is no room, or the reply is too long. */
  put(unique: number, uniqueHigh: number, reply: Uint8Array, sequence: number): boolean {
    const at = this.slotOf.get(unique) ?? (reply.length <= LONGEST_PROMISE ? this.free.pop() : undefined);
    if (at === undefined || reply.length > LONGEST_PROMISE) return false;
    const { view } = this;
    view.setUint32(at, 0, true);
    view.setUint32(at + 4, uniqueHigh, true);
    view.setFloat64(at + 8, unique, true);
    view.setFloat64(at + 16, sequence, true);
    this.bytes.set(reply, at + HEAD);
    view.setUint32(at, reply.length, true);
    this.slotOf.set(unique, at);
    return true;
  }

  /** The reply is being written. */
  kept(unique: number): void {
    if (this.done.length > 0) this.sweep();
    const at = this.slotOf.size === 0 ? undefined : this.slotOf.get(unique);
    if (at === undefined) return;
    this.slotOf.delete(unique);
    this.done.push(at);
  }

  /** All that is promised by transactions up to `sequence`: [unique, high bits, reply]. */
  *all(sequence: number): Generator<[number, number, Buffer]> {
    for (const [unique, at] of this.slotOf) {
      if (this.view.getFloat64(at + 16, true) > sequence) continue;
      const length = this.view.getUint32(at, true);
      const reply = Buffer.from(this.bytes.subarray(at + HEAD, at + HEAD + length));
      yield [unique, this.view.getUint32(at + 4, true), reply];
    }
  }

  private sweep(): void {
    for (const at of this.done) {
      this.view.setUint32(at, 0, true);
      this.free.push(at);
    }
    this.done = [];
  }
}

/** Bytes of a slot of `OwedNotifications`: a name of 255 bytes, its NUL and the structs before it. */
const OWED_SLOT = 320;

/**
 * Notifications on their way to the kernel: one that tells it to forget something, and dies with the daemon, would leave
 * it with what is no longer so for as long as its caches last. A slot: length (u32, 0 = free), message. The length is
 * stored last.
 */
export class OwedNotifications implements Owed {
  private readonly bytes: Buffer;
  private readonly free: number[] = [];

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    for (let at = 0; at + OWED_SLOT <= bytes.length; at += OWED_SLOT) {
      if (bytes.readUInt32LE(at) === 0) this.free.push(at);
    }
  }

  keep(message: Uint8Array): number {
    const at = message.length <= OWED_SLOT - 4 ? this.free.pop() : undefined;
    if (at === undefined) return -1;
    this.bytes.set(message, at + 4);
    this.bytes.writeUInt32LE(message.length, at);
    return at;
  }

  done(at: number): void {
    this.bytes.writeUInt32LE(0, at);
    this.free.push(at);
  }

  /** What an earlier daemon has left; it is not kept any more. */
  take(): Uint8Array<ArrayBuffer>[] {
    const found: Uint8Array<ArrayBuffer>[] = [];
    for (let at = 0; at + OWED_SLOT <= this.bytes.length; at += OWED_SLOT) {
      const length = Math.min(this.bytes.readUInt32LE(at), OWED_SLOT - 4);
      if (length === 0) continue;
      found.push(Uint8Array.from(this.bytes.subarray(at + 4, at + 4 + length)));
      this.done(at);
    }
    return found;
  }
}
