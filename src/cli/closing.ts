import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { layoutfsMounts, lockOwner } from './mounts.ts';

/** ms that a daemon without a mount is waited for: it may have a large cache to sync. */
const CLOSING_MS = 60_000;
/** ms between two looks. */
const LOOK_MS = 20;

/**
 * umount(8) comes back before the daemon has closed its volume, and scripts mount, check or make it again at once. So
 * wait for a daemon that serves no mount any more. Whoever else has the volume in use is not waited for: what is
 * tried next says who that is.
 */
export async function untilClosed(image: string): Promise<void> {
  const until = Date.now() + CLOSING_MS;
  while (Date.now() < until) {
    const owner = lockOwner(image);
    if (owner === undefined || !servesMounts(owner)) return;
    if (layoutfsMounts().some((mount) => mount.source === image)) return;
    await sleep(LOOK_MS);
  }
}

/** Whether the process was started as a daemon (background.ts); one whose number the lock does not tell may be. */
function servesMounts(pid: number): boolean {
  if (pid === 0) return true;
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.includes('mount') || words.includes('start');
  } catch {
    return false;
  }
}
