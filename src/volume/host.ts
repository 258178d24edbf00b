import { bootId, startTimeOf } from '../system/process.ts';

/** Who mounts, and during which boot of the host: tells a dead daemon from a dead host. */
export interface Host {
  bootId: string;
  pid: number;
  /** Start of the process, clock ticks since boot (proc(5), stat field 22). */
  start: number;
}

export function thisHost(): Host {
  return { bootId: bootId(), pid: process.pid, start: startTimeOf(process.pid) ?? 0 };
}
