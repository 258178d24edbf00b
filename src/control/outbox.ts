import { O, POLL } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import type { Line } from './journal.ts';
import type { Notifications, Request } from './ports.ts';

interface Item {
  readonly seq: number;
  readonly bytes: Buffer;
  /** Events that are lost with it: 0 for a reply, of an `overflow` those that it told of too. */
  readonly events: number;
}

/** Where the lines are kept for the next daemon: the journal, for one handle. */
export interface OutboxJournal {
  add(line: Line): void;
  /** The line was read, or is lost. */
  taken(seq: number): void;
  /** The line was read in part. */
  cut(seq: number, rest: Buffer): void;
  /** Somebody polls by this number. */
  polled(kernelHandle: number): void;
}

/** The number of the first line once a part of it was read: no other has it, and none comes before it, for the next daemon neither. */
const TORN = 0;

/** Events that wait to be read, at most; beyond it the older half goes and an `overflow` event says so. */
export const MAX_EVENTS = 1024;

/**
 * What a handle has to tell, in order: replies, which are never dropped, and events, of which a slow reader loses the
 * oldest. Readers wait in it (parked requests), and poll(2) is woken from it.
 */
export class Outbox {
  /** Bytes of replies that nobody has read. */
  unread = 0;
  private items: Item[] = [];
  /** Bytes of items[0] that are read already. */
  private offset = 0;
  private events = 0;
  private readers: { request: Request; size: number }[] = [];
  private kernelHandle = 0;
  private readonly notifier: Notifications;
  private readonly overflow: (lost: number) => string;
  private readonly journal: OutboxJournal | undefined;
  private readonly allowance: { bytes: number };
  private nextSeq = 1;

  /** `overflow` writes the line that tells how many events were lost; `allowance` counts what all handles of a user keep. */
  constructor(
    notifier: Notifications,
    overflow: (lost: number) => string,
    journal?: OutboxJournal,
    allowance: { bytes: number } = { bytes: 0 },
  ) {
    this.allowance = allowance;
    this.notifier = notifier;
    this.overflow = overflow;
    this.journal = journal;
  }

  /** Goes on where an earlier daemon ended: with its lines, and with whoever polls. */
  restore(lines: readonly Line[], kernelHandle: number): void {
    for (const line of lines) {
      this.items.push(line);
      this.nextSeq = line.seq + 1;
      if (line.events === 0) this.keep(line.bytes.length);
      else this.events += 1;
    }
    this.kernelHandle = kernelHandle;
    // What it had told the kernel to wake is not known: whoever polls looks again.
    if (kernelHandle !== 0) void this.notifier.poll(kernelHandle);
  }

  reply(line: string): void {
    this.deliver(this.promise(line));
  }

  /**
   * Keeps a reply whose time has not come, but which the next daemon would have to give: then `deliver`. `instead` of one
   * that was promised before.
   */
  promise(line: string, instead?: Line): Line {
    if (instead) {
      instead.bytes = Buffer.from(line, 'utf8');
      this.journal?.cut(instead.seq, instead.bytes);
      return instead;
    }
    const item = { seq: this.nextSeq++, bytes: Buffer.from(line, 'utf8'), events: 0 };
    this.journal?.add(item);
    return item;
  }

  deliver(item: Line): void {
    this.keep(item.bytes.length);
    // In the order in which they were promised, which is that of the journal.
    const at = this.items.findIndex(({ seq }) => seq > item.seq);
    if (at < 0) this.items.push(item);
    else this.items.splice(at, 0, item);
    this.wake();
  }

  event(line: string): void {
    if (this.events >= MAX_EVENTS) this.dropOldest();
    this.events += 1;
    const item = { seq: this.nextSeq++, bytes: Buffer.from(line, 'utf8'), events: 1 };
    this.journal?.add(item);
    this.items.push(item);
    this.wake();
  }

