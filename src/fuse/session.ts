/**
 * A session: one thread that reads requests from /dev/fuse, hands each to its handler and writes the reply. What the kernel
 * keeps, and the known deadlocks, are in index.ts.
 *
 * ## The loop
 *
 * Idle, it awaits poll(2) on a thread of the pool, so that timers, signals and sockets of this process work as ever.
 * Woken, it reads, handles and replies synchronously until nothing came for a millisecond (Intake), or until SLICE_MS
 * are over; then the event loop has a turn. While `eventsExpected` says that something else is about to happen (a sync
 * under way), it waits asynchronously at once, since a synchronous wait would keep that event waiting.
 */
import { POLL } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import { addressOf, close, eventfd, ioctlPtr, pollManyAsync, write } from '../system/libc.ts';
import { aligned, HEADER, putHeader, replyArea } from './buffers.ts';
import { OPERATIONS, operationName } from './catalogue.ts';
import { ConnectionInfo, negotiate, PAGE, payloadLimit, type SavedInfo, type Wanted } from './init.ts';
import { Intake } from './intake.ts';
import { Notifier, type Owed } from './notifier.ts';
import { ParkedRequests } from './parked.ts';
import { DEV_IOC, OP } from './protocol.ts';
import { Answer, type ReplyArea, Request, type RequestOwner } from './request.ts';
import { encode } from './structs.ts';
import { isWhole, type Shape, shapes } from './validate.ts';
import { traceTo, type Watcher, watchers } from './watcher.ts';

export type Handler = (request: Request) => void;

/** How a session ended: unmounted; connection aborted (ABORT_ERROR); by `stop`, the connection living on. */
export type End = 'unmounted' | 'aborted' | 'stopped';

export interface SessionOptions {
  /** Non-blocking descriptor of /dev/fuse; stays the caller's to close after `run`. */
  fd: number;
  /** By operation code (OP); a missing one answers ENOSYS. INIT, INTERRUPT are the session's own; DESTROY see onDestroy. */
  handlers: readonly (Handler | undefined)[];
  negotiate: Wanted;
  /** Agreement of an earlier session on the same connection: no INIT will come, what that one left unanswered will. */
  saved?: SavedInfo;
  /**
   * Of a request that an earlier session got and did not answer (`saved`): the reply that it was about to send, header
   * included, when it had done the operation; undefined to have it done now.
   */
  resolve?: (request: Request) => Uint8Array | undefined;
  /** Keeps notifications over the death of this process. */
  owed?: Owed;
  /** Those that an earlier session did not get out (`saved`). */
  repeat?: readonly Uint8Array<ArrayBuffer>[];
  /** Everything that an earlier session left unanswered has come (`saved`). */
  onResolved?: () => void;
  /** Gets a line per request and reply. */
  trace?: (line: string) => void;
  /** Sees every request and reply. */
  watch?: Watcher;
  /** INIT is answered: the mount works. */
  onInit?: (info: ConnectionInfo) => void;
  /** The kernel has let go of everything (sent by fuseblk mounts only; an end of `run` is the sure sign). */
  onDestroy?: () => void;
  /** Hears of bugs (a handler that threw or did not reply), each kind once; default: to stderr. */
  report?: (message: string, error?: unknown) => void;
}

/** How long requests are served before the event loop has a turn. */
const SLICE_MS = 5;
/** Requests between two looks at the clock; a power of two. */
const CLOCK_EVERY = 8;

const IN_HEADER = 40;
const WRITE_PAYLOAD = 80;
const MAX_ERRNO = 511;

/** Results of `serve`. */
const IDLE = 0;
const BUSY = 1;

