/**
 * The kernel's side of the protocol, played by this process: for transports that hand over calls instead of messages.
 * A Session reads from one end of a pair of sockets as it would from /dev/fuse, and is none the wiser; this writes
 * requests into the other end and takes the replies.
 */
import { POLL, SOCK } from '../../system/constants.ts';
import { E, SystemError } from '../../system/errno.ts';
import { addressOf, close, pollAsync, read, shutdown, socketpair, write } from '../../system/libc.ts';
import { INIT_FLAG_BITS, type InitFlag, MAJOR, NEWEST_MINOR, OP } from '../protocol.ts';
import { encode, type StructName, sizeOf } from '../structs.ts';

const IN_HEADER = 40;
const OUT_HEADER = 16;
/** Bytes of the longest reply; libfuse 2 asks for 128 KiB at most, and a local socket carries more than that at once. */
const REPLY = 160 * 1024;
/** ms between two looks whether the session is still there. */
const LOOK = 250;

/** `errno` 0 or positive; `payload` only of a success. */
export interface Reply {
  errno: number;
  payload: Buffer;
}

/** On whose behalf requests are made. */
export interface Caller {
  uid: number;
  gid: number;
  /** By the node that a request is about; 0 where nobody knows. */
  pidOf: (nodeid: number) => number;
}

export class PlayedKernel {
  /** The session's end. */
  readonly fd: number;
  private readonly ours: number;
  private readonly caller: Caller;
  private readonly waiting = new Map<number, (reply: Reply) => void>();
  private readonly buffer = Buffer.allocUnsafeSlow(REPLY);
  private next = 2;
  private closed = false;

  /** Throws SystemError. */
  constructor(caller: Caller) {
    const pair = socketpair(SOCK.SEQPACKET | SOCK.NONBLOCK);
    if (typeof pair === 'number') throw new SystemError(pair, 'socketpair');
    [this.fd, this.ours] = pair;
    this.caller = caller;
  }

  /** INIT: offers these features. Replies are taken from now on. */
  init(features: readonly InitFlag[]): Promise<Reply> {
    let flags = 0;
    for (const name of features) if (INIT_FLAG_BITS[name] < 32) flags |= 1 << INIT_FLAG_BITS[name];
    void this.listen();
    const values = { major: MAJOR, minor: NEWEST_MINOR, max_readahead: 131_072, flags: flags >>> 0 };
    return this.ask(OP.INIT, 0, struct('init_in', values));
  }

  /** Sends a request and resolves with its reply; with EIO when the session has ended. */
  ask(opcode: number, nodeid: number, ...parts: readonly Uint8Array[]): Promise<Reply> {
    const unique = this.next;
    this.next += 2;
    return new Promise((resolve) => {
      this.waiting.set(unique, resolve);
      const r = this.send(opcode, nodeid, unique, parts);
      if (r >= 0) return;
      this.waiting.delete(unique);
      resolve({ errno: -r, payload: Buffer.alloc(0) });
    });
  }

  /** Sends a request that has no reply. */
  tell(opcode: number, nodeid: number, ...parts: readonly Uint8Array[]): void {
    this.send(opcode, nodeid, this.next, parts);
    this.next += 2;
  }

  /** The mount is gone: the session ends with 'unmounted', what waits with EIO. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    // The threads that write notifications have descriptors of their own: closing this one would end nothing.
    shutdown(this.ours);
    close(this.ours);
    for (const resolve of this.waiting.values()) resolve({ errno: E.IO, payload: Buffer.alloc(0) });
    this.waiting.clear();
  }

  private send(opcode: number, nodeid: number, unique: number, parts: readonly Uint8Array[]): number {
    if (this.closed) return -E.IO;
    const length = parts.reduce((sum, part) => sum + part.length, IN_HEADER);
    const header = Buffer.alloc(IN_HEADER);
    const view = new DataView(header.buffer, header.byteOffset);
    const { uid, gid, pidOf } = this.caller;
    encode('in_header', view, 0, { len: length, opcode, unique, nodeid, uid, gid, pid: pidOf(nodeid) });
    const message = Buffer.concat([header, ...parts]);
    return write(this.ours, addressOf(message), message.length);
  }

  private async listen(): Promise<void> {
    const at = addressOf(this.buffer);
    while (!this.closed) {
      const ready = await pollAsync(this.ours, POLL.IN, LOOK);
      if (this.closed || (ready & (POLL.HUP | POLL.ERR) && !(ready & POLL.IN))) break;
      for (let n = read(this.ours, at, REPLY); n >= OUT_HEADER; n = this.closed ? 0 : read(this.ours, at, REPLY)) {
        this.take(n);
      }
    }
    this.close();
  }

  /** Notifications (id 0) are for a kernel that caches; here nothing is cached. */
  private take(length: number): void {
    const unique = Number(this.buffer.readBigUInt64LE(8));
    const resolve = this.waiting.get(unique);
    this.waiting.delete(unique);
    resolve?.({ errno: -this.buffer.readInt32LE(4), payload: Buffer.from(this.buffer.subarray(OUT_HEADER, length)) });
  }
}

/** A struct of the protocol as bytes. */
export function struct(name: StructName, values: Record<string, number>): Buffer {
  const bytes = Buffer.alloc(sizeOf(name));
  encode(name, new DataView(bytes.buffer, bytes.byteOffset), 0, values);
  return bytes;
}

/** A name with its NUL. */
export function text(name: string | Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(name), Buffer.alloc(1)]);
}
