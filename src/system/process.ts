/**
 * What /proc tells about processes. Processes come and go while it is read: what is gone is `undefined` (or absent from
 * a list), never an exception.
 */
import { readdirSync, readFileSync, type Stats } from 'node:fs';
import { O } from './constants.ts';
import { addressOf, close, open, read } from './libc.ts';

const page = Buffer.allocUnsafeSlow(16 * 1024);
const pageAt = addressOf(page);

/** A file of /proc, a byte a character; undefined when it cannot be read. Three system calls: for who asks at each request. */
export function slurp(path: string): string | undefined {
  const fd = open(path, O.RDONLY, 0);
  if (fd < 0) return undefined;
  const n = read(fd, pageAt, page.length);
  close(fd);
  if (n < 0) return undefined;
  if (n < page.length) return page.toString('latin1', 0, n);
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/** Name of the program (at most 15 bytes), as `ps -o comm` shows it. Works for thread ids too. */
export function commandOf(pid: number): string | undefined {
  return slurp(`/proc/${pid}/comm`)?.replace(/\n$/, '');
}

/** proc_pid_status(5) of a process or thread, as a text for `fieldOf`. */
export const statusOf = (pid: number): string | undefined => slurp(`/proc/${pid}/status`);

/** A field of a text as `statusOf` gives it; of one with several values, they stand between tabs or blanks. */
export function fieldOf(status: string, field: string): string | undefined {
  return new RegExp(`^${field}:[ \\t]*(.*)$`, 'm').exec(status)?.[1];
}

/** Supplementary groups out of a text as `statusOf` gives it. */
export function groupsIn(status: string): number[] {
  return (fieldOf(status, 'Groups') ?? '').split(/\s+/).filter(Boolean).map(Number);
}

/** Process that a thread belongs to; FUSE requests carry the id of the thread. */
export function tgidOf(tid: number): number | undefined {
  const status = statusOf(tid);
  return status === undefined ? undefined : Number(fieldOf(status, 'Tgid'));
}

/** Supplementary groups of a process or thread. */
export function groupsOf(pid: number): number[] | undefined {
  const status = statusOf(pid);
  return status === undefined ? undefined : groupsIn(status);
}

/** Whether a process or thread has a capability in effect; `capability` is a number of capabilities(7), as CAP. */
export function hasCapability(pid: number, capability: number): boolean {
  const field = fieldOf(statusOf(pid) ?? '', 'CapEff');
  return field !== undefined && ((BigInt(`0x${field}`) >> BigInt(capability)) & 1n) === 1n;
}

export const CAP = { DAC_OVERRIDE: 1, FOWNER: 3, SYS_RAWIO: 17, SYS_ADMIN: 21, SYS_RESOURCE: 24, LEASE: 28 } as const;

/** Fields of /proc/PID/stat after the command, which may hold blanks and brackets itself; [0] is field 3, the state. */
function statFields(pid: number): string[] | undefined {
  const stat = slurp(`/proc/${pid}/stat`);
  return stat === undefined ? undefined : fieldsIn(stat);
}

const fieldsIn = (stat: string): string[] => stat.slice(stat.lastIndexOf(')') + 2).split(' ');

/** Name of the program and start time of a process, as `commandOf` and `startTimeOf`, in one read. */
export function programOf(pid: number): { command: string; start: number } | undefined {
  const stat = slurp(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const command = Buffer.from(stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')), 'latin1').toString('utf8');
  return { command, start: Number(fieldsIn(stat)[19] ?? 0) };
}

/** When the process started, in clock ticks since boot (proc(5) stat field 22): with the pid it names one process for good. */
export function startTimeOf(pid: number): number | undefined {
  const fields = statFields(pid);
  return fields && Number(fields[19]);
}

/** Whether that very process still runs. A zombie does not: its memory and descriptors are gone. */
export function aliveSame(pid: number, start: number): boolean {
  const fields = statFields(pid);
  return fields !== undefined && Number(fields[19]) === start && fields[0] !== 'Z' && fields[0] !== 'X';
}

/** Changes with every boot of the host. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'ascii').trim();
}

/** A file as /proc/PID/maps names it. */
export interface MappedFile {
  /** "major:minor" in hexadecimal, at least two digits each. */
  readonly device: string;
  readonly ino: number;
}

/** A mapping of a file by a process. */
export interface Mapping extends MappedFile {
  readonly pid: number;
  /** Addresses of its first byte and of the byte after its last. */
  readonly start: number;
  readonly end: number;
  /** 'rw-s': readable, writable, executable, shared or private. */
  readonly permissions: string;
  /** Bytes into the file. */
  readonly offset: number;
}

/** A file's name for `mappingsOf`. On stacked filesystems (overlayfs, btrfs) maps shows another device than stat(2). */
export function mappedFile(stat: Pick<Stats, 'dev' | 'ino'>): MappedFile {
  const dev = BigInt(stat.dev);
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return { device: `${hex(major)}:${hex(minor)}`, ino: stat.ino };
}

function hex(n: bigint): string {
  return n.toString(16).padStart(2, '0');
}

/** What a look through all processes found. */
export interface MappingSearch {
  readonly mappings: Mapping[];
  /** Processes that may not be looked into (needs root): the answer is not the whole truth. */
  readonly unreadable: number[];
}

const LINE = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+)/;

/** Numbers of all processes of our pid namespace. */
export function allProcesses(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

/**
 * Every mapping of the given files in those processes (about 0.1 ms per process). Pages pinned by
 * the kernel for a device (RDMA, io_uring buffers) outlive their mapping and are not seen here.
 */
export function mappingsOf(files: readonly MappedFile[], pids: readonly number[] = allProcesses()): MappingSearch {
  const needles = files.map((file) => ` ${file.device} ${file.ino} `);
  const mappings: Mapping[] = [];
  const unreadable: number[] = [];
  for (const pid of pids) {
    let maps: string;
    try {
      maps = readFileSync(`/proc/${pid}/maps`, 'latin1');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM') unreadable.push(pid);
      continue;
    }
    if (!needles.some((needle) => maps.includes(needle))) continue;
    for (const line of maps.split('\n')) {
      if (needles.some((needle) => line.includes(needle))) take(mappings, pid, line);
    }
  }
  return { mappings, unreadable };
}

function take(mappings: Mapping[], pid: number, line: string): void {
  const m = LINE.exec(line);
  if (!m) return;
  const [, start, end, permissions, offset, device, ino] = m as unknown as string[];
  mappings.push({
    pid,
    start: Number.parseInt(start, 16),
    end: Number.parseInt(end, 16),
    permissions,
    offset: Number.parseInt(offset, 16),
    device,
    ino: Number(ino),
  });
}
