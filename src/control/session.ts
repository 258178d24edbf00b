import { putWrite } from '../fuse/replies.ts';
import { POLL } from '../system/constants.ts';
import { E, errnoMessage, errnoName } from '../system/errno.ts';
import { type Fault, type Form, isFault, MAX_LINE, type Parsed, parseRequest } from './grammar/parse.ts';
import type { LayoutEvent, Refusal, ReplyOf, VerbName } from './grammar/verbs.ts';
import { writeEvent, writeRefusal, writeReply } from './grammar/write.ts';
import type { Handle } from './handle.ts';
import { WRITE_IN } from './handle.ts';
import type { Line, SessionState } from './journal.ts';
import { Outbox, type OutboxJournal } from './outbox.ts';
import type { Asker, Failure, Outcome } from './outcome.ts';
import type { LeaseRefusal, Notifications, Pending, Request } from './ports.ts';

/** Bytes of replies that a session may leave unread; then writes are refused with ENOBUFS until it reads. */
const MAX_UNREAD = 1 << 20;
/** The same of all sessions of one user who is no administrator. */
export const MAX_UNREAD_OF_USER = 1 << 24;
/**
 * Lines that one write(2) takes, and bytes of lines after which it takes no more: it answers how many bytes it took, as write(2) does.
 * What is left of a write that waits is journalled after each of its lines.
 */
