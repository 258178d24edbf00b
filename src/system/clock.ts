import { clockRealtime } from './libc.ts';

/** A point in time: seconds since 1970 (negative before) and nanoseconds 0…999,999,999 above them. */
export interface Timespec {
  seconds: number;
  nanoseconds: number;
}

/** What `setTimeout` of a clock gives; only good for `clearTimeout` of the same clock. */
export interface Timer {
  /** Monotonic time in ms when it is due. */
  readonly due: number;
}

/** Time as everything in this project sees it: passed in, so that tests decide what time it is. */
export interface Clock {
  /** Milliseconds of a clock that never goes back and is not set; fractions are meant. */
  monotonic(): number;
  /** Wall clock into `out`: no allocation. */
  realtime(out: Timespec): void;
  /** Runs `fn` once, `ms` from now; Infinity never. A pending timer does not keep the process alive. */
  setTimeout(fn: () => void, ms: number): Timer;
  clearTimeout(timer: Timer | undefined): void;
}

/** Longest delay that the timers of Node take; a longer one is taken in steps. */
const LONGEST = 2 ** 31 - 1;

class SystemTimer implements Timer {
  readonly due: number;
  private readonly fn: () => void;
  private handle: NodeJS.Timeout | undefined;

  constructor(fn: () => void, ms: number) {
    this.fn = fn;
    this.due = performance.now() + ms;
    this.arm();
  }

  private arm(): void {
    if (this.due === Number.POSITIVE_INFINITY) return;
    const left = Math.max(0, this.due - performance.now());
    if (left > LONGEST) this.handle = setTimeout(() => this.arm(), LONGEST);
    else this.handle = setTimeout(this.fn, Math.ceil(left));
    this.handle.unref();
  }

  stop(): void {
    clearTimeout(this.handle);
  }
}

/** The clock of the machine. */
export const systemClock: Clock = {
  monotonic: () => performance.now(),
  realtime: clockRealtime,
  setTimeout: (fn, ms) => new SystemTimer(fn, ms),
  clearTimeout: (timer) => (timer as SystemTimer | undefined)?.stop(),
};

class VirtualTimer implements Timer {
  readonly due: number;
  readonly order: number;
  readonly fn: () => void;

  constructor(due: number, order: number, fn: () => void) {
    this.due = due;
    this.order = order;
    this.fn = fn;
  }
}

/** A clock for tests: it stands still until `advance`. */
export class VirtualClock implements Clock {
  private now = 0;
  private wall: Timespec;
  private order = 0;
  private timers: VirtualTimer[] = [];

  /** `seconds`, `nanoseconds`: the wall clock at the start. */
  constructor(seconds = 1_000_000_000, nanoseconds = 0) {
    this.wall = { seconds, nanoseconds };
  }

  monotonic(): number {
    return this.now;
  }

  realtime(out: Timespec): void {
    out.seconds = this.wall.seconds;
    out.nanoseconds = this.wall.nanoseconds;
  }

  setTimeout(fn: () => void, ms: number): Timer {
    const timer = new VirtualTimer(this.now + Math.max(0, ms), this.order++, fn);
    this.timers.push(timer);
    return timer;
  }

  clearTimeout(timer: Timer | undefined): void {
    this.timers = this.timers.filter((t) => t !== timer);
  }

  /** Number of timers that wait. */
  get pending(): number {
    return this.timers.length;
  }

  /** Moves both clocks by `ms` >= 0 and runs what becomes due, in order of time; timers set meanwhile included. */
  advance(ms: number): void {
    const target = this.now + ms;
    for (;;) {
      let next: VirtualTimer | undefined;
      for (const t of this.timers) {
        if (t.due > target) continue;
        if (!next || t.due < next.due || (t.due === next.due && t.order < next.order)) next = t;
      }
      if (!next) break;
      this.clearTimeout(next);
      this.step(next.due - this.now);
      next.fn();
    }
    this.step(target - this.now);
  }

  /** Sets the wall clock alone, as an administrator does: the monotonic one goes on undisturbed. */
  setRealtime(seconds: number, nanoseconds = 0): void {
    this.wall = { seconds, nanoseconds };
  }

  private step(ms: number): void {
    if (ms <= 0) return;
    this.now += ms;
    const ns = this.wall.nanoseconds + Math.round((ms % 1000) * 1e6);
    this.wall.seconds += Math.floor(ms / 1000) + Math.floor(ns / 1e9);
    this.wall.nanoseconds = ns % 1e9;
  }
}
