/** A session at one end of a socket pair, and the test in the place of the kernel at the other. */

import { OP } from '../../src/fuse/protocol.ts';
import { type Handler, Session, type SessionOptions } from '../../src/fuse/session.ts';
import { encode, put64, type StructName, sizeOf } from '../../src/fuse/structs.ts';
import { SOCK } from '../../src/system/constants.ts';
import { E } from '../../src/system/errno.ts';
import { addressOf, close, read, socketpair, write } from '../../src/system/libc.ts';

export interface Reply {
  unique: bigint;
  /** Positive errno or 0; as it came, it was negative. */
  errno: number;
  payload: Buffer;
}

export const OFFERED = { flags: 0x7fffffff, flags2: 0x7ff };

export class Wire {
  readonly session: Session;
  readonly ended: Promise<string>;
  readonly reports: string[] = [];
  private readonly fd: number;
  private readonly peer: number;
  private readonly buffer = Buffer.alloc(1 << 18);

  constructor(handlers: (Handler | undefined)[], options: Partial<SessionOptions> = {}) {
    const pair = socketpair(SOCK.SEQPACKET | SOCK.NONBLOCK);
    if (typeof pair === 'number') throw new Error(`socketpair: ${pair}`);
    [this.peer, this.fd] = pair;
    const report = (message: string) => void this.reports.push(message);
    const negotiate = { flags: [], maxWrite: 65536 };
    this.session = new Session({ fd: this.fd, handlers, negotiate, report, ...options });
    this.session.eventsExpected = () => true; // never poll synchronously: the other end is this very thread
    this.ended = this.session.run().finally(() => close(this.fd));
  }

  /** Sends a message as it is; an errno when the socket is full. */
  raw(bytes: Uint8Array): number {
    return Math.min(0, write(this.peer, addressOf(bytes), bytes.length));
  }

  /** Sends a sound request. */
  send(opcode: number, unique: bigint, body: Uint8Array = Buffer.alloc(0), nodeid = 1): void {
    const r = this.raw(message(opcode, unique, body, nodeid));
    if (r < 0) throw new Error(`send: ${r}`);
  }

  /** All replies that are there. */
  take(): Reply[] {
    const replies: Reply[] = [];
    for (;;) {
      const n = read(this.peer, addressOf(this.buffer), this.buffer.length);
      if (n === -E.AGAIN || n === 0) return replies;
      if (n < 16 || this.buffer.readUInt32LE(0) !== n) throw new Error(`a reply of ${n} bytes with a false length`);
      const errno = 0 - this.buffer.readInt32LE(4);
      replies.push({
        unique: this.buffer.readBigUInt64LE(8),
        errno,
        payload: Buffer.from(this.buffer.subarray(16, n)),
      });
    }
  }

  /** Replies, waiting until there are `count`. */
  async replies(count: number): Promise<Reply[]> {
    const all: Reply[] = [];
    const until = performance.now() + 5000;
    while (all.length < count) {
      all.push(...this.take());
      if (performance.now() > until) throw new Error(`${all.length} of ${count} replies`);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    return all;
  }

  /** One request and its reply. */
  async call(opcode: number, unique: bigint, body?: Uint8Array, nodeid?: number): Promise<Reply> {
    this.send(opcode, unique, body, nodeid);
    return (await this.replies(1))[0];
  }

  /** INIT as a kernel of 7.`minor` would send it. */
  init(values: Record<string, number> = {}): Promise<Reply> {
    const body = struct('init_in', { major: 7, minor: 45, max_readahead: 131072, ...OFFERED, ...values });
    return this.call(OP.INIT, 2n, body, 0);
  }

  /** Hangs up, as an unmount does. */
  async close(): Promise<string> {
    close(this.peer);
    return await this.ended;
  }
}

export function struct(name: StructName, values: Record<string, number>, ...tail: (string | Uint8Array)[]): Buffer {
  const head = Buffer.alloc(sizeOf(name));
  encode(name, new DataView(head.buffer, head.byteOffset, head.length), 0, values);
  return Buffer.concat([head, ...tail.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part))]);
}

export function message(opcode: number, unique: bigint, body: Uint8Array, nodeid: number, extensions = 0): Buffer {
  const bytes = Buffer.alloc(40 + body.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  encode('in_header', view, 0, { len: bytes.length, opcode, uid: 1000, gid: 100, pid: 4242, total_extlen: extensions });
  view.setBigUint64(8, unique, true);
  put64(view, 16, nodeid);
  bytes.set(body, 40);
  return bytes;
}
