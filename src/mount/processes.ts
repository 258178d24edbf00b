import type { Worker } from 'node:worker_threads';
import { deviceWindowIno } from '../control/nodes.ts';
import type { FenceSubject, Mapper, ProcessPort } from '../lease/ports.ts';
import { type OpenFile, openFile, soleOpener } from '../system/descriptors.ts';
import { EndedProcesses } from '../system/ended-processes.ts';
import { E } from '../system/errno.ts';
import { close, pidfdOpen, pidfdSendSignal } from '../system/libc.ts';
import { aliveSame, commandOf, fieldOf, type MappedFile, startTimeOf, statusOf, tgidOf } from '../system/process.ts';
import { startThread } from '../system/thread.ts';
import type { MapperAnswer, MapperJob } from './mapper-worker.ts';
import { deviceOfMount } from './mountinfo.ts';

interface Search {
  readonly subjects: readonly FenceSubject[];
  /** Leases whose window the kernel still knows. */
  readonly held: ReadonlySet<number>;
  /** What the kernel said: somebody else has the backing file open, or it is not known. */
  readonly others: boolean | undefined;
  readonly isHolder: (pid: number) => boolean;
  readonly done: (byLease: Map<number, Mapper[]> | number) => void;
}

/** What the look at processes needs of the rest of the mount. */
export interface Reaches {
  readonly backing: MappedFile;
  /** Descriptor of the backing file, of the one open file that the daemon has. */
  readonly fd: number;
  readonly blockSize: number;
  /** done(true): nobody reaches the device window of the lease any more. */
  retireWindow(lease: number, done: (gone: boolean) => void): void;
  /** Lets go of the backing file where the daemon has the kernel hold it: whether nothing of ours has it open but `fd`. */
  standAlone(): boolean;
  /** The supervisor has the descriptor too. */
  readonly supervisor: number | undefined;
}

/**
 * What the lease engine asks of processes. Their maps are read by a thread of its own: a process that waits for a page
 * of this very mount may hold the lock that reading its maps needs, and the state thread is who must bring that page.
 *
 * Who still reaches a lease's blocks?
 * - Through its device window: the kernel knows (control/kernelNodes.ts), free of races with fork and with descriptors
 *   on their way through a socket. The maps of the processes only tell who it is.
 * - Through the backing file itself. Here too the kernel is asked first, by a write lease on it, which is only given when
 *   no other open file of it exists anywhere: neither descriptor nor mapping, by fork, in a socket, in another namespace. That is
 *   the proof. While others have it open, or device windows of other leases do, /proc tells who reaches what: mappings by
 *   device, inode and offset range, descriptors by device and inode. A descriptor reaches all of the device, so its process counts
 *   for every lease, unless it has a live lease of its own to use it for. When the kernel knows of somebody whom /proc does
 *   not show, or descriptors are on their way through some socket, nobody is said to be gone.
 *
 * A process that even root may not look into (an init of the container, say) makes the answer "not known", unless it
 * is older than this daemon: then it was not started to hold a lease.
 */
export class Processes implements ProcessPort {
  private readonly parts: Reaches;
  private readonly file: OpenFile | undefined;
  /** "major:minor" of the mount. */
  private mountDevice: string | undefined;
  /** Those that leases are bound to. */
  readonly ended = new EndedProcesses();
  private worker: Worker | undefined;
  private readonly searches = new Map<number, Search>();
  private nextSearch = 1;
  private readonly since = startTimeOf(process.pid) ?? 0;
  /** The kernel has once said that nobody else has the file open: so on this filesystem it means what it says. */
  private believed = false;

  constructor(parts: Reaches) {
    this.parts = parts;
    this.file = openFile(parts.fd);
    this.othersOpen();
  }

