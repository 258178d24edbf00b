import fs from 'node:fs';

/** Who mounts, and during which boot of the host: tells a dead daemon from a dead host. */
export interface Host {
  bootId: string;
  pid: number;
  /** Start of the process, clock ticks since boot (proc(5), stat field 22). */
  start: number;
}

export function thisHost(): Host {
  return {
    bootId: fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
    pid: process.pid,
    start: startOf(process.pid),
  };
}

/** 0 when there is no such process. */
export function startOf(pid: number): number {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return 0;
  }
}
