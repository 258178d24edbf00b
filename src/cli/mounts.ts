import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Handover } from '../mount/handover.ts';
import { close } from '../system/libc.ts';
import { startTimeOf } from '../system/process.ts';
import { readHeader } from '../volume/header.ts';
import { openForLooking } from '../volume/lock.ts';
import { CommandError, EXIT } from './exit.ts';

/** A layoutfs mount, as the kernel tells it (proc_pid_mountinfo(5)). */
export interface Mount {
  dir: string;
  /** The image, unless -o fsname= says otherwise. */
  source: string;
  /** Number under /sys/fs/fuse/connections. */
  connection: number;
  /** The kernel's options of this mount, e.g. `rw,nosuid`. */
  options: string;
  /** Of the file system, e.g. `rw,user_id=0,…,allow_other`. */
  superOptions: string;
}

const FS_TYPE = 'fuse.layoutfs';

/** All layoutfs mounts that process `pid` sees, this one by default. Reads nothing that a hung mount could hold up. */
export function layoutfsMounts(pid: number | 'self' = 'self'): Mount[] {
  const found: Mount[] = [];
  for (const line of readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n')) {
    const fields = line.split(' ');
    const dash = fields.indexOf('-');
    if (dash < 0 || fields[dash + 1] !== FS_TYPE) continue;
    found.push({
      dir: unquote(fields[4] as string),
      source: unquote(fields[dash + 2] as string),
      connection: Number((fields[2] as string).split(':')[1]),
      options: fields[5] as string,
      superOptions: fields[dash + 3] as string,
    });
  }
  return found;
}

/** mountinfo writes blanks, tabs, line ends and backslashes as octal. */
function unquote(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/**
 * The mount at exactly this directory.
 * @throws CommandError (unmounted)
 */
export function mountAt(dir: string): Mount {
  const path = resolve(dir);
  const found = layoutfsMounts().findLast((mount) => mount.dir === path || mount.dir === dir);
  if (found === undefined) throw new CommandError(`${dir}: no layoutfs is mounted there`, EXIT.unmounted, 'ENODEV');
  return found;
}

/**
 * The mount that a path is on, and the path inside it (`/` for its root). Symbolic links on the way are not followed:
 * what is under the mount by name is meant.
 * @throws CommandError (unmounted)
 */
export function mountOf(path: string): { mount: Mount; inside: string } {
  const full = resolve(path);
  const under = (mount: Mount): boolean =>
    full === mount.dir || full.startsWith(mount.dir === '/' ? '/' : `${mount.dir}/`);
  const found = layoutfsMounts()
    .filter(under)
    .reduce<Mount | undefined>(
      (best, mount) => (best === undefined || mount.dir.length >= best.dir.length ? mount : best),
      undefined,
    );
  if (found === undefined) {
    throw new CommandError(`${path}: not on a layoutfs mount`, EXIT.unmounted, 'ENODEV');
  }
  const inside = full.slice(found.dir === '/' ? 0 : found.dir.length);
  return { mount: found, inside: inside === '' ? '/' : inside };
}

/** Processes that keep a mount busy by their working directory, root or open files: `4242 (bash)`. */
export function usersOf(dir: string): string[] {
  const inside = (target: string): boolean => target === dir || target.startsWith(`${dir}/`);
  const found: string[] = [];
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const links = [`/proc/${pid}/cwd`, `/proc/${pid}/root`];
      for (const fd of readdirSync(`/proc/${pid}/fd`)) links.push(`/proc/${pid}/fd/${fd}`);
      if (links.some((link) => inside(linkOf(link))))
        found.push(`${pid} (${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()})`);
    } catch {
      // it ended, or is not ours to look at
    }
  }
  return found;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/**
 * The process that holds a lock on the image: its daemon, or the supervisor of that. 0 when the lock tells no process (open file description
 * locks), undefined when nobody holds one. From /proc/locks, because asking for the lock could win it.
 */
export function lockOwner(image: string): number | undefined {
  return lockOf(image)?.pid;
}

/** Whether the volume is held for reading only: its daemon can not write, whatever the kernel's flags of the mount say. */
export function heldForReading(image: string): boolean {
  return lockOf(image)?.mode === 'READ';
}

/** proc_locks(5) */
function lockOf(image: string): { pid: number; mode: string } | undefined {
  const stat = statSync(image, { throwIfNoEntry: false, bigint: true });
  if (stat === undefined) return undefined;
  const major = ((stat.dev >> 8n) & 0xfffn) | ((stat.dev >> 32n) & ~0xfffn);
  const minor = (stat.dev & 0xffn) | ((stat.dev >> 12n) & ~0xffn);
  const hex = (number: bigint): string => number.toString(16).padStart(2, '0');
  const wanted = `${hex(major)}:${hex(minor)}:${stat.ino}`;
  for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[5] === wanted) return { pid: Math.max(0, Number(fields[4])), mode: fields[3] as string };
  }
  return undefined;
}

/** The processes behind a mount; undefined: there is none, or it can not be seen. */
export interface Servers {
  /** Answers the requests of the kernel. */
  daemon: number | undefined;
  /** Holds connection and locks over the daemon's death. */
  supervisor: number | undefined;
}

/** Who serves a mount, seen from outside: its locks, what its supervisor keeps, the header of its device, and /proc. */
export function serversOf(mount: Mount): Servers {
  const owner = lockOwner(mount.source);
  if (owner === undefined) return { daemon: undefined, supervisor: undefined };
  const handover = owner > 0 ? handoverOf(owner) : undefined;
  if (handover !== undefined) {
    const daemon = Handover.servingOf(handover);
    // Without its supervisor a daemon keeps both locks and memory: then the owner of the locks is no more.
    return { daemon, supervisor: daemon === owner ? undefined : owner };
  }
  // The header is not for everybody to read. Others may have the image open as well, or a fuse device: both together only
  // its daemon has.
  const running = owner > 0 && startTimeOf(owner) !== undefined ? owner : undefined;
  return { daemon: running ?? ownerInHeader(mount) ?? openersOf(mount.source)[0], supervisor: undefined };
}

/** The process that the header of the device names, if it lives. */
function ownerInHeader(mount: Mount): number | undefined {
  try {
    const device = openForLooking(mount.source);
    try {
      const { ownerPid = 0, ownerStart = 0 } = readHeader(device).newest ?? {};
      return ownerPid > 0 && startTimeOf(ownerPid) === ownerStart ? ownerPid : undefined;
    } finally {
      close(device.fd);
    }
  } catch {
    return undefined;
  }
}

/** Path of the memory that a supervisor and its daemons share, by a descriptor of a process. */
function handoverOf(pid: number): string | undefined {
  return descriptorsOf(pid).find(([, link]) => link.startsWith('/memfd:layoutfs-handover'))?.[0];
}

function openersOf(image: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    const links = descriptorsOf(pid).map(([, link]) => link);
    return links.includes(image) && links.includes('/dev/fuse');
  });
}

/** The descriptors of a process, by path, and what they are; none where it ended or is not ours to look at. */
function descriptorsOf(pid: number): [path: string, link: string][] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => [`/proc/${pid}/fd/${fd}`, linkOf(`/proc/${pid}/fd/${fd}`)]);
  } catch {
    return [];
  }
}