  /** Has somebody else the backing file open, by whatever way? undefined: not known. */
  private othersOpen(): boolean | undefined {
    const alone = this.parts.standAlone();
    const r = soleOpener(this.parts.fd);
    if (r === 0) this.believed = true;
    if (r === 0) return false;
    return alone && this.believed && r === -E.AGAIN ? true : undefined;
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

  watch(pid: number, start: number, ended: () => void): (() => void) | undefined {
    return this.ended.watch(pid, start, ended);
  }

  /** The descriptor is taken before the start time is looked at: it names the process that was looked at. */
  kill(pid: number, start: number, signal: number, by?: number): number {
    // Where the transport tells no callers, holders pass for this process (daemon.ts).
    if (pid === process.pid) return E.PERM;
    const pidfd = pidfdOpen(pid);
    if (pidfd < 0) return -pidfd;
    const r = !aliveSame(pid, start)
      ? -E.SRCH
      : by !== undefined && !maySignal(by, pid)
        ? -E.PERM
        : pidfdSendSignal(pidfd, signal);
    close(pidfd);
    return -r;
  }

  identify(tid: number): { tgid: number; start: number; command: string } | undefined {
    const tgid = tgidOf(tid);
    if (tgid === undefined) return undefined;
    const start = startTimeOf(tgid);
    return start === undefined ? undefined : { tgid, start, command: commandOf(tgid) ?? '' };
  }

  mappers(subjects: readonly FenceSubject[], isHolder: Search['isHolder'], done: Search['done']): void {
    const held = new Set<number>();
    let left = subjects.length;
    if (left === 0) return done(new Map());
    for (const { id } of subjects) {
      this.parts.retireWindow(id, (gone) => {
        if (!gone) held.add(id);
        left -= 1;
        if (left > 0) return;
        const others = this.othersOpen();
        if (held.size === 0 && others === false) done(new Map());
        else this.search({ subjects, held, others, isHolder, done });
      });
    }
  }

  private search(search: Search): void {
    const { subjects } = search;
    const id = this.nextSearch++;
    this.searches.set(id, search);
    const windows = subjects.map((each) => ({ device: this.mountDevice ?? '', ino: deviceWindowIno(each.id) }));
    this.worker ??= this.start();
    const { backing, supervisor } = this.parts;
    const ours = supervisor === undefined ? [process.pid] : [process.pid, supervisor];
    const job: MapperJob = { id, since: this.since, files: [backing, ...windows], backing: this.file, ours };
    this.worker.postMessage(job);
  }

  async stop(): Promise<void> {
    await this.worker?.terminate();
    this.worker = undefined;
    this.ended.close();
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

  private answered({ id, mappings, descriptors, inFlight, blind }: MapperAnswer): void {
    const search = this.searches.get(id);
    this.searches.delete(id);
    if (search === undefined) return;
    const { subjects, held, others } = search;
    if (blind && mappings.length + descriptors.length === 0) return search.done(E.PERM);
    const foreign = descriptors.filter((pid) => !search.isHolder(pid));
    const ofBacking = mappings.some((m) => m.file === 0 && m.pid !== process.pid);
    // Somebody whom /proc does not show may reach everything.
    const unseen = inFlight || blind || (others === true && descriptors.length === 0 && !ofBacking);
    const byLease = new Map<number, Mapper[]>();
    subjects.forEach((subject, at) => {
      const pids = new Set<number>();
      for (const m of mappings) {
        if (m.file === at + 1 || (m.file === 0 && this.reaches(subject, m.offset, m.length))) pids.add(m.pid);
      }
      if (subject.reach.length > 0) {
        for (const pid of foreign) pids.add(pid);
        if (descriptors.includes(subject.pid)) pids.add(subject.pid);
      }
      pids.delete(process.pid);
      const hidden = held.has(subject.id) || (unseen && others !== false && subject.reach.length > 0);
      if (pids.size === 0 && hidden) pids.add(subject.pid);
      byLease.set(
        subject.id,
        [...pids].map((pid) => ({ pid, command: commandOf(pid) ?? '' })),
      );
    });
    search.done(byLease);
  }

  /** Does a mapping of the backing file touch blocks that the holder may reach? Bytes. */
  private reaches(subject: FenceSubject, offset: number, length: number): boolean {
    const { blockSize } = this.parts;
    return subject.reach.some((run) => {
      const start = run.start * blockSize;
      return offset < start + run.length * blockSize && start < offset + length;
    });
  }
}

/** The rule of kill(2) for an ordinary user: a holder that became another user, by execve(2) of a program with set-user-ID, is spared. */
function maySignal(uid: number, pid: number): boolean {
  const [real, , saved] = fieldOf(statusOf(pid) ?? '', 'Uid')?.split(/\s+/) ?? [];
  return Number(real) === uid || Number(saved) === uid;
}
