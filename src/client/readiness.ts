import { closeSync, writeSync } from 'node:fs';
import { POLL } from '../system/constants.ts';
import { addressOf, eventfd, pollManyAsync } from '../system/libc.ts';

/**
 * Waits for a descriptor to become readable without a blocked event loop: poll(2) in a thread of the pool, on that
 * descriptor and on an eventfd that ends the wait.
 */
export class Readiness {
  private readonly wake: number;
  /** Two struct pollfd: int fd, short events, short revents. */
  private readonly fds = Buffer.alloc(16);
  private polling: Promise<boolean> | undefined;
  private closed = false;

  constructor(fd: number) {
    this.wake = eventfd();
    if (this.wake < 0) throw new Error(`eventfd: errno ${-this.wake}`);
    this.fds.writeInt32LE(fd, 0);
    this.fds.writeInt16LE(POLL.IN, 4);
    this.fds.writeInt32LE(this.wake, 8);
    this.fds.writeInt16LE(POLL.IN, 12);
  }

  /** true: readable; false: closed. Calls share one wait. */
  readable(): Promise<boolean> {
    if (this.closed) return Promise.resolve(false);
    this.polling ??= pollManyAsync(addressOf(this.fds), 2, -1).then(() => {
      this.polling = undefined;
      return !this.closed;
    });
    return this.polling;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    const one = Buffer.alloc(8);
    one.writeUInt8(1);
    writeSync(this.wake, one);
    await this.polling;
    closeSync(this.wake);
  }
}
