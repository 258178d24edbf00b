import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Threads of a process that are in read(2) of /dev/fuse (proc(5): syscall). */
export function readers(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .filter((thread) => {
      const [number, fd] = readFileSync(`/proc/${pid}/task/${thread}/syscall`, 'utf8').split(' ');
      return number === '0' && readlinkSync(`/proc/${pid}/fd/${Number(fd)}`) === '/dev/fuse';
    });
}
