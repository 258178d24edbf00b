import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { command } from '../command.ts';
import type { Undo } from '../undo.ts';

/** How often it is looked whether the mount is there, ms. */
const LOOK = 10;

export function isMounted(dir: string): boolean {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[1] === dir);
}

/** Unmounts, at last lazily: a benchmark must not leave a mount behind. */
export function unmount(dir: string): void {
  for (let tries = 0; isMounted(dir) && tries < 20; tries++) {
    try {
      command('umount', [dir]);
    } catch {
      command('sleep', ['0.1']);
    }
  }
  if (isMounted(dir)) command('umount', ['-l', dir]);
}

/** Starts a FUSE server that stays in the foreground, and waits until it has mounted `dir`. */
export async function serve(program: string, args: readonly string[], dir: string, undo: Undo): Promise<ChildProcess> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (bytes) => {
    said = `${said}${bytes}`.slice(-2000);
  });
  let failed: string | undefined;
  child.on('error', (error) => {
    failed = error.message;
  });
  undo.add(() => {
    unmount(dir);
    if (child.exitCode === null && child.pid !== undefined) child.kill('SIGKILL');
  });
  for (let waited = 0; !isMounted(dir); waited += LOOK) {
    if (failed !== undefined || child.exitCode !== null || waited > 20_000) {
      throw new Error(`${program} did not mount: ${failed ?? said.trim()}`);
    }
    await sleep(LOOK);
  }
  return child;
}
