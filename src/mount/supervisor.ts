import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { openDevice as openFuse } from '../fuse/mount.ts';
import { close } from '../system/libc.ts';
import type { Tell } from '../system/log.ts';
import { lockDatabase, metadataPath, openDevice } from '../volume/lock.ts';
import { Handover, STATUS } from './handover.ts';
import { SUPERVISED, WORD } from './inheritance.ts';

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

/** A daemon that lived for less was killed by what it found; so many of them in a row, and the mount is given up. */
const QUICK_MS = 1000;
const QUICK_DEATHS = 5;
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
  /** Looks in a row at which its main thread was gone. */
  gone: number;
  /** Called when its program is loaded. */
  onLoaded: () => void;
}

class Supervisor {
  private readonly request: SuperviseRequest;
  private readonly fuse: number;
  private readonly handover: Handover;
  private readonly device: number;
  private readonly database: number;
  private current: Daemon | undefined;
  private spare: Daemon | undefined;
  private upgrading = false;
  private began = 0;
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
    this.fuse = openFuse();
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
      for (const fd of [this.fuse, this.device, this.database]) close(fd);
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, stop);
      process.off('SIGUSR2', upgrade);
    }
  }

  private start(readyFd: number): Daemon {
    const { fuse, handover, device, database } = this;
    const env: NodeJS.ProcessEnv = { ...process.env, [SUPERVISED]: '1' };
    delete env.LAYOUTFS_READY_FD;
    if (readyFd >= 0) env.LAYOUTFS_READY_FD = '8';
    const child = spawn(process.execPath, [...process.execArgv, launcher, ...this.request.command], {
      // A session of its own: Ctrl-C is for the supervisor, which passes it on once.
      detached: true,
      stdio: [
        'ignore',
        'inherit',
        'inherit',
        fuse,
        handover.fd,
        device,
        database,
        'pipe',
        ...(readyFd >= 0 ? [readyFd] : []),
      ],
      env,
    });
    const socket = (child.stdio as readonly unknown[])[7] as Socket;
    socket.on('error', () => {});
    const daemon: Daemon = { process: child, socket, ended: false, gone: 0, onLoaded: () => {} };
    child.on('error', (error) => this.request.log('error', `a daemon can not be started: ${error.message}`));
    child.on('exit', (code, signal) => this.exited(daemon, code, signal));
    socket.on('data', (words) => {
      if (words.includes(WORD.LOADED)) daemon.onLoaded();
      if (words.includes(WORD.SERVING)) this.serving(daemon);
    });
    return daemon;
  }

  private serve(daemon: Daemon, word: string): void {
    this.current = daemon;
    this.began = performance.now();
    daemon.socket.write(word);
    if (this.stopSignals > 0 && word === WORD.TAKE_OVER) this.later(0, () => daemon.process.kill('SIGTERM'));
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
    const first = !this.served;
    if (first) this.request.onServing();
    this.served = true;
    this.began = performance.now();
    this.later(first ? SPARE_MS : 0, () => {
      if (this.current === daemon && !daemon.ended && !this.spare) this.standBy();
    });
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
    this.quickDeaths = !wanted && this.died - this.began < QUICK_MS ? this.quickDeaths + 1 : 0;
    if (this.quickDeaths >= QUICK_DEATHS) {
      this.request.log(
        'error',
        `${QUICK_DEATHS} daemons in a row died within ${QUICK_MS} ms: the mount is given up; ` +
          'layoutfs umount takes it away, and the next mount recovers what was done',
      );
      this.finish(1);
      return;
    }
    this.upgrading = false;
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
