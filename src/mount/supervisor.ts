import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { O, SOCK } from '../system/constants.ts';
import { SystemError } from '../system/errno.ts';
import { close, open, recvFd, socketpair } from '../system/libc.ts';
import type { Tell } from '../system/log.ts';
import { lockDatabase, metadataPath, openDevice } from '../volume/lock.ts';
import { Handover, STATUS } from './handover.ts';
import { DAEMON_ENVIRONMENT, INHERITED, SUPERVISED, WITH_FUSE, WITHOUT_FUSE, WORD } from './inheritance.ts';

export interface SuperviseRequest {
  /** Absolute path of the device file. */
  image: string;
  /** Arguments of `layoutfs` that serve the mount in the foreground. */
  command: readonly string[];
  readOnly: boolean;
  /** Descriptor on which the first daemon says that the mount is ready, or why not; -1: nobody asks. */
  readyFd: number;
  /** Called when the first daemon serves. */
  onServing: () => void;
  log: Tell;
}

/** A daemon that served for less was killed by what it found. */
const QUICK_MS = 1000;
/** ms that are waited before the next one, by how many in a row died so; after that many the mount is given up. */
const BACK_OFF_MS: readonly number[] = [0, 0, 100, 500, 2000];
/** A recovery that takes longer is worth a word. */
const SLOW_MS = 10_000;
/** The first spare is started when the mount has lived for a while: many never do. */
const SPARE_MS = 2000;
/** How often it is looked whether the daemon still has a main thread. */
const LOOK_MS = 200;

const launcher = fileURLToPath(new URL('../../bin/layoutfs.mjs', import.meta.url));

/**
 * Keeps a mount alive over the death of its daemon: holds the connection, the locks of the volume and the memory that
 * outlives daemons (handover.ts), and has a new daemon take over when one dies (storage.md rule 7). It serves nothing
 * itself. A spare daemon with its program loaded waits, so that the mount pauses for the recovery only.
 *
 * Ends with the mount, with the exit code of its last daemon; 1 when it gave up. Throws when the volume is in use.
 */
export function supervise(request: SuperviseRequest): Promise<number> {
  return new Supervisor(request).run();
}

/** A process that serves, or waits for its turn. */
interface Daemon {
  readonly process: ChildProcess;
  readonly socket: Socket;
  ended: boolean;
  /** When it began to serve (performance.now(), ms); 0 before. */
  serving: number;
  /** Looks in a row at which its main thread was gone. */
  gone: number;
  /** Called when its program is loaded. */
  onLoaded: () => void;
}

class Supervisor {
  private readonly request: SuperviseRequest;
  /**
   * Of the connection; below 0 where /dev/fuse is not for everybody. When an ordinary user mounts, fusermount3 opens
   * another one, which the first daemon sends here.
   */
  private fuse: number;
  private readonly channel: readonly [ours: number, theirs: number];
  private readonly handover: Handover;
  private readonly device: number;
  private readonly database: number;
  private current: Daemon | undefined;
  private spare: Daemon | undefined;
  private upgrading = false;
  private died = 0;
  private quickDeaths = 0;
  private stopSignals = 0;
  private served = false;
  private finish!: (code: number) => void;
  private readonly timers = new Set<NodeJS.Timeout>();

  constructor(request: SuperviseRequest) {
    this.request = request;
    const { image, readOnly } = request;
    this.device = openDevice(image, { readOnly }).fd;
    this.database = lockDatabase(metadataPath(image), { readOnly });
    this.handover = Handover.create();
    this.fuse = open('/dev/fuse', O.RDWR | O.NONBLOCK);
    const channel = socketpair(SOCK.STREAM | SOCK.NONBLOCK);
    if (typeof channel === 'number') throw new SystemError(channel, 'socketpair');
    this.channel = channel;
  }

