import koffi from 'koffi';
import { addressOf } from './libc.ts';

const libc = koffi.load(null);
const P = 'uintptr_t';

/** Struct sizes and offsets are those of 64-bit Linux, the same in glibc and musl. */
const SIGACTION = { SIZE: 152 } as const;
const SIGEVENT = { SIZE: 64, SIGNO: 8, NOTIFY: 12, TID: 16 } as const;
const SIGEV_THREAD_ID = 4;
const CLOCK_MONOTONIC = 1;
/** Behind the first real-time signal; the first ones are what libraries take for themselves. */
const SIGNAL_ABOVE_MIN = 8;

/**
 * A signal to the calling thread, again and again, so that a blocking system call of it ends with EINTR at the latest
 * one period after it began. It makes a blocking read(2) with a time limit out of one that has none, for less than the
 * poll(2) before each read that would be needed otherwise.
 *
 * The handler is a function of the C library without effect (abs); without SA_RESTART, which libuv's handlers have.
 * Other interruptible calls of the thread meet EINTR too while it runs: libuv, SQLite and `Device` go on after one.
 */
export class Ticker {
  private readonly settime: (timer: number, flags: number, value: number, old: number) => number;
  private readonly timer: number;
  private readonly on = new BigInt64Array(4);
  private readonly off = new BigInt64Array(4);
  private readonly onAt: number;
  private readonly offAt: number;

  private constructor(timer: number, periodMs: number) {
    this.settime = libc.func('timer_settime', 'int', [P, 'int', P, P]);
    this.timer = timer;
    const nanoseconds = BigInt(Math.round(periodMs * 1e6));
    this.on[1] = nanoseconds; // struct itimerspec: interval, then first expiration, each seconds and nanoseconds
    this.on[3] = nanoseconds;
    this.onAt = addressOf(new Uint8Array(this.on.buffer));
    this.offAt = addressOf(new Uint8Array(this.off.buffer));
  }

  /** A ticker for the calling thread, not running yet; undefined where the system does not give one. */
  static make(periodMs: number): Ticker | undefined {
    try {
      const signal = libc.func('__libc_current_sigrtmin', 'int', [])() + SIGNAL_ABOVE_MIN;
      const action = Buffer.alloc(SIGACTION.SIZE);
      const handler = libc.func('dlsym', P, [P, 'str'])(0, 'abs');
      action.writeBigUInt64LE(BigInt(handler), 0);
      if (libc.func('sigaction', 'int', ['int', P, P])(signal, addressOf(action), 0) !== 0) return undefined;
      const event = Buffer.alloc(SIGEVENT.SIZE);
      event.writeInt32LE(signal, SIGEVENT.SIGNO);
      event.writeInt32LE(SIGEV_THREAD_ID, SIGEVENT.NOTIFY);
      event.writeInt32LE(libc.func('gettid', 'int', [])(), SIGEVENT.TID);
      const id = Buffer.alloc(8);
      const made = libc.func('timer_create', 'int', ['int', P, P])(CLOCK_MONOTONIC, addressOf(event), addressOf(id));
      return made === 0 ? new Ticker(Number(id.readBigInt64LE(0)), periodMs) : undefined;
    } catch {
      return undefined; // a C library without one of these functions
    }
  }

  start(): void {
    this.settime(this.timer, 0, this.onAt, 0);
  }

  stop(): void {
    this.settime(this.timer, 0, this.offAt, 0);
  }

  /** The ticker must not be used any more. */
  close(): void {
    libc.func('timer_delete', 'int', [P])(this.timer);
  }
}
