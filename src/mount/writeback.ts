import { writeFileSync } from 'node:fs';
import { setIoFlusher } from '../system/libc.ts';
import { deviceOfMount } from './mountinfo.ts';

/**
 * Lets shared mappings of the mount dirty as much memory as those of any other filesystem.
 *
 * The kernel does not trust a FUSE server to write pages back: it holds each mount to 1 % of the dirty memory
 * (`strict_limit`, `max_ratio` of its backing device info) and makes whoever stores into a mapping wait for the server
 * long before the host is short of anything. Measured: random stores into a guarded window of 64 MiB cost 25 µs with
 * those limits, and without them 1.9 µs, as on ext4. The limits of the host as a whole stay in force; and where
 * CAP_SYS_RESOURCE is to be had this thread is marked as one that writes pages back (PR_SET_IO_FLUSHER), so that it is
 * held only to the limits of the device below; without it it may be slowed down with the others, for 200 ms at a time.
 *
 * Root only; says whether it was done.
 */
export function trustWriteback(dir: string): boolean {
  const device = deviceOfMount(dir);
  if (device === undefined) return false;
  setIoFlusher();
  const bdi = `/sys/class/bdi/${device.major}:${device.minor}`;
  try {
    writeFileSync(`${bdi}/strict_limit`, '0');
    writeFileSync(`${bdi}/max_ratio`, '100');
    return true;
  } catch {
    return false; // Linux before 6.2, or /sys is read-only
  }
}