  async run(): Promise<number> {
    const stop = (): void => this.stop();
    const upgrade = (): void => this.upgrade();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
    process.on('SIGUSR2', upgrade);
    const look = setInterval(() => this.look(), LOOK_MS);
    try {
      return await new Promise<number>((resolve) => {
        this.finish = resolve;
        this.serve(this.start(this.request.readyFd), WORD.START);
      });
    } finally {
      clearInterval(look);
      for (const timer of this.timers) clearTimeout(timer);
      this.dismiss();
      for (const fd of [this.fuse, this.device, this.database, ...this.channel]) if (fd >= 0) close(fd);
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, stop);
      process.off('SIGUSR2', upgrade);
    }
  }

  private start(readyFd: number): Daemon {
    const { fuse, handover, device, database } = this;
    const env: NodeJS.ProcessEnv = {
      ...DAEMON_ENVIRONMENT,
      ...process.env,
      [SUPERVISED]: fuse >= 0 ? WITH_FUSE : WITHOUT_FUSE,
    };
    delete env.LAYOUTFS_READY_FD;
    if (readyFd >= 0) env.LAYOUTFS_READY_FD = String(INHERITED.READY);
    const child = spawn(process.execPath, [...process.execArgv, launcher, ...this.request.command], {
      // A session of its own: Ctrl-C is for the supervisor, which passes it on once.
      detached: true,
      stdio: [
        'ignore',
        'inherit',
        'inherit',
        fuse >= 0 ? fuse : 'ignore',
        handover.fd,
        device,
        database,
        'pipe',
        this.channel[1],
        ...(readyFd >= 0 ? [readyFd] : []),
      ],
      env,
    });
    const socket = (child.stdio as readonly unknown[])[INHERITED.SUPERVISOR] as Socket;
    socket.on('error', () => {});
    const daemon: Daemon = { process: child, socket, ended: false, serving: 0, gone: 0, onLoaded: () => {} };
    child.on('error', (error) => {
      this.request.log('error', `a daemon can not be started: ${error.message}`);
      this.exited(daemon, 1, null);
    });
    child.on('exit', (code, signal) => this.exited(daemon, code, signal));
    socket.on('data', (words) => {
      if (words.includes(WORD.LOADED)) daemon.onLoaded();
      if (words.includes(WORD.SERVING)) this.serving(daemon);
    });
    return daemon;
  }

  private serve(daemon: Daemon, word: string): void {
    this.current = daemon;
    daemon.socket.write(word);
    if (word === WORD.START) return;
    this.later(SLOW_MS, () => {
      if (this.current === daemon && daemon.serving === 0 && !daemon.ended)
        this.request.log('warning', `process ${daemon.process.pid} is still at the recovery after ${SLOW_MS / 1000} s`);
    });
  }

  /** The daemon says that the mount works. */
  private serving(daemon: Daemon): void {
    if (daemon !== this.current) return;
    if (this.died > 0) {
      const ms = Math.round(performance.now() - this.died);
      this.request.log(
        'notice',
        `process ${daemon.process.pid} has taken the mount over; it stood still for ${ms} ms`,
        {
          daemon: daemon.process.pid,
          ms,
        },
      );
      this.died = 0;
    }
    // Whom the signal was for has died before it came to that.
    if (this.stopSignals > 0) daemon.process.kill('SIGTERM');
    const first = !this.served;
    if (first) {
      this.receiveFuse();
      this.request.onServing();
    }
    this.served = true;
    daemon.serving = performance.now();
    this.later(first ? SPARE_MS : 0, () => {
      if (this.current === daemon && !daemon.ended && !this.spare) this.standBy();
    });
  }

  /** The descriptor that the first daemon has mounted, where it is another one than it was given. */
  private receiveFuse(): void {
    const { fd } = recvFd(this.channel[0], Buffer.alloc(1));
    if (fd < 0) return;
    if (this.fuse >= 0) close(this.fuse);
    this.fuse = fd;
  }

  private standBy(): void {
    const spare = this.start(-1);
    this.spare = spare;
    spare.onLoaded = () => {
      if (this.spare === spare) this.request.log('info', `process ${spare.process.pid} stands by`);
    };
  }

  private exited(daemon: Daemon, code: number | null, signal: NodeJS.Signals | null): void {
    if (daemon.ended) return;
    daemon.ended = true;
    daemon.socket.destroy();
    if (daemon === this.spare) {
      this.spare = undefined;
      this.upgrading = false;
    }
    if (daemon !== this.current) return;
    const { status } = this.handover;
    if (status === STATUS.STARTING || status === STATUS.OVER) {
      this.finish(code ?? 1);
      return;
    }
    this.died = performance.now();
    const how = signal === null ? `ended with ${code}` : `was killed by ${signal}`;
    const wanted = this.upgrading && code === 0;
    if (!wanted)
      this.request.log(
        'warning',
        `the daemon (process ${daemon.process.pid}) ${how}: another one takes the mount over`,
      );
    const quick = daemon.serving === 0 || this.died - daemon.serving < QUICK_MS;
    this.quickDeaths = !wanted && quick ? this.quickDeaths + 1 : 0;
    const wait = BACK_OFF_MS[this.quickDeaths];
    if (wait === undefined) {
      this.request.log(
        'error',
        `${this.quickDeaths} daemons in a row died within ${QUICK_MS} ms: the mount is given up; ` +
          'layoutfs umount takes it away, and the next mount recovers what was done',
      );
      this.finish(1);
      return;
    }
    this.upgrading = false;
    this.current = undefined;
    if (wait === 0) this.takeOver();
    else this.later(wait, () => this.takeOver());
  }

  private takeOver(): void {
    const next = this.spare ?? this.start(-1);
    this.spare = undefined;
    this.serve(next, WORD.TAKE_OVER);
  }

  /**
   * A killed daemon one of whose threads waits in the kernel does not end, and what that thread waits for may be a reply
   * that only the next daemon can give. Its main thread is gone, though: nothing of it will ever run again.
   */
  private look(): void {
    const { current } = this;
    if (!current || current.ended || current.process.pid === undefined) return;
    try {
      const stat = readFileSync(`/proc/${current.process.pid}/stat`, 'latin1');
      current.gone = stat.charAt(stat.lastIndexOf(')') + 2) === 'Z' ? current.gone + 1 : 0;
      if (current.gone > 1) this.exited(current, null, 'SIGKILL');
    } catch {
      // it has ended, and the event comes
    }
  }

  private stop(): void {
    this.stopSignals++;
    this.current?.process.kill('SIGTERM');
  }

  /** Has a new daemon, of the program as it is now on the disk, take over from the one that serves, which lets go in good order. */
  private upgrade(): void {
    if (this.upgrading || !this.served) return;
    this.upgrading = true;
    this.dismiss();
    const fresh = this.start(-1);
    this.spare = fresh;
    fresh.onLoaded = () => {
      if (this.spare === fresh) this.current?.process.kill('SIGUSR2');
      else this.upgrading = false;
    };
  }

  /** The spare is not needed: it ends when it reads the end of its socket. */
  private dismiss(): void {
    const { spare } = this;
    this.spare = undefined;
    spare?.socket.destroy();
  }

  private later(ms: number, fn: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      fn();
    }, ms);
    this.timers.add(timer);
  }
}
