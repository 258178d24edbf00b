import { F, O, POLL } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import { fcntl, poll1, read } from '../system/libc.ts';
import { Ticker } from '../system/ticker.ts';
import { Spin } from './spin.ts';

/** How long nothing must come before the loop goes to sleep. */
const PATIENCE_MS = 1;
/** Requests in a row after which more are expected, and the ticker's start (8 µs) is worth its while. */
const STREAM = 16;

/**
 * Gets the next request, waiting for it no longer than about PATIENCE_MS, in one of three ways:
 *
 * - looking again and again for some microseconds, where that pays: see Spin;
 * - in a stream of requests, by a read that blocks (the descriptor loses O_NONBLOCK for that time) and is ended by a
 *   ticker's signal: one system call for a request where reading in vain, poll(2) and reading were three;
 * - else by poll(2) and read.
 */
export class Intake {
  private readonly fd: number;
  private readonly address: number;
  private readonly size: number;
  private readonly spin = new Spin();
  private readonly flags: number;
  private ticker: Ticker | undefined;
  private ticking = false;
  private blocking = false;
  private served = 0;

  /** Requests of up to `size` bytes go to `address`. `fd` is made non-blocking, and so it is again after `rest`. */
  constructor(fd: number, address: number, size: number) {
    this.fd = fd;
    this.address = address;
    this.size = size;
    this.flags = Math.max(0, fcntl(fd, F.GETFL, 0));
    // A daemon that was killed in a stream has left it blocking for the one that takes over.
    if ((this.flags & O.NONBLOCK) === 0) fcntl(fd, F.SETFL, this.flags | O.NONBLOCK);
    this.ticker = Ticker.make(PATIENCE_MS);
  }

  /** Bytes of the request that came, 0 or -errno; -EAGAIN: none, after waiting only if `mayWait`. */
  next(mayWait: boolean): number {
    if (!this.blocking) {
      const n = this.read();
      if (n !== -E.AGAIN) return this.came(n);
      if (!mayWait) return n;
    } else if (!mayWait) {
      return poll1(this.fd, POLL.IN, 0) > 0 ? this.read() : -E.AGAIN;
    }
    const looks = this.spin.looks();
    if (looks > 0) {
      const n = this.look(looks);
      if (n !== -E.AGAIN) return this.came(n);
    }
    return this.served >= STREAM && this.ticker !== undefined ? this.wait(this.ticker) : this.poll();
  }

  /** Before the loop goes to sleep. */
  rest(): void {
    this.served = 0;
    this.setBlocking(false);
    if (!this.ticking) return;
    this.ticking = false;
    this.ticker?.stop();
  }

  close(): void {
    this.rest();
    this.ticker?.close();
    this.ticker = undefined;
  }

  private read(): number {
    return read(this.fd, this.address, this.size);
  }

  private came(n: number): number {
    this.served++;
    return n;
  }

  private look(looks: number): number {
    let n = -E.AGAIN as number;
    if (this.blocking) {
      // What waited already says nothing about the pace at which requests come.
      this.setBlocking(false);
      n = this.read();
      if (n !== -E.AGAIN) return n;
    }
    for (let left = looks; left > 0 && n === -E.AGAIN; left--) n = this.read();
    this.spin.learn(n !== -E.AGAIN);
    return n;
  }

  /** The first tick may come at once, the second comes after a whole period. */
  private wait(ticker: Ticker): number {
    if (!this.ticking) {
      this.ticking = true;
      ticker.start();
    }
    this.setBlocking(true);
    let n = this.read();
    if (n === -E.INTR) n = this.read();
    return n === -E.INTR ? -E.AGAIN : n;
  }

  private poll(): number {
    // A signal ends the wait as well: its handler runs in the event loop.
    if (poll1(this.fd, POLL.IN, PATIENCE_MS) <= 0) return -E.AGAIN;
    const n = this.read();
    return n === -E.AGAIN ? -E.INTR : this.came(n);
  }

  private setBlocking(on: boolean): void {
    if (this.blocking === on) return;
    this.blocking = on;
    fcntl(this.fd, F.SETFL, on ? this.flags & ~O.NONBLOCK : this.flags | O.NONBLOCK);
  }
}
