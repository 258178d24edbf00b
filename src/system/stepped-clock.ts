import type { Clock, Timer, Timespec } from './clock.ts';

interface SteppedTimer extends Timer {
  due: number;
  readonly fn: () => void;
  inner: Timer;
}

/** A clock that can be put forward: both its times jump, and what is due by then runs. For mounts with fault injection. */
export class SteppedClock implements Clock {
  private readonly inner: Clock;
  private readonly timers = new Set<SteppedTimer>();
  /** Milliseconds ahead of the inner clock. */
  private ahead = 0;

  constructor(inner: Clock) {
    this.inner = inner;
  }

  monotonic(): number {
    return this.inner.monotonic() + this.ahead;
  }

  realtime(out: Timespec): void {
    this.inner.realtime(out);
    const nanoseconds = out.nanoseconds + (this.ahead % 1000) * 1e6;
    const carry = Math.floor(nanoseconds / 1e9);
    out.seconds += Math.floor(this.ahead / 1000) + carry;
    out.nanoseconds = Math.floor(nanoseconds - carry * 1e9);
  }

  setTimeout(fn: () => void, ms: number): Timer {
    const timer: SteppedTimer = { due: this.monotonic() + ms, fn, inner: { due: 0 } };
    this.arm(timer);
    this.timers.add(timer);
    return timer;
  }

  clearTimeout(timer: Timer | undefined): void {
    if (timer === undefined || !this.timers.delete(timer as SteppedTimer)) return;
    this.inner.clearTimeout((timer as SteppedTimer).inner);
  }

  /** Puts the clock forward; a monotonic clock never goes back, so a negative step is none. */
  step(ms: number): void {
    this.ahead += Math.max(0, ms);
    // What is due by now runs in the order in which it would have been due.
    for (const timer of [...this.timers].sort((a, b) => a.due - b.due)) {
      this.inner.clearTimeout(timer.inner);
      this.arm(timer);
    }
  }

  private arm(timer: SteppedTimer): void {
    const run = (): void => {
      this.timers.delete(timer);
      timer.fn();
    };
    timer.inner = this.inner.setTimeout(run, Math.max(0, timer.due - this.monotonic()));
  }
}
