import type { Request } from '../fuse/request.ts';
import type { Recovery } from '../volume/recovery.ts';
import { answerKey } from '../volume/replay.ts';
import type { Counts, Handover } from './handover.ts';

/**
 * What a daemon that takes a mount over knows of the requests its predecessor had: the kernel sends again those that were
 * not answered (NOTIFY_RESEND). The ones that were done are answered with the reply that was due, the others are done.
 */
export class TakeOver {
  private readonly handover: Handover;
  private readonly answers: Map<string, Uint8Array>;
  /** Promised by the predecessor. */
  private readonly old = new Set<number>();

  /** To be made while the redo log still has the replies (`OpenOptions.takeOver`): from here on they are kept elsewhere. */
  constructor(handover: Handover, recovery: Recovery) {
    const { promised } = handover;
    this.handover = handover;
    this.answers = new Map(recovery.answers);
    for (const [unique, high, reply] of promised.all(recovery.committed)) {
      this.answers.set(answerKey(unique, high), reply);
      this.old.add(unique);
    }
    // Of all replies in the log only the last may not have gone out: an operation begins after the reply of the one before.
    const last = recovery.lastAnswer;
    const reply = last === undefined ? undefined : recovery.answers.get(last);
    if (last === undefined || reply === undefined) return;
    const [unique, high] = last.split(':').map(Number) as [number, number];
    if (promised.put(unique, high, reply, recovery.sequence)) this.old.add(unique);
  }

  /** The reply to a request that came again, if its operation was done. */
  resolve(request: Request, counts: Counts): Uint8Array | undefined {
    this.old.delete(request.unique);
    const known = this.answers.get(answerKey(request.unique, request.uniqueHigh));
    if (known === undefined) this.handover.tally.takeBack(request.unique, counts);
    return known;
  }

  /** All of them have come. */
  resolved(): void {
    for (const unique of this.old) this.handover.promised.kept(unique);
    this.old.clear();
    this.answers.clear();
  }
}
