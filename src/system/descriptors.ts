/**
 * Who holds descriptors of a file, as far as /proc tells. Nothing here touches the files behind descriptors: a stat(2) through
 * /proc/PID/fd would wait for whatever filesystem they are on.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { F, LOCKTYPE, SIG } from './constants.ts';
import { fcntl } from './libc.ts';

/** A file as /proc/PID/fdinfo and mountinfo name it (since Linux 5.14). */
export interface OpenFile {
  readonly ino: number;
  /** "major:minor", decimal, of the filesystem. */
  readonly device: string;
}

export interface DescriptorSearch {
  /** Processes that hold a descriptor of the file. */
  readonly holders: number[];
  /** Processes with a socket in which descriptors, of whatever file, wait to be received. */
  readonly inFlight: number[];
}

/** The file of one of our own descriptors; undefined where the kernel does not tell. */
export function openFile(fd: number): OpenFile | undefined {
  const info = slurp(`/proc/self/fdinfo/${fd}`);
  if (info === undefined) return undefined;
  const ino = field(info, 'ino');
  const device = mountsOf('self').get(field(info, 'mnt_id') ?? -1);
  return ino !== undefined && device ? { ino, device } : undefined;
}

/**
 * Has nobody else the file of this writable descriptor open? Asked of the kernel by a write lease (F_SETLEASE of fcntl(2)), which
 * it gives only to the one open file there is: a descriptor on its way through a socket, a mapping and an open by the kernel
 * itself count like any other. 0 yes; -EAGAIN no; another -errno: this filesystem does not tell.
 */
export function soleOpener(fd: number): number {
  // Who opens the file in between has us told by a signal; the one by default would end the process.
  const signal = fcntl(fd, F.SETSIG, SIG.URG);
  if (signal < 0) return signal;
  const r = fcntl(fd, F.SETLEASE, LOCKTYPE.WRITE);
  if (r === 0) fcntl(fd, F.SETLEASE, LOCKTYPE.UNLOCK);
  return r;
}

/** In those processes; about 20 us a descriptor of a file or socket. */
export function descriptorsOf(file: OpenFile, pids: readonly number[]): DescriptorSearch {
  const holders: number[] = [];
  const inFlight: number[] = [];
  for (const pid of pids) {
    const found = look(String(pid), file);
    if (found.holds) holders.push(pid);
    if (found.queued) inFlight.push(pid);
  }
  return { holders, inFlight };
}

function look(pid: string, file: OpenFile): { holds: boolean; queued: boolean } {
  const found = { holds: false, queued: false };
  let mounts: Map<number, string> | undefined;
  for (const fd of list(`/proc/${pid}/fd`)) {
    const link = follow(`/proc/${pid}/fd/${fd}`);
    const socket = link.startsWith('socket:');
    if (!socket && (!link.startsWith('/') || link.startsWith('/dev/'))) continue;
    const info = slurp(`/proc/${pid}/fdinfo/${fd}`) ?? '';
    if (socket) {
      if ((field(info, 'scm_fds') ?? 0) > 0) found.queued = true;
      continue;
    }
    if (field(info, 'ino') !== file.ino) continue;
    mounts ??= mountsOf(pid);
    // A mount that was taken away is not listed any more: its file may be ours.
    if ((mounts.get(field(info, 'mnt_id') ?? -1) ?? file.device) === file.device) found.holds = true;
  }
  return found;
}

/** Devices of the mounts of a process, by mount id. */
function mountsOf(pid: string): Map<number, string> {
  const mounts = new Map<number, string>();
  for (const line of (slurp(`/proc/${pid}/mountinfo`) ?? '').split('\n')) {
    const [id, , device] = line.split(' ');
    if (device) mounts.set(Number(id), device);
  }
  return mounts;
}

function field(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

function slurp(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function follow(path: string): string {
  try {
    return readlinkSync(path, 'latin1');
  } catch {
    return '';
  }
}
