import { type ReplyArea, Request, type RequestOwner } from '../../src/fuse/request.ts';
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
}

/** The kernel's side of a handle: makes requests and records the answers. */
export class Requests {
  private readonly out: ReplyArea;

  constructor() {
    const bytes = Buffer.alloc(1 << 20);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.out = { bytes, view, start: 16, address: addressOf(bytes) + 16, capacity: bytes.length - 16 };
  }

  send(opcode: number, body: Buffer, handle: (request: Request) => void, caller = { uid: 0, gid: 0, pid: 1 }): Sent {
    const message = Buffer.alloc(40 + body.length);
    message.writeUInt32LE(message.length, 0);
    message.writeUInt32LE(opcode, 4);
    message.writeUInt32LE(caller.uid, 24);
    message.writeUInt32LE(caller.gid, 28);
    message.writeUInt32LE(caller.pid, 32);
    body.copy(message, 40);
    let parked: Request | undefined;
    const sent = {
      error: undefined as string | undefined,
      payload: Buffer.alloc(0),
      interrupt: () => parked?.interrupt(),
      get isParked() {
        return parked !== undefined && sent.error === undefined;
      },
    };
    const owner: RequestOwner = {
      out: this.out,
      reply: (_request, error, length) => {
        if (sent.error !== undefined) throw new Error('a request was answered twice');
        sent.error = error === 0 ? '' : errnoName(error);
        sent.payload = Buffer.from(this.out.bytes.subarray(this.out.start, this.out.start + length));
      },
      parked: (request) => {
        parked = request;
      },
    };
    const request = new Request(owner, message);
    request.load(message.length);
    handle(request);
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
