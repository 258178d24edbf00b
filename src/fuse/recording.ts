/**
 * A file with every request of a session as it came from the kernel, and the reply to it. The first line is
 * `layoutfs recording 1`, the second a JSON object (RecordingHead); then follow frames: their length (32 bits, little
 * endian, of what follows), a byte that says which (FRAME), the time (64-bit float, ms since the first), and the bytes.
 * Of the data that a READ gave there is a checksum only. What was known of a caller's process stands before its request.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { HEADER } from './buffers.ts';
import type { SavedInfo } from './init.ts';
import { OP } from './protocol.ts';
import type { Request } from './request.ts';
import type { Watcher } from './watcher.ts';

const MAGIC = 'layoutfs recording 1\n';
const FRAME = { REQUEST: 1, REPLY: 2, PROCESS: 3 } as const;
/** What is known of a caller's process is looked up again after so long, ms: exec(2) gives it another name. */
const FRESH_MS = 10;
/** Bytes of length, kind and time. */
const FRAME_HEAD = 13;
/** Frames are collected up to so many bytes, and for so long. */
const BUFFER = 1 << 20;
const FLUSH_MS = 100;
/** A longer line is not one of ours. */
const LONGEST_HEAD = 1 << 16;

export interface RecordingHead {
  /** Wall clock of the beginning: seconds since 1970, and nanoseconds. */
  seconds: number;
  nanoseconds: number;
  /** What was agreed on with the kernel. */
  connection: SavedInfo;
  /** Mount options that were not the default, as after `-o`. */
  options: string;
}

/** Who a request came from, at that time. */
export interface RecordedProcess {
  /** As in requests: of a thread. */
  pid: number;
  tgid: number;
  start: number;
  command: string;
  groups: number[];
}

export type Frame =
  | { kind: 'process'; ms: number; process: RecordedProcess }
  | { kind: 'request'; ms: number; message: Buffer }
  | {
      kind: 'reply';
      ms: number;
      /** As in the header of the request. */
      unique: number;
      /** Positive, or 0. */
      errno: number;
      /** Bytes that were sent. */
      length: number;
      /** Of a READ: their checksum (CRC-32, 4 bytes). */
      payload: Buffer;
    };

/** Writes a recording. Costs a copy of every message: for looking into something, not for every day. */
export class Recorder implements Watcher {
  private readonly fd: number;
  private readonly now: () => number;
  private readonly identify: (pid: number) => RecordedProcess;
  private readonly processes = new Map<number, { at: number; text: string }>();
  private started = 0;
  private buffer = Buffer.allocUnsafeSlow(BUFFER);
  private used = 0;
  private timer: NodeJS.Timeout | undefined;
  /** Nothing is written: before `begin`, after `end`, and after a failure. */
  private silent = true;
  private readonly onFailure: (error: unknown) => void;

  /**
   * Makes the file, with mode 0600: all data is in it. `now`: a monotonic clock, ms.
   * @throws Error of Node, EEXIST as well: no recording is written over
   */
  constructor(
    path: string,
    now: () => number,
    identify: (pid: number) => RecordedProcess,
    onFailure: (error: unknown) => void = () => {},
  ) {
    this.fd = openSync(path, 'wx', 0o600);
    this.now = now;
    this.identify = identify;
    this.onFailure = onFailure;
  }

  begin(head: RecordingHead): void {
    this.started = this.now();
    this.silent = false;
    writeSync(this.fd, `${MAGIC}${JSON.stringify(head)}\n`);
  }

  request(request: Request): void {
    if (request.opcode === OP.INIT || this.silent) return;
    if (request.pid !== 0) this.process(request.pid);
    this.put(FRAME.REQUEST, request.bytes.subarray(0, request.messageEnd));
  }

  private process(pid: number): void {
    const known = this.processes.get(pid);
    const at = this.now();
    if (known !== undefined && at - known.at < FRESH_MS) return;
    const text = JSON.stringify(this.identify(pid));
    this.processes.set(pid, { at, text });
    if (text !== known?.text) this.put(FRAME.PROCESS, Buffer.from(text));
  }

