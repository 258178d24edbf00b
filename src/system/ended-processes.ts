import koffi from 'koffi';
import { addressOf, close, pidfdOpen } from './libc.ts';
import { aliveSame } from './process.ts';

const P = 'uintptr_t';
const CTL = { ADD: 1, DEL: 2 } as const;
const IN = 1;
const CLOEXEC = 0o2000000;
/** struct epoll_event is packed on x86 alone. */
const EVENT = process.arch === 'x64' ? { SIZE: 12, DATA: 4 } : { SIZE: 16, DATA: 8 };
const AT_ONCE = 64;

/**
 * Tells of processes that have ended, as an event: their pidfds (pidfd_open(2)) are in one epoll(7) set, whose descriptor becomes
 * readable with the first of them.
 */
export class EndedProcesses {
  /** To be waited for; readable while somebody has ended whom `take` did not tell. -1: there is no such thing here. */
  readonly fd: number;
  private readonly watched = new Map<number, () => void>();
  private readonly events = Buffer.alloc(EVENT.SIZE * AT_ONCE);
  private readonly eventsAt = addressOf(this.events);
  private readonly control: (epoll: number, operation: number, fd: number, event: number) => number;
  private readonly wait: (epoll: number, events: number, count: number, timeoutMs: number) => number;

  constructor() {
    const libc = koffi.load(null);
    this.control = libc.func('epoll_ctl', 'int', ['int', 'int', 'int', P]);
    this.wait = libc.func('epoll_wait', 'int', ['int', P, 'int', 'int']);
    this.fd = libc.func('epoll_create1', 'int', ['int'])(CLOEXEC);
  }

  /** Number of processes watched. */
  get size(): number {
    return this.watched.size;
  }

  /**
   * `ended` is called by `take` once the process has ended, unless what is returned was called before. undefined: it can not be
   * watched, because it has ended already, or descriptors are short.
   */
  watch(pid: number, start: number, ended: () => void): (() => void) | undefined {
    if (this.fd < 0) return undefined;
    const pidfd = pidfdOpen(pid);
    if (pidfd < 0) return undefined;
    this.events.writeUInt32LE(IN, 0);
    this.events.writeUInt32LE(pidfd, EVENT.DATA);
    // The descriptor first, then the look at who that is: it names the process that was looked at.
    if (!aliveSame(pid, start) || this.control(this.fd, CTL.ADD, pidfd, this.eventsAt) < 0) {
      close(pidfd);
      return undefined;
    }
    this.watched.set(pidfd, ended);
    return () => this.drop(pidfd);
  }

  /** Tells of those that have ended. Never waits. */
  take(): void {
    if (this.watched.size === 0) return;
    const count = this.wait(this.fd, this.eventsAt, AT_ONCE, 0);
    const ended: ((() => void) | undefined)[] = [];
    for (let i = 0; i < count; i++) {
      const pidfd = this.events.readUInt32LE(i * EVENT.SIZE + EVENT.DATA);
      ended.push(this.watched.get(pidfd));
      this.drop(pidfd);
    }
    for (const each of ended) each?.();
  }

  close(): void {
    for (const pidfd of [...this.watched.keys()]) this.drop(pidfd);
    if (this.fd >= 0) close(this.fd);
  }

  private drop(pidfd: number): void {
    if (!this.watched.delete(pidfd)) return;
    this.control(this.fd, CTL.DEL, pidfd, this.eventsAt);
    close(pidfd);
  }
}
