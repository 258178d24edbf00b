import type { LeaseEvent } from '../lease/events.ts';
import { E } from '../system/errno.ts';
import type { LayoutEvent } from './grammar/verbs.ts';
import { writeEvent } from './grammar/write.ts';
import type { Handle } from './handle.ts';
import type { Line } from './journal.ts';
import { Outbox, type OutboxJournal } from './outbox.ts';
import type { Notifications, Request } from './ports.ts';
import { lengthOf } from './verbs/shared.ts';

/** An event of the lease engine in the words of the grammar. */
export function layoutEvent(event: LeaseEvent): LayoutEvent {
  const { breaker } = event;
  return {
    event: event.event,
    lease: event.lease,
    seq: event.seq,
    path: event.path,
    ino: event.ino,
    offset: event.offset,
    length: lengthOf(event.length),
    kind: event.kind,
    reason: event.reason,
    target: event.target,
    deadline_ms: event.deadlineMs,
    breaker: breaker && { pid: breaker.pid, command: breaker.command, operation: breaker.operation },
    gen: event.gen,
    method: event.method,
    result: event.result,
    strength: event.strength,
  };
}

/** An open of `.layout/events`: from now on, every event that its opener may see, one JSON object a line. */
export class EventStream implements Handle {
  readonly release: () => void;
  private readonly outbox: Outbox;
  private readonly isVisible: (event: LeaseEvent) => boolean;

  constructor(
    notifier: Notifications,
    isVisible: (event: LeaseEvent) => boolean,
    onRelease: () => void,
    journal?: OutboxJournal,
  ) {
    this.outbox = new Outbox(notifier, (lost) => writeEvent('json', { event: 'overflow', lost }), journal);
    this.isVisible = isVisible;
    this.release = () => {
      this.outbox.close();
      onRelease();
    };
  }

  /** Goes on where an earlier daemon ended. */
  restore(lines: readonly Line[], kernelHandle: number): void {
    this.outbox.restore(lines, kernelHandle);
  }

  tell(event: LeaseEvent): void {
    if (this.isVisible(event)) this.outbox.event(writeEvent('json', layoutEvent(event)));
  }

  read(request: Request, _offset: number, size: number, flags: number): void {
    this.outbox.read(request, size, flags);
  }

  write(request: Request): void {
    request.error(E.BADF);
  }

  poll(kernelHandle: number): number {
    return this.outbox.poll(kernelHandle);
  }
}
