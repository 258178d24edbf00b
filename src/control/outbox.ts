import { O, POLL } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import type { Notifications, Request } from './ports.ts';

interface Item {
  readonly bytes: Buffer;
  /** Events that are lost with it: 0 for a reply, of an `overflow` those that it told of too. */
  readonly events: number;
}

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

  /** `overflow` writes the line that tells how many events were lost. */
  constructor(notifier: Notifications, overflow: (lost: number) => string) {
    this.notifier = notifier;
    this.overflow = overflow;
  }

  reply(line: string): void {
    const bytes = Buffer.from(line, 'utf8');
    this.unread += bytes.length;
    this.items.push({ bytes, events: 0 });
    this.wake();
  }

  event(line: string): void {
    if (this.events >= MAX_EVENTS) this.dropOldest();
    this.events += 1;
    this.items.push({ bytes: Buffer.from(line, 'utf8'), events: 1 });
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
    if (kernelHandle !== 0) this.kernelHandle = kernelHandle;
    return this.items.length > 0 ? POLL.IN | POLL.RDNORM : 0;
  }

  /** The handle is gone: readers that are still there (another thread's) get EBADF. */
  close(): void {
    for (const { request } of this.readers.splice(0)) request.error(E.BADF);
    this.items = [];
    this.kernelHandle = 0;
  }

  private wake(): void {
    while (this.items.length > 0) {
      const reader = this.readers.shift();
      if (!reader) break;
      reader.request.ok(this.take(reader.request, reader.size));
    }
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
      if (item.events === 0) this.unread -= copied;
      this.offset += copied;
      if (this.offset < item.bytes.length) break;
      this.offset = 0;
      if (item.events > 0) this.events -= 1;
      done += 1;
    }
    this.items.splice(0, done);
    return used;
  }

  private dropOldest(): void {
    const surplus = MAX_EVENTS >> 1;
    let dropped = 0;
    let lost = 0;
    // The first item stays when a part of it was read: lines are never torn.
    const isTorn = (at: number): boolean => at === 0 && this.offset > 0;
    this.items = this.items.filter((item, at) => {
      if (item.events === 0 || dropped >= surplus || isTorn(at)) return true;
      dropped += 1;
      lost += item.events;
      return false;
    });
    this.events += 1 - dropped;
    const first = this.items.findIndex((item, at) => item.events > 0 && !isTorn(at));
    const line = { bytes: Buffer.from(this.overflow(lost), 'utf8'), events: lost };
    this.items.splice(first < 0 ? this.items.length : first, 0, line);
  }
}