export class Session implements RequestOwner {
  readonly out: ReplyArea;
  readonly notifier: Notifier;
  /** Called when the requests that were waiting are done, before going idle, and at least every SLICE_MS. */
  afterBatch: (() => void) | undefined;
  /**
   * Called right before a reply goes to the kernel: the last moment at which what the operation did can be made safe
   * against the death of this process. `length` is that of header and payload, to be had by `replyBytes`.
   */
  beforeReply: ((request: Request, length: number) => void) | undefined;
  /** A handler threw, and its request is about to be answered with EIO: what it has done until then must be undone. */
  handlerThrew: ((error: unknown) => void) | undefined;
  /** Whether an event of the event loop is awaited right now (a sync's completion), which then should not wait. */
  eventsExpected: (() => boolean) | undefined;
  /** A descriptor that ends the sleep of an idle loop when it becomes readable (see `afterBatch`); -1 none. */
  wakesBy = -1;
  private readonly fd: number;
  private readonly handlers: readonly (Handler | undefined)[];
  private readonly options: SessionOptions;
  /** Who looks on; may come when the connection is agreed on (onInit). */
  watch: Watcher | undefined;
  private readonly request: Request;
  private readonly replyAddress: number;
  private readonly parkedRequests = new ParkedRequests();
  private readonly intake: Intake;
  private readonly wake: number;
  private readonly reported = new Set<string>();
  private agreed: ConnectionInfo | undefined;
  private shapes: (Shape | undefined)[];
  private end: End | undefined;
  private replied = false;
  private resolving: boolean;
  /** Handlers under way: one, or one that runs others. */
  private depth = 0;
  private readonly deferred: (() => void)[] = [];

  constructor(options: SessionOptions) {
    this.options = options;
    this.fd = options.fd;
    this.handlers = options.handlers;
    this.watch = watchers(options.trace && traceTo(options.trace), options.watch);
    this.notifier = new Notifier(options.fd, (message, error) => this.report(message, error), options.owed);
    const payload = Math.max(payloadLimit(options.negotiate), options.saved?.maxWrite ?? 0, 32 * PAGE);
    this.out = replyArea(payload + PAGE);
    this.replyAddress = this.out.address - HEADER;
    this.request = new Request(this, aligned(payload + PAGE, WRITE_PAYLOAD));
    this.intake = new Intake(options.fd, this.request.address, payload + PAGE);
    this.agreed = options.saved && new ConnectionInfo(options.saved);
    this.shapes = shapes(OPERATIONS, this.agreed?.has('SETXATTR_EXT') ?? true);
    this.wake = eventfd();
    this.resolving = options.saved !== undefined;
  }

  /** What INIT agreed on; throws before that (see `onInit`). */
  get info(): ConnectionInfo {
    if (!this.agreed) throw new Error('the connection is not initialised yet');
    return this.agreed;
  }

  /** Parked requests that were not answered yet. */
  get parkedCount(): number {
    return this.parkedRequests.size;
  }

  /** Serves requests until the connection ends or `stop`. Rejects only on failures of the descriptor itself. */
  async run(): Promise<End> {
    const set = Buffer.alloc(24); // three struct pollfd
    set.writeInt32LE(this.fd, 0);
    set.writeInt32LE(this.wake, 8);
    const at = addressOf(set);
    if (this.options.saved) await this.notifier.resend();
    for (const bytes of this.options.repeat ?? []) void this.notifier.repeat(bytes);
    try {
      for (;;) {
        const state = this.serve();
        this.replied = false;
        this.afterBatch?.();
        if (this.end) return this.end;
        // Whoever was answered just now (an fsync) is likely to come with his next request at once.
        if (state === BUSY || this.replied) {
          await new Promise<void>((resolve) => setImmediate(resolve));
        } else {
          this.intake.rest();
          set.writeInt32LE(POLL.IN, 4);
          set.writeInt32LE(POLL.IN, 12);
          set.writeInt32LE(this.wakesBy, 16);
          set.writeInt32LE(POLL.IN, 20);
          await pollManyAsync(at, 3, -1);
        }
      }
    } finally {
      await this.close();
    }
  }

  /** What `run` does at its end. */
  async close(): Promise<void> {
    this.watch?.end?.();
    this.intake.close();
    close(this.wake);
    await this.notifier.stop();
  }