const MAX_LINES = 256;
const MAX_TAKEN = 4 * MAX_LINE;
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
  private readonly allowance: { bytes: number } | undefined;
  private readonly asker: (request: Request) => Asker;
  private readonly perform: Perform;
  private readonly takeIoctl: (request: Request, asker: Asker) => boolean;
  private readonly onRelease: () => void;
  /** The beginning of a line whose end has not come yet. */
  private partial: Buffer = Buffer.alloc(0);
  /** In the middle of a line that is too long: nothing counts before the next newline. */
  private skipping = false;
  private closed = false;
  /** Writes that wait, by request: what of them is still to be done. */
  private readonly unfinished = new Map<number, { lines: (Buffer | undefined)[]; size: number }>();
  private readonly save: ((state: Omit<SessionState, 'id' | 'caller'>) => void) | undefined;
  private saved = '';
  private kernelHandle = 0;

  constructor(options: {
    id: number;
    notifier: Notifications;
    asker: (request: Request) => Asker;
    perform: Perform;
    /** LAYOUT_IOC_*; false when the request is none of them. */
    ioctl: (request: Request, asker: Asker) => boolean;
    onRelease: () => void;
    /** Keep what the session has to tell, and what else the next daemon needs. */
    journal?: OutboxJournal;
    /** What all sessions of the user keep; undefined for administrators. */
    allowance?: { bytes: number };
    save?: (state: Omit<SessionState, 'id' | 'caller'>) => void;
  }) {
    this.id = options.id;
    this.asker = options.asker;
    this.perform = options.perform;
    this.takeIoctl = options.ioctl;
    this.onRelease = options.onRelease;
    this.outbox = new Outbox(
      options.notifier,
      (lost) => writeEvent(this.form, { event: 'overflow', lost }),
      options.journal,
      options.allowance,
    );
    this.allowance = options.allowance;
    this.save = options.save;
  }

  /** Goes on where an earlier daemon ended. */
  restore(state: SessionState, lines: readonly Line[]): void {
    this.form = state.form;
    this.partial = Buffer.from(state.partial, 'base64');
    this.skipping = state.skipping;
    this.kernelHandle = state.kernelHandle;
    for (const { unique, lines: rest, size } of state.writes) {
      const left = rest.map((line) => (line === null ? undefined : Buffer.from(line, 'base64')));
      this.unfinished.set(unique, { lines: left, size });
    }
    this.outbox.restore(lines, state.kernelHandle);
  }

  /** Whoever polls is to be woken by this number. */
  polled(kernelHandle: number): void {
    this.kernelHandle = kernelHandle;
    this.keep();
  }

  /** Puts the session into the journal, where it has changed. */
  keep(): void {
    if (!this.save || this.closed) return;
    const state = {
      form: this.form,
      partial: this.partial.toString('base64'),
      skipping: this.skipping,
      kernelHandle: this.kernelHandle,
      writes: [...this.unfinished].map(([unique, { lines, size }]) => ({
        unique,
        lines: lines.map((line) => line?.toString('base64') ?? null),
        size,
      })),
    };
    const text = JSON.stringify(state);
    if (text === this.saved) return;
    this.saved = text;
    this.save(state);
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
    if (this.outbox.unread >= MAX_UNREAD || (this.allowance?.bytes ?? 0) >= MAX_UNREAD_OF_USER) {
      request.error(E.NOBUFS);
      return;
    }
    // It has come again: an earlier daemon has done a part of it.
    const rest = request.resent ? this.unfinished.get(request.unique) : undefined;
    if (rest) {
      this.next(request, rest.lines, 0, rest.size);
      return;
    }
    const from = request.body + WRITE_IN.LENGTH;
    const { lines, taken } = this.takeLines(request.bytes.subarray(from, from + size));
    this.next(request, lines, 0, taken);
  }

  ioctl(request: Request): void {
    if (!this.takeIoctl(request, this.asker(request))) request.error(E.NOTTY);
  }

  release(): void {
    this.closed = true;
    this.outbox.close();
    this.onRelease();
  }

  /** Complete lines of what was written so far, and how much was taken of it; `undefined` stands for a line that was too long. */
  private takeLines(written: Buffer): { lines: (Buffer | undefined)[]; taken: number } {
    const lines: (Buffer | undefined)[] = [];
    let from = 0;
    while (lines.length < MAX_LINES && from < MAX_TAKEN) {
      const end = written.indexOf(NEWLINE, from);
      const piece = written.subarray(from, end < 0 ? written.length : end);
      if (!this.skipping && this.partial.length + piece.length > MAX_LINE) {
        lines.push(undefined);
        this.partial = Buffer.alloc(0);
        this.skipping = true;
      }
      if (end < 0) {
        if (!this.skipping && piece.length > 0) this.partial = Buffer.concat([this.partial, piece]);
        return { lines, taken: written.length };
      }
      if (!this.skipping) lines.push(Buffer.concat([this.partial, piece]));
      this.partial = Buffer.alloc(0);
      this.skipping = false;
      from = end + 1;
    }
    return { lines, taken: from };
  }

  /** Does the lines from `at` on; the write is parked from the first one that has to wait. */
  private next(request: Request, lines: (Buffer | undefined)[], at: number, size: number): void {
    for (let i = at; i < lines.length; i++) {
      // A signal between two lines: those before are done.
      if (i > 0 && request.interrupted) return this.end(request, E.INTR);
      const line = lines[i];
      if (line?.every((byte) => byte === 32 || byte === 9 || byte === 13)) continue;
      const parsed = line === undefined ? tooLong(this.form) : parseRequest(line);
      this.form = parsed.form;
      if (isFault(parsed)) {
        this.outbox.reply(faultLine(parsed));
        this.end(request, parsed.errno);
        return;
      }
      let parked: Request | undefined;
      let finished: number | undefined;
      let promised: Line | undefined;
      const settled = (outcome: Outcome): void => {
        // Done, but not on the disk yet: the next daemon must not do it again, but tell how it ended.
        promised = this.outbox.promise(this.lineOf(parsed, outcome), promised);
        // Of a verb that had to wait: `request` holds another one by then.
        this.leave(parked ?? request, lines, i + 1, size);
      };
      const asker = this.save ? { ...this.asker(request), settled } : this.asker(request);
      const pending = this.perform(asker, parsed, (outcome) => {
        finished = this.answer(parsed, outcome, promised);
        if (!parked) return;
        parked.onInterrupt = undefined;
        if (finished !== 0) this.end(parked, finished);
        else this.next(parked, lines, i + 1, size);
      });
      if (finished === undefined) {
        if (!promised) this.leave(request, lines, i, size);
        parked = request.park();
        parked.onInterrupt = pending && (() => pending.cancel(E.INTR));
        return;
      }
      if (finished !== 0) {
        this.end(request, finished);
        return;
      }
    }
    this.end(request, 0, size);
  }

  /** Notes that of the write only the lines from `at` on are left to be done. */
  private leave(request: Request, lines: (Buffer | undefined)[], at: number, size: number): void {
    if (!this.save) return;
    this.unfinished.set(request.unique, { lines: lines.slice(at), size });
    this.keep();
  }

  /** Answers the write: with an errno, or with the bytes that it took. */
  private end(request: Request, errno: number, size = 0): void {
    this.unfinished.delete(request.unique);
    this.keep();
    if (errno !== 0) request.error(errno);
    else request.ok(putWrite(request.out.view, request.out.start, size));
  }

  /** Puts the reply into the queue; the errno of the line, 0 when it was done. */
  private answer(request: Parsed, outcome: Outcome, promised: Line | undefined): number {
    if (this.closed) return 0;
    const { outbox } = this;
    if (!promised) outbox.reply(this.lineOf(request, outcome));
    else outbox.deliver('reply' in outcome ? promised : outbox.promise(this.lineOf(request, outcome), promised));
    return 'reply' in outcome ? 0 : outcome.failure.errno;
  }

  private lineOf(request: Parsed, outcome: Outcome): string {
    if ('failure' in outcome) return writeRefusal(request.form, refusalOf(outcome.failure), request.tag);
    return writeReply(request.form, request.verb, outcome.reply as ReplyOf<VerbName>, request.tag);
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
