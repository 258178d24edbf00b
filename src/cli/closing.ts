import { readFileSync, statSync } from 'node:fs';
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
    if (owner === undefined || !isClosing(owner, image)) return;
    await sleep(LOOK_MS);
  }
}

/** Whether `pid` was started as a daemon (background.ts) and has no mount of the image, here or where it was mounted. */
function isClosing(pid: number, image: string): boolean {
  const where = pid === 0 ? 'self' : pid; // the lock does not tell every owner
  try {
    const words = pid === 0 ? ['mount'] : readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    if (!words.includes('mount') && !words.includes('start')) return false;
    return ![...layoutfsMounts(), ...layoutfsMounts(where)].some(({ source }) => isSame(source, image));
  } catch {
    return false; // it has ended, or is not ours to look at
  }
}

/** The image goes by another name where it was mounted through a symbolic link. */
function isSame(source: string, image: string): boolean {
  if (source === image) return true;
  const one = statSync(source, { throwIfNoEntry: false, bigint: true });
  const other = statSync(image, { throwIfNoEntry: false, bigint: true });
  return one !== undefined && one.dev === other?.dev && one.ino === other.ino;
}