  /** For a session without a kernel (`fd` of /dev/null, `saved`, no `run`): handles a message as if it had been read. */
  feed(message: Uint8Array): void {
    this.request.bytes.set(message);
    this.receive(message.length);
    this.afterBatch?.();
  }

  /** Ends `run` soon, leaving the connection as it is; what was read and not answered can be had by RESEND. */
  stop(): void {
    if (this.end) return;
    this.end = 'stopped';
    write(this.wake, addressOf(new BigUint64Array([1n]) as unknown as Uint8Array), 8);
  }

  /** Runs a parked request through its handler once more, which may answer it or park it again. */
  redispatch(request: Request): void {
    request.onInterrupt = undefined;
    request.answer = Answer.OPEN;
    this.handle(request);
  }

  /** Runs `fn` right after the handler that is under way, or else when this turn is over: its replies are not in the midst of an operation. */
  defer(fn: () => void): void {
    if (this.depth > 0) this.deferred.push(fn);
    else queueMicrotask(fn);
  }

  /** Registers `fd` of a regular file as a backing of passthrough opens: its id, or -errno. Needs CAP_SYS_ADMIN. */
  backingOpen(fd: number): number {
    const map = Buffer.alloc(16);
    encode('backing_map', new DataView(map.buffer, map.byteOffset), 0, { fd });
    return ioctlPtr(this.fd, DEV_IOC.BACKING_OPEN, addressOf(map));
  }

  /** Gives a backing id back; opens that use it keep their file. 0 or -errno. */
  backingClose(id: number): number {
    const argument = Buffer.alloc(4);
    argument.writeUInt32LE(id, 0);
    return ioctlPtr(this.fd, DEV_IOC.BACKING_CLOSE, addressOf(argument));
  }

  reply(request: Request, error: number, length: number): void {
    if (request.answer === Answer.DONE) throw new Error(`${operationName(request.opcode)} was answered twice`);
    const { out } = this;
    let errno = error;
    if (error < 0 || error > MAX_ERRNO || length < 0 || length > out.capacity) {
      this.report(`${operationName(request.opcode)} answered with errno ${error} and ${length} bytes`);
      errno = E.IO;
    }
    let payload = errno === 0 ? length : 0;
    request.answer = Answer.DONE;
    this.replied = true;
    if (this.parkedRequests.size > 0) this.parkedRequests.remove(request);
    putHeader(out, request.view, errno, payload);
    if (this.beforeReply && !this.prepared(request, HEADER + payload)) {
      errno = E.IO;
      payload = 0;
      putHeader(out, request.view, errno, 0);
    }
    if (this.watch) this.watch.reply(request, errno, payload);
    const r = write(this.fd, this.replyAddress, HEADER + payload);
    if (r < 0) this.replyFailed(request, r);
  }

  /** Runs `beforeReply`; false when it threw, and so the caller must not hear that all is well. */
  private prepared(request: Request, length: number): boolean {
    try {
      this.beforeReply?.(request, length);
      return true;
    } catch (error) {
      this.report(
        `what precedes the reply to ${operationName(request.opcode)} threw ${(error as Error)?.message}`,
        error,
      );
      return false;
    }
  }

  parked(request: Request): void {
    this.parkedRequests.add(request);
  }

  /** For `beforeReply`: the reply's header and payload, good only during the call. */
  replyBytes(length: number): Buffer {
    const header = this.out.start - HEADER;
    return this.out.bytes.subarray(header, header + length);
  }

  private serve(): number {
    const until = performance.now() + SLICE_MS;
    for (let turn = 1; !this.end; turn++) {
      const n = this.intake.next(this.notifier.pending === 0 && !this.eventsExpected?.());
      if (n > 0) {
        this.receive(n);
        if ((turn & (CLOCK_EVERY - 1)) === 0 && performance.now() >= until) return BUSY;
      } else if (n === -E.AGAIN) {
        if (this.resolving) this.resolved();
        return IDLE;
      } else this.readFailed(n);
    }
    return IDLE;
  }

  /** The kernel puts what it sends again before everything else: an empty queue says that all of it was seen. */
  private resolved(): void {
    this.resolving = false;
    this.options.onResolved?.();
  }

