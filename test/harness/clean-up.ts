import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { alive, type Entry, entries, runId, signal, unregister } from './registry.ts';

/** Number of the FUSE connection of a mount point, from mountinfo: a stat() of a hung mount would hang as well. */
export function connectionOf(dir: string): number | undefined {
  for (const mount of mounts()) if (mount.dir === dir) return mount.minor;
  return undefined;
}

export interface MountLine {
  minor: number;
  dir: string;
  type: string;
  source: string;
  options: string;
}

/** All mounts of this mount namespace, the newest last. */
export function mounts(): MountLine[] {
  const lines: MountLine[] = [];
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const fields = line.split(' ');
    const dash = fields.indexOf('-');
    if (dash < 0) continue;
    lines.push({
      minor: Number((fields[2] as string).split(':')[1]),
      dir: unquote(fields[4] as string),
      options: fields[5] as string,
      type: fields[dash + 1] as string,
      source: unquote(fields[dash + 2] as string),
    });
  }
  return lines;
}

/** mountinfo writes blanks, tabs, line ends and backslashes as octal. */
function unquote(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/**
 * Frees everybody who waits on the mount at `dir`: all their calls fail with ENOTCONN. By MNT_FORCE, because the control
 * files of fusectl are not mounted everywhere; -c, because the path of a hung mount can not be looked up.
 */
export function abortConnection(dir: string): void {
  if (connectionOf(dir) !== undefined) umount('-c', '-f', '-l', dir);
}

export function lazyUnmount(dir: string): void {
  for (let i = 0; i < 8 && connectionOf(dir) !== undefined; i++) if (!umount('-c', '-l', dir)) return;
}

function umount(...args: string[]): boolean {
  try {
    execFileSync('umount', args, { stdio: 'ignore', timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

/** Takes away everything of one mount, in the order that can not hang: abort, unmount, kill, remove. */
export function cleanUp(name: string, entry: Entry): void {
  abortConnection(entry.dir);
  lazyUnmount(entry.dir);
  if (entry.daemon !== undefined) signal(entry.daemon, 'SIGKILL');
  if (connectionOf(entry.dir) === undefined) rmSync(entry.root, { recursive: true, force: true });
  unregister(name);
}

/** Cleans up what this run left behind, and what runs left whose owners are dead. Gives the mount points found. */
export function sweep(): string[] {
  const found: string[] = [];
  for (const [name, entry] of entries()) {
    if (entry.run !== runId() && alive(entry.owner)) continue;
    if (connectionOf(entry.dir) !== undefined) found.push(entry.dir);
    cleanUp(name, entry);
  }
  return found;
}
