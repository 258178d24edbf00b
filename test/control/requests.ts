import { Answer, type ReplyArea, Request, type RequestOwner } from '../../src/fuse/request.ts';
import { errnoName } from '../../src/system/errno.ts';
import { addressOf } from '../../src/system/libc.ts';

/** A request with what became of it. */
export interface Sent {
  /** undefined while it waits; '' for success, else as in 'EAGAIN'. */
  error: string | undefined;
  payload: Buffer;
  /** What INTERRUPT does to it. */
  interrupt(): void;
  readonly isParked: boolean;
  readonly unique: number;
}

/** The kernel's side of a handle: makes requests and records the answers. As on a mount, one `Request` is filled anew for each. */
export class Requests {
  private readonly out: ReplyArea;
  private readonly message = Buffer.alloc(256 << 10);
  private readonly request: Request;
  private readonly sent = new Map<number, Sent>();
  private readonly waiting = new Map<number, Request>();
  private last = 0;

  constructor() {
    const bytes = Buffer.alloc(1 << 20);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.out = { bytes, view, start: 16, address: addressOf(bytes) + 16, capacity: bytes.length - 16 };
    const owner: RequestOwner = {
      out: this.out,
      reply: ({ unique }, error, length) => {
        const sent = this.sent.get(unique);
        if (!sent) throw new Error(`there is no request ${unique}`);
        if (sent.error !== undefined) throw new Error('a request was answered twice');
        sent.error = error === 0 ? '' : errnoName(error);
        sent.payload = Buffer.from(this.out.bytes.subarray(this.out.start, this.out.start + length));
      },
      parked: (request) => {
        this.waiting.set(request.unique, request);
      },
    };
    this.request = new Request(owner, this.message);
  }

  send(opcode: number, body: Buffer, handle: (request: Request) => void, caller = { uid: 0, gid: 0, pid: 1 }): Sent {
    this.last += 2;
    const unique = this.last;
    const { message, waiting } = this;
    const length = 40 + body.length;
    message.fill(0, 0, 40);
    message.writeUInt32LE(length, 0);
    message.writeUInt32LE(opcode, 4);
    message.writeUInt32LE(unique, 8);
    message.writeUInt32LE(caller.uid, 24);
    message.writeUInt32LE(caller.gid, 28);
    message.writeUInt32LE(caller.pid, 32);
    body.copy(message, 40);
    const sent: Sent = {
      error: undefined,
      payload: Buffer.alloc(0),
      interrupt: () => waiting.get(unique)?.interrupt(),
      get isParked() {
        return waiting.has(unique) && sent.error === undefined;
      },
      unique,
    };
    this.sent.set(unique, sent);
    this.request.load(length);
    this.request.answer = Answer.OPEN;
    handle(this.request);
    return sent;
  }

  read(handle: (request: Request) => void): Sent {
    return this.send(15, Buffer.alloc(40), handle);
  }

  write(text: string | Buffer, handle: (request: Request, size: number) => void): Sent {
    const data = Buffer.from(text as string);
    return this.send(16, Buffer.concat([Buffer.alloc(40), data]), (request) => handle(request, data.length));
  }
}