  private readFailed(n: number): void {
    if (n === -E.NOENT || n === -E.INTR) return; // the request was interrupted before it was read, or we were
    if (n === 0 || n === -E.NODEV) this.end = 'unmounted';
    else if (n === -E.CONNABORTED) this.end = 'aborted';
    else throw new Error(`reading FUSE requests failed: errno ${-n}`);
  }

  private receive(length: number): void {
    const { request } = this;
    if (length < IN_HEADER) {
      this.report(`a message of ${length} bytes, shorter than its header`);
      return;
    }
    const sound = request.load(length);
    if (this.watch) this.watch.request(request);
    const operation = OPERATIONS[request.opcode];
    const shape = this.shapes[request.opcode];
    if (!operation || !shape) request.error(E.NOSYS);
    else if (!sound || !isWhole(request, shape)) this.refuse(request, operation.silent);
    else if (request.opcode === OP.INTERRUPT) this.parkedRequests.interrupt(request);
    else if (request.opcode === OP.INIT) this.init(request);
    else if (!this.agreed) this.refuse(request, operation.silent);
    else {
      this.parkedRequests.arrived(request);
      const known = request.resent ? this.options.resolve?.(request) : undefined;
      if (known) this.repeat(request, known);
      else this.handle(request);
    }
  }

  /** Sends the reply of an earlier session, under the id that the request has now. */
  private repeat(request: Request, known: Uint8Array): void {
    const { out } = this;
    const start = out.start - HEADER;
    out.bytes.set(known, start);
    this.reply(request, -out.view.getInt32(start + 4, true), known.length - HEADER);
  }

  private refuse(request: Request, silent: boolean): void {
    if (silent) request.none();
    else request.error(E.INVAL);
  }

  private handle(request: Request): void {
    const handler = this.handlers[request.opcode];
    if (!handler) {
      if (request.opcode === OP.DESTROY) this.destroy(request);
      else if (OPERATIONS[request.opcode]?.silent) request.none();
      else request.error(E.NOSYS);
      return;
    }
    this.depth++;
    try {
      handler(request);
      if (request.answer === Answer.OPEN) this.report(`the handler of ${operationName(request.opcode)} did not reply`);
    } catch (error) {
      this.report(`the handler of ${operationName(request.opcode)} threw ${(error as Error)?.message}`, error);
      this.handlerThrew?.(error);
    }
    this.depth--;
    if (request.answer === Answer.OPEN) this.giveUp(request);
    if (this.deferred.length > 0 && this.depth === 0) for (const fn of this.deferred.splice(0)) fn();
  }

  private giveUp(request: Request): void {
    if (OPERATIONS[request.opcode]?.silent) request.none();
    else request.error(E.IO);
  }

  private init(request: Request): void {
    if (this.agreed) {
      request.error(E.INVAL);
      return;
    }
    const result = negotiate(request, this.options.negotiate);
    if (result === undefined) return;
    if (typeof result === 'number') {
      this.report('the kernel speaks a FUSE protocol older than 7.31 (Linux 5.4)');
      this.end = 'aborted';
      return;
    }
    this.agreed = result;
    this.shapes = shapes(OPERATIONS, result.has('SETXATTR_EXT'));
    this.options.onInit?.(result);
  }

  private destroy(request: Request): void {
    this.options.onDestroy?.();
    request.ok();
  }

  private replyFailed(request: Request, r: number): void {
    // ENOENT: the caller was interrupted or the connection aborted meanwhile. ENODEV: unmounted; read says so as well.
    if (r === -E.NOENT || r === -E.NODEV || r === -E.CONNABORTED || r === -E.PERM) return;
    this.report(`the reply to ${operationName(request.opcode)} was refused with errno ${-r}`);
  }

  private report(message: string, error?: unknown): void {
    if (this.reported.has(message) || this.reported.size >= 1000) return;
    this.reported.add(message);
    if (this.options.report) this.options.report(message, error);
    else console.error(`fuse: ${message}`, error ?? '');
  }
}
