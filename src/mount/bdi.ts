/** What the kernel lets root choose for the memory of one mount, its backing device info: /sys/class/bdi (sysfs-class-bdi). */
import { writeFileSync } from 'node:fs';
import { setIoFlusher } from '../system/libc.ts';
import type { Tell } from '../system/log.ts';
import { deviceOfMount, type MountDevice } from './mountinfo.ts';
import type { MountOptions } from './options.ts';

/** As the options of the mount at `dir` say. */
export function tuneMemory(dir: string, { trustWriteback: trusted, readAhead }: MountOptions, tell: Tell): void {
  const device = trusted || readAhead > 0 ? deviceOfMount(dir) : undefined;
  if (device && trusted) trustWriteback(device);
  if (readAhead === 0 || (device && setBdi(device, 'read_ahead_kb', readAhead))) return;
  tell('warning', `read_ahead_kb=${readAhead} is for root, with a /sys that can be written; it stays as it was`, {
    dir,
  });
}

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
 * Root only.
 */
function trustWriteback(device: MountDevice): void {
  setIoFlusher();
  // strict_limit: Linux 6.2
  if (setBdi(device, 'strict_limit', 0)) setBdi(device, 'max_ratio', 100);
}

/** False where the kernel has no such attribute, or it may not be written. */
function setBdi({ major, minor }: MountDevice, attribute: string, value: number): boolean {
  try {
    writeFileSync(`/sys/class/bdi/${major}:${minor}/${attribute}`, String(value));
    return true;
  } catch {
    return false;
  }
}
