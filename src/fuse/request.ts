import { addressOf } from '../system/libc.ts';
import { EXT_GROUPS } from './protocol.ts';
import { getI64, getU64 } from './structs.ts';

/** Where a reply is put together: the header's 16 bytes, then the payload. One for all requests of a session. */
export interface ReplyArea {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Index of the payload in `bytes`. */
  readonly start: number;
  /** Memory address of the payload, on a page boundary. */
  readonly address: number;
  /** Bytes of payload that there is room for. */
  readonly capacity: number;
}

/** What a request needs of its session. */
export interface RequestOwner {
  readonly out: ReplyArea;
  /** Sends the reply: `error` positive or 0, `length` bytes of payload out of the reply area. */
  reply(request: Request, error: number, length: number): void;
  /** Takes a private copy of the request into the table of parked ones. */
  parked(request: Request): void;
}

/** Whether a request was answered, and how often that may still happen. */
export const Answer = { OPEN: 0, DONE: 1, PARKED: 2 } as const;

/**
 * A request of the kernel. The session has ONE of them, filled anew for each message: nothing of it may be kept after
 * the handler returns, except by `park`. Exactly one of `ok`, `error`, `none` and `park` ends the handling.
 */
export class Request {
  /** Operation code, one of OP. */
  opcode = 0;
  /** Node id that the operation is about; 0 for operations about none. */
  nodeid = 0;
  uid = 0;
  gid = 0;
  /** Thread id of the caller in our pid namespace; 0 when there is none (writeback, RELEASE, other namespace). */
  pid = 0;
  /** Low 53 bits of the request's id, without the resend bit. */
  unique = 0;
  /** Bits 53–62 of the id; 0 on every kernel so far. */
  uniqueHigh = 0;
  /** The kernel sends this again after NOTIFY_RESEND: an earlier daemon may have done it already. */
  resent = false;
  /** Bytes of the whole message. */
  bytes: Buffer;
  view: DataView;
  /** Memory address of bytes[0], so that data can be written from where it is. */
  address: number;
  /** Index of the operation's struct in `bytes`. */
  readonly body = 40;
  /** Index just after the operation's struct, names and data; extensions may follow. */
  end = 0;
  /** Index just after the message. */
  messageEnd = 0;
  /** One of Answer. */
  answer: number = Answer.OPEN;
  /** Its INTERRUPT has come: the caller got a signal and wants it over (EINTR). */
  interrupted = false;
  /** Reply area, shared by all requests of the session: fill it and reply within one turn. */
  readonly out: ReplyArea;
  readonly session: RequestOwner;
  private readonly private: boolean;
  private interruptHandler: (() => void) | undefined;

  /** `bytes`: of the message; `own`: they belong to this request alone. */
  constructor(session: RequestOwner, bytes: Buffer, own = false) {
    this.session = session;
    this.out = session.out;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.address = addressOf(bytes);
    this.private = own;
  }

  /** Takes the header's fields out of a message of `length` bytes; true when header and length agree. */
  load(length: number): boolean {
    const v = this.view;
    this.opcode = v.getUint32(4, true);
    const high = v.getUint32(12, true);
    this.unique = (high & 0x1fffff) * 4294967296 + v.getUint32(8, true);
    this.uniqueHigh = (high >>> 21) & 0x3ff;
    this.resent = high >>> 31 === 1;
    this.nodeid = getU64(v, 16);
    this.uid = v.getUint32(24, true);
    this.gid = v.getUint32(28, true);
    this.pid = v.getUint32(32, true);
    const extensions = v.getUint16(36, true) * 8;
    this.messageEnd = length;
    this.end = length - extensions;
    this.answer = Answer.OPEN;
    this.interrupted = false;
    this.interruptHandler = undefined;
    return v.getUint32(0, true) === length && this.end >= this.body;
  }

  /** Unsigned integers of the operation's struct, `at` bytes from its start. 64 bits come as a number. */
  u16(at: number): number {
    return this.view.getUint16(this.body + at, true);
  }

  u32(at: number): number {
    return this.view.getUint32(this.body + at, true);
  }

  u64(at: number): number {
    return getU64(this.view, this.body + at);
  }

  i64(at: number): number {
    return getI64(this.view, this.body + at);
  }

  /** The name that begins `at` bytes from the operation's struct: a view, not a copy, without its NUL. */
  name(at: number): Buffer {
    const from = this.body + at;
    const nul = this.bytes.indexOf(0, from);
    return this.bytes.subarray(from, nul < 0 || nul > this.end ? this.end : nul);
  }

  /** The name after `first`, a name of this request. */
  nextName(first: Buffer): Buffer {
    return this.name(first.byteOffset - this.bytes.byteOffset + first.length + 1 - this.body);
  }

  /** Group that the caller has beside his own and that owns the parent directory (CREATE_SUPP_GROUP), or none. */
  supplementaryGroup(): number | undefined {
    let at = this.end;
    while (at + 8 <= this.messageEnd) {
      const size = this.view.getUint32(at, true);
      if (size < 8 || at + size > this.messageEnd) return undefined;
      const isGroups = this.view.getUint32(at + 4, true) === EXT_GROUPS;
      if (isGroups && size >= 16 && this.view.getUint32(at + 8, true) > 0) return this.view.getUint32(at + 12, true);
      at += (size + 7) & ~7;
    }
    return undefined;
  }

  /** Answers with an error, a positive errno. */
  error(errno: number): void {
    this.session.reply(this, errno, 0);
  }

  /** Answers with success and the first `length` bytes of payload in `out`. */
  ok(length = 0): void {
    this.session.reply(this, 0, length);
  }

  /** Ends a request that gets no reply (FORGET and its like). */
  none(): void {
    if (this.answer === Answer.DONE) throw new Error('request was ended twice');
    this.answer = Answer.DONE;
  }

  /**
   * A private copy that outlives the handler, to be answered once, later. The copy holds all bytes of the request, of
   * a WRITE also its data. Parking a parked request gives it itself.
   */
  park(): Request {
    if (this.private) {
      this.answer = Answer.PARKED;
      return this;
    }
    if (this.answer !== Answer.OPEN) throw new Error('request was ended before it was parked');
    const bytes = Buffer.allocUnsafeSlow(this.messageEnd);
    this.bytes.copy(bytes, 0, 0, this.messageEnd);
    const copy = new Request(this.session, bytes, true);
    copy.load(this.messageEnd);
    copy.end = this.end;
    copy.interrupted = this.interrupted;
    copy.answer = Answer.PARKED;
    this.answer = Answer.PARKED;
    this.session.parked(copy);
    return copy;
  }

  /** Of a parked request: runs when the caller wants it over; at once when he already said so. */
  set onInterrupt(fn: (() => void) | undefined) {
    this.interruptHandler = fn;
    if (fn && this.interrupted) queueMicrotask(() => this.answer !== Answer.DONE && this.interruptHandler?.());
  }

  get onInterrupt(): (() => void) | undefined {
    return this.interruptHandler;
  }

  /** The session's word that INTERRUPT came for this request; only the first one counts. */
  interrupt(): void {
    if (this.interrupted) return;
    this.interrupted = true;
    this.interruptHandler?.();
  }
}
