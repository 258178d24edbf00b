import { putWrite } from '../fuse/replies.ts';
import { POLL } from '../system/constants.ts';
import { E, errnoMessage, errnoName } from '../system/errno.ts';
import { type Fault, type Form, isFault, MAX_LINE, type Parsed, parseRequest } from './grammar/parse.ts';
import type { LayoutEvent, Refusal, ReplyOf, VerbName } from './grammar/verbs.ts';
import { writeEvent, writeRefusal, writeReply } from './grammar/write.ts';
import type { Handle } from './handle.ts';
import { WRITE_IN } from './handle.ts';
import { Outbox } from './outbox.ts';
import type { Asker, Failure, Outcome } from './outcome.ts';
import type { LeaseRefusal, Notifications, Pending, Request } from './ports.ts';

/** Bytes of replies that a session may leave unread; then writes are refused with ENOBUFS until it reads. */
const MAX_UNREAD = 1 << 20;
const NEWLINE = 10;

/** Does a request, see outcome.ts. */
export type Perform = (asker: Asker, request: Parsed, done: (outcome: Outcome) => void) => Pending | undefined;

/**
 * One open of `.layout/ctl`. Lines come in by write(2), in as many pieces as the writer likes; replies and events go
 * out in order. Of a write that holds several lines the first one that fails ends it: those before it are done, those
 * after it are not, and write(2) fails with its errno. Every line that was done, and the failed one, has its reply.
 */
export class ControlSession implements Handle {
  readonly id: number;
  /** The form of the last request: events are told in it. */
  form: Form = 'plain';
  private readonly outbox: Outbox;
  private readonly asker: (request: Request) => Asker;
  private readonly perform: Perform;
  private readonly takeIoctl: (request: Request, asker: Asker) => boolean;
  private readonly onRelease: () => void;
  /** The beginning of a line whose end has not come yet. */
  private partial: Buffer = Buffer.alloc(0);
  /** In the middle of a line that is too long: nothing counts before the next newline. */
  private skipping = false;
  private closed = false;

  constructor(options: {
    id: number;
    notifier: Notifications;
    asker: (request: Request) => Asker;
    perform: Perform;
    /** LAYOUT_IOC_*; false when the request is none of them. */
    ioctl: (request: Request, asker: Asker) => boolean;
    onRelease: () => void;
  }) {
    this.id = options.id;
    this.asker = options.asker;
    this.perform = options.perform;
    this.takeIoctl = options.ioctl;
    this.onRelease = options.onRelease;
    this.outbox = new Outbox(options.notifier, (lost) => writeEvent(this.form, { event: 'overflow', lost }));
  }

  tell(event: LayoutEvent): void {
    if (!this.closed) this.outbox.event(writeEvent(this.form, event));
  }

  read(request: Request, _offset: number, size: number, flags: number): void {
    this.outbox.read(request, size, flags);
  }

  poll(kernelHandle: number): number {
    const room = this.outbox.unread < MAX_UNREAD ? POLL.OUT | POLL.WRNORM : 0;
    return this.outbox.poll(kernelHandle) | room;
  }

  write(request: Request, _offset: number, size: number): void {
    if (this.outbox.unread >= MAX_UNREAD) {
      request.error(E.NOBUFS);
      return;
    }
    const from = request.body + WRITE_IN.LENGTH;
    const lines = this.takeLines(request.bytes.subarray(from, from + size));
    this.next(request, lines, 0, size);
  }

  ioctl(request: Request): void {
    if (!this.takeIoctl(request, this.asker(request))) request.error(E.NOTTY);
  }

  release(): void {
    this.closed = true;
    this.outbox.close();
    this.onRelease();
  }

  /** Complete lines of what was written so far; `undefined` stands for a line that was too long. */
  private takeLines(written: Buffer): (Buffer | undefined)[] {
    const lines: (Buffer | undefined)[] = [];
    let from = 0;
    for (;;) {
      const end = written.indexOf(NEWLINE, from);
      const piece = written.subarray(from, end < 0 ? written.length : end);
      if (!this.skipping && this.partial.length + piece.length > MAX_LINE) {
        lines.push(undefined);
        this.partial = Buffer.alloc(0);
        this.skipping = true;
      }
      if (end < 0) {
        if (!this.skipping && piece.length > 0) this.partial = Buffer.concat([this.partial, piece]);
        return lines;
      }
      if (!this.skipping) lines.push(Buffer.concat([this.partial, piece]));
      this.partial = Buffer.alloc(0);
      this.skipping = false;
      from = end + 1;
    }
  }

  /** Does the lines from `at` on; the write is parked from the first one that has to wait. */
  private next(request: Request, lines: (Buffer | undefined)[], at: number, size: number): void {
    for (let i = at; i < lines.length; i++) {
      const line = lines[i];
      if (line?.every((byte) => byte === 32 || byte === 9 || byte === 13)) continue;
      const parsed = line === undefined ? tooLong(this.form) : parseRequest(line);
      this.form = parsed.form;
      if (isFault(parsed)) {
        this.outbox.reply(faultLine(parsed));
        request.error(parsed.errno);
        return;
      }
      let parked: Request | undefined;
      let finished: number | undefined;
      const pending = this.perform(this.asker(request), parsed, (outcome) => {
        finished = this.answer(parsed, outcome);
        if (!parked) return;
        parked.onInterrupt = undefined;
        if (finished !== 0) parked.error(finished);
        else this.next(parked, lines, i + 1, size);
      });
      if (finished === undefined) {
        parked = request.park();
        parked.onInterrupt = pending && (() => pending.cancel(E.INTR));
        return;
      }
      if (finished !== 0) {
        request.error(finished);
        return;
      }
    }
    request.ok(putWrite(request.out.view, request.out.start, size));
  }

  /** Puts the reply into the queue; the errno of the line, 0 when it was done. */
  private answer(request: Parsed, outcome: Outcome): number {
    if (this.closed) return 0;
    if ('reply' in outcome) {
      this.outbox.reply(writeReply(request.form, request.verb, outcome.reply as ReplyOf<VerbName>, request.tag));
      return 0;
    }
    this.outbox.reply(writeRefusal(request.form, refusalOf(outcome.failure), request.tag));
    return outcome.failure.errno;
  }
}

function tooLong(form: Form): Fault {
  return { errno: E.MSGSIZE, column: MAX_LINE + 1, hint: `a line holds at most ${MAX_LINE} bytes`, form };
}

function faultLine({ errno, column, hint, form, tag }: Fault): string {
  return writeRefusal(form, { errno: errnoName(errno), column, hint }, tag);
}

/** A failure in the words of the grammar. */
export function refusalOf({ errno, hint, column, refusal }: Failure): Refusal {
  return { errno: errnoName(errno), column, ...leaseFacts(refusal), hint: hint ?? errnoMessage(errno) };
}

function leaseFacts(refusal: LeaseRefusal | undefined): Partial<Refusal> {
  if (!refusal) return {};
  const { lease, holder, offset, length, ageMs, deadlineMs, cause } = refusal;
  return {
    lease,
    holder: holder && { pid: holder.pid, command: holder.command },
    offset,
    length: length === Number.POSITIVE_INFINITY ? null : length,
    age_ms: ageMs,
    deadline_ms: lease === undefined ? undefined : (deadlineMs ?? null),
    recallconflict: cause === 'recallconflict' ? true : undefined,
  };
}
