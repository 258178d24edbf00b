import type { Change, Verdict } from '../lease/api.ts';
import type { Clock, Timer } from '../system/clock.ts';
import { E } from '../system/errno.ts';
import type { Actor, Inode, LeaseEngine, LeaseRefusal, Pending } from './ports.ts';

/** Milliseconds. */
type Timing = Pick<Clock, 'monotonic' | 'setTimeout' | 'clearTimeout'>;

/** A change of files that a verb asks for. */
export interface Work {
  /** What it touches, judged together. A function: the map may move while the verb waits. */
  touches: () => { inode: Inode; changes: Change[] }[];
  actor: Actor;
  operation: string;
  /** Milliseconds to wait for holders; 0: recalls begin, and the answer is EAGAIN. */
  patienceMs: number;
  /** Does it; 0 or errno. Runs in the same turn as the judgement. */
  change: () => number;
  done: (errno: number, refusal?: LeaseRefusal) => void;
}

/**
 * A verb meets the lease engine here, as a request does in operations/guard.ts: a verb is a line among others in a
 * write(2), so it cannot be dispatched again as a request can, and some verbs touch two files.
 *
 * All files are judged before anybody is recalled; after a wait everything is judged afresh. A wait ends with the verb's own
 * patience, and is then refused with whoever is still in the way.
 */
export function admit(leases: LeaseEngine, clock: Timing, work: Work): Pending | undefined {
  const deadline = clock.monotonic() + work.patienceMs;
  let waiting: Pending | undefined;
  let cancelled = 0;
  let over = false;
  let triedFences = false;
  const finish = (errno: number, refusal?: LeaseRefusal): void => {
    over = true;
    work.done(errno, refusal);
  };
  const attempt = (): void => {
    const patience = deadline - clock.monotonic();
    const nonblocking = patience <= 0;
    const touches = work.touches();
    const verdicts = touches.map(
      ({ inode, changes }): Verdict =>
        leases.has(inode.ino)
          ? leases.judge(inode.ino, changes, work.actor, work.operation, nonblocking)
          : { go: true },
    );
    for (const verdict of verdicts) {
      if (!verdict.go && verdict.wait === undefined) return finish(verdict.errno, verdict.refusal);
    }
    const at = verdicts.findIndex((verdict) => !verdict.go);
    if (at < 0) {
      const errno = work.change();
      if (errno !== E.NOSPC || triedFences || !leases.holdsSpace()) return finish(errno);
      triedFences = true;
      return leases.retryFences(attempt);
    }
    const { refusal } = verdicts[at] as Verdict & { go: false };
    const { inode, changes } = touches[at] as { inode: Inode; changes: Change[] };
    let timer: Timer | undefined;
    let resumed = false;
    const resume = (errno: number): void => {
      resumed = true;
      if (timer !== undefined) clock.clearTimeout(timer);
      waiting = undefined;
      if (errno === 0 && cancelled === 0) return attempt();
      finish(cancelled || errno, errno === E.TIMEDOUT ? inTheWay(leases, work) : refusal);
    };
    const waiter = leases.begin(inode.ino, changes, work.actor, work.operation, resume, { nonblocking });
    if (resumed || nonblocking) return;
    waiting = waiter;
    if (Number.isFinite(patience)) timer = clock.setTimeout(() => waiter.cancel(E.TIMEDOUT), patience);
  };
  attempt();
  if (over) return undefined;
  return {
    cancel(errno: number): void {
      cancelled = errno;
      waiting?.cancel(errno);
    },
  };
}

function inTheWay(leases: LeaseEngine, work: Work): LeaseRefusal | undefined {
  for (const { inode, changes } of work.touches()) {
    const verdict = leases.judge(inode.ino, changes, work.actor, work.operation, true);
    if (!verdict.go) return verdict.refusal && { ...verdict.refusal, errno: E.TIMEDOUT };
  }
  return undefined;
}

/** Milliseconds of a verb's `wait=` (seconds); without one it does not wait. */
export function patienceOf(wait: number | undefined): number {
  return (wait ?? 0) * 1000;
}