  reply(request: Request, error: number, length: number): void {
    if (request.opcode === OP.INIT) return;
    const { bytes, start } = request.out;
    const payload = bytes.subarray(start, start + length);
    const head = Buffer.alloc(HEADER);
    head.writeUInt32LE(HEADER + length, 0);
    head.writeInt32LE(-error, 4);
    request.bytes.copy(head, 8, 8, 16);
    if (request.opcode !== OP.READ || length === 0) this.put(FRAME.REPLY, head, payload);
    else {
      const sum = Buffer.alloc(4);
      sum.writeUInt32LE(crc32(payload), 0);
      this.put(FRAME.REPLY, head, sum);
    }
  }

  end(): void {
    this.flush();
    this.silent = true;
    closeSync(this.fd);
  }

  private put(kind: number, ...parts: Buffer[]): void {
    if (this.silent) return;
    const length = parts.reduce((sum, part) => sum + part.length, FRAME_HEAD - 4);
    if (this.used + 4 + length > this.buffer.length) this.flush();
    if (4 + length > this.buffer.length) this.buffer = Buffer.allocUnsafeSlow(2 * length);
    const { buffer } = this;
    buffer.writeUInt32LE(length, this.used);
    buffer.writeUInt8(kind, this.used + 4);
    buffer.writeDoubleLE(this.now() - this.started, this.used + 5);
    this.used += FRAME_HEAD;
    for (const part of parts) this.used += part.copy(buffer, this.used);
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS).unref();
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    try {
      for (let at = 0; at < this.used; ) at += writeSync(this.fd, this.buffer, at, this.used - at);
    } catch (error) {
      // What follows would not fit to what is there: the recording ends here, the mount goes on.
      this.silent = true;
      this.onFailure(error);
    }
    this.used = 0;
  }
}

export class RecordingError extends Error {
  override name = 'RecordingError';
  readonly code = 'EINVAL';
}

/** A recording that is read. One that ends amid a frame (its daemon was killed) ends before that frame. */
export class Recording {
  readonly head: RecordingHead;
  private readonly fd: number;
  private readonly size: number;
  private at: number;

  /** @throws RecordingError where the file is none, Error of Node */
  constructor(path: string) {
    this.fd = openSync(path, 'r');
    this.size = fstatSync(this.fd).size;
    const start = this.read(0, Math.min(this.size, LONGEST_HEAD));
    const end = start.indexOf(0x0a, MAGIC.length);
    if (!start.toString('latin1').startsWith(MAGIC) || end < 0) {
      closeSync(this.fd);
      throw new RecordingError(`${path}: not a recording (of layoutfs mount --record)`);
    }
    this.head = JSON.parse(start.toString('utf8', MAGIC.length, end)) as RecordingHead;
    this.at = end + 1;
  }

  *frames(): Generator<Frame> {
    while (this.at + FRAME_HEAD <= this.size) {
      const head = this.read(this.at, FRAME_HEAD);
      const length = head.readUInt32LE(0);
      if (this.at + 4 + length > this.size || length < FRAME_HEAD - 4) return;
      const bytes = this.read(this.at + FRAME_HEAD, length - (FRAME_HEAD - 4));
      const ms = head.readDoubleLE(5);
      this.at += 4 + length;
      const kind = head.readUInt8(4);
      if (kind === FRAME.REQUEST) yield { kind: 'request', ms, message: bytes };
      else if (kind === FRAME.PROCESS)
        yield { kind: 'process', ms, process: JSON.parse(bytes.toString('utf8')) as RecordedProcess };
      else {
        const unique = (bytes.readUInt32LE(12) & 0x1fffff) * 4294967296 + bytes.readUInt32LE(8);
        const errno = 0 - bytes.readInt32LE(4);
        const sent = bytes.readUInt32LE(0) - HEADER;
        yield { kind: 'reply', ms, unique, errno, length: sent, payload: bytes.subarray(HEADER) };
      }
    }
  }

  close(): void {
    closeSync(this.fd);
  }

  private read(from: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length; ) {
      const n = readSync(this.fd, bytes, done, length - done, from + done);
      if (n === 0) throw new RecordingError('the recording became shorter while it was read');
      done += n;
    }
    return bytes;
  }
}