  /** Answers a read(2), or parks it until there is something; EAGAIN with O_NONBLOCK. */
  read(request: Request, size: number, flags: number): void {
    if (this.items.length > 0) {
      request.ok(this.take(request, size));
      return;
    }
    if ((flags & O.NONBLOCK) !== 0) {
      request.error(E.AGAIN);
      return;
    }
    const reader = { request: request.park(), size };
    this.readers.push(reader);
    reader.request.onInterrupt = () => {
      const at = this.readers.indexOf(reader);
      if (at < 0) return;
      this.readers.splice(at, 1);
      reader.request.error(E.INTR);
    };
  }

  poll(kernelHandle: number): number {
    if (kernelHandle !== 0 && kernelHandle !== this.kernelHandle) {
      this.kernelHandle = kernelHandle;
      this.journal?.polled(kernelHandle);
    }
    return this.items.length > 0 ? POLL.IN | POLL.RDNORM : 0;
  }

  /** The handle is gone: readers that are still there (another thread's) get EBADF. */
  close(): void {
    for (const { request } of this.readers.splice(0)) request.error(E.BADF);
    this.items = [];
    this.keep(-this.unread);
    this.kernelHandle = 0;
  }

  private keep(bytes: number): void {
    this.unread += bytes;
    this.allowance.bytes += bytes;
  }

  /** After the operation that has something to tell: what it does is in one piece in the redo log, no reply in its midst. */
  private wake(): void {
    if (this.readers.length === 0) this.notify();
    else if (this.notifier.defer) this.notifier.defer(() => this.serve());
    else this.serve();
  }

  private serve(): void {
    while (this.items.length > 0) {
      const reader = this.readers.shift();
      if (!reader) break;
      reader.request.ok(this.take(reader.request, reader.size));
    }
    this.notify();
  }

  private notify(): void {
    if (this.items.length > 0 && this.kernelHandle !== 0) void this.notifier.poll(this.kernelHandle);
  }

  /** Moves up to `size` bytes into the reply area. */
  private take(request: Request, size: number): number {
    const { bytes, start, capacity } = request.out;
    const limit = Math.min(size, capacity);
    let used = 0;
    let done = 0;
    while (done < this.items.length && used < limit) {
      const item = this.items[done] as Item;
      const copied = item.bytes.copy(bytes, start + used, this.offset, this.offset + limit - used);
      used += copied;
      if (item.events === 0) this.keep(-copied);
      this.offset += copied;
      if (this.offset < item.bytes.length) break;
      this.offset = 0;
      if (item.events > 0) this.events -= 1;
      done += 1;
    }
    const gone = this.items.splice(0, done);
    if (this.journal) this.record(gone, this.journal);
    const [first] = this.items;
    if (first && this.offset > 0) this.items[0] = { ...first, seq: TORN };
    return used;
  }

  private record(gone: readonly Item[], journal: OutboxJournal): void {
    for (const { seq } of gone) journal.taken(seq);
    const first = this.items[0];
    if (!first || this.offset === 0) return;
    const bytes = first.bytes.subarray(this.offset);
    if (first.seq === TORN) return journal.cut(TORN, bytes);
    journal.taken(first.seq);
    journal.add({ seq: TORN, events: first.events, bytes });
  }

  private dropOldest(): void {
    const surplus = MAX_EVENTS >> 1;
    let dropped = 0;
    let lost = 0;
    // The first item stays when a part of it was read: lines are never torn.
    this.items = this.items.filter((item) => {
      if (item.events === 0 || dropped >= surplus || item.seq === TORN) return true;
      dropped += 1;
      lost += item.events;
      this.journal?.taken(item.seq);
      return false;
    });
    this.events += 1 - dropped;
    const first = this.items.findIndex((item) => item.events > 0 && item.seq !== TORN);
    const at = first < 0 ? this.items.length : first;
    // The number of one that it stands for: there is room for it before the first that is left.
    const seq = (this.items[at]?.seq ?? this.nextSeq++) - 0.5;
    const line = { seq, bytes: Buffer.from(this.overflow(lost), 'utf8'), events: lost };
    this.journal?.add(line);
    this.items.splice(at, 0, line);
  }
}
