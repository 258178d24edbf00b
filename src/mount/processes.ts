import type { Worker } from 'node:worker_threads';
import { deviceWindowIno } from '../control/nodes.ts';
import type { FenceSubject, Mapper, ProcessPort } from '../lease/ports.ts';
import { E } from '../system/errno.ts';
import { close, pidfdOpen, pidfdSendSignal } from '../system/libc.ts';
import { aliveSame, commandOf, type MappedFile, startTimeOf, tgidOf } from '../system/process.ts';
import { startThread } from '../system/thread.ts';
import type { MapperAnswer, MapperJob } from './mapper-worker.ts';
import { deviceOfMount } from './mountinfo.ts';

interface Search {
  readonly subjects: readonly FenceSubject[];
  /** Leases whose window the kernel still knows. */
  readonly held: ReadonlySet<number>;
  readonly done: (byLease: Map<number, Mapper[]> | number) => void;
}

/**
 * What the lease engine asks of processes. Their maps are read by a thread of its own: a process that waits for a page
 * of this very mount may hold the lock that reading its maps needs, and the state thread is who must bring that page.
 *
 * Who still reaches a lease's blocks?
 * - Through its device window: the kernel knows (control/kernelNodes.ts), free of races with fork and with descriptors
 *   on their way through a socket. The maps of the processes only tell who it is.
 * - Through the backing file itself: the processes that map it where the holder may still reach. Mappings spread by
 *   fork, which the search follows; the file's mode is 0600, and a descriptor of it that is kept unmapped is not seen.
 *
 * A process that even root may not look into (an init of the container, say) makes the answer "not known", unless it
 * is older than this daemon: then it was not started to hold a lease.
 */
export class Processes implements ProcessPort {
  private readonly backing: MappedFile;
  private readonly blockSize: number;
  private readonly retireWindow: (lease: number, done: (gone: boolean) => void) => void;
  /** "major:minor" of the mount. */
  private mountDevice: string | undefined;
  private worker: Worker | undefined;
  private readonly searches = new Map<number, Search>();
  private nextSearch = 1;
  private readonly since = startTimeOf(process.pid) ?? 0;

  /** `retireWindow`: done(true) when nobody reaches the device window of the lease any more. */
  constructor(
    backing: MappedFile,
    blockSize: number,
    retireWindow: (lease: number, done: (gone: boolean) => void) => void,
  ) {
    this.backing = backing;
    this.retireWindow = retireWindow;
    this.blockSize = blockSize;
  }

  /** The mount at `dir` works now. */
  mounted(dir: string): void {
    const device = deviceOfMount(dir);
    const hex = (n: number): string => n.toString(16).padStart(2, '0');
    this.mountDevice = device && `${hex(device.major)}:${hex(device.minor)}`;
  }

  alive(pid: number, start: number): boolean {
    return aliveSame(pid, start);
  }

  /** The descriptor is taken before the start time is looked at: it names the process that was looked at. */
  kill(pid: number, start: number, signal: number): number {
    // Where the transport tells no callers, holders pass for this process (daemon.ts).
    if (pid === process.pid) return E.PERM;
    const pidfd = pidfdOpen(pid);
    if (pidfd < 0) return -pidfd;
    const r = aliveSame(pid, start) ? pidfdSendSignal(pidfd, signal) : -E.SRCH;
    close(pidfd);
    return -r;
  }

  identify(tid: number): { tgid: number; start: number; command: string } | undefined {
    const tgid = tgidOf(tid);
    if (tgid === undefined) return undefined;
    const start = startTimeOf(tgid);
    return start === undefined ? undefined : { tgid, start, command: commandOf(tgid) ?? '' };
  }

  mappers(subjects: readonly FenceSubject[], done: Search['done']): void {
    const held = new Set<number>();
    let left = subjects.length;
    if (left === 0) return done(new Map());
    for (const { id } of subjects) {
      this.retireWindow(id, (gone) => {
        if (!gone) held.add(id);
        left -= 1;
        if (left === 0) this.search(subjects, held, done);
      });
    }
  }

  private search(subjects: readonly FenceSubject[], held: ReadonlySet<number>, done: Search['done']): void {
    const id = this.nextSearch++;
    this.searches.set(id, { subjects, held, done });
    const windows = subjects.map((each) => ({ device: this.mountDevice ?? '', ino: deviceWindowIno(each.id) }));
    this.worker ??= this.start();
    this.worker.postMessage({ id, since: this.since, files: [this.backing, ...windows] } satisfies MapperJob);
  }

  async stop(): Promise<void> {
    await this.worker?.terminate();
    this.worker = undefined;
  }

  private start(): Worker {
    const worker = startThread(new URL('./mapper-worker', import.meta.url));
    worker.on('message', (answer: MapperAnswer) => this.answered(answer));
    worker.on('error', () => {
      this.worker = undefined;
      for (const [id, { done }] of this.searches) {
        this.searches.delete(id);
        done(E.IO);
      }
    });
    return worker;
  }

  private answered({ id, mappings, blind }: MapperAnswer): void {
    const search = this.searches.get(id);
    this.searches.delete(id);
    if (search === undefined) return;
    if (blind && mappings.length === 0) return search.done(E.PERM);
    const byLease = new Map<number, Mapper[]>();
    search.subjects.forEach((subject, at) => {
      const pids = new Set<number>();
      for (const m of mappings) {
        if (m.file === at + 1 || (m.file === 0 && this.reaches(subject, m.offset, m.length))) pids.add(m.pid);
      }
      pids.delete(process.pid);
      if (pids.size === 0 && search.held.has(subject.id)) pids.add(subject.pid);
      byLease.set(
        subject.id,
        [...pids].map((pid) => ({ pid, command: commandOf(pid) ?? '' })),
      );
    });
    search.done(byLease);
  }

  /** Does a mapping of the backing file touch blocks that the holder may reach? Bytes. */
  private reaches(subject: FenceSubject, offset: number, length: number): boolean {
    return subject.reach.some((run) => {
      const start = run.start * this.blockSize;
      return offset < start + run.length * this.blockSize && start < offset + length;
    });
  }
}
