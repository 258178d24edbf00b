import { type SpawnOptions, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { DAEMON_ENVIRONMENT } from '../mount/inheritance.ts';
import { EXIT } from './exit.ts';
import type { Failure } from './report.ts';

/**
 * A daemon in the background says through a pipe when its mount is ready, or why there will be none: descriptor number
 * in the environment, one JSON object on a line. The same way serves supervisors and tests that start it with -f.
 */
const VARIABLE = 'LAYOUTFS_READY_FD';

export type Readiness = { ok: true; pid: number } | ({ ok: false } & Failure);

/** The descriptor on which somebody waits for the word, for whoever passes it on; -1 for none. */
export function readinessFd(): number {
  const fd = Number(process.env[VARIABLE] ?? Number.NaN);
  return Number.isInteger(fd) && fd >= 3 ? fd : -1;
}

/** Tells whoever started this process. Does nothing where nobody asked, or from the second time on. */
export function tellReadiness(state: Readiness): void {
  const fd = Number(process.env[VARIABLE] ?? Number.NaN);
  delete process.env[VARIABLE];
  if (!Number.isInteger(fd) || fd < 3) return;
  try {
    writeSync(fd, `${JSON.stringify(state)}\n`);
    closeSync(fd);
  } catch {
    // whoever asked has gone
  }
}

/**
 * Starts `layoutfs ARGS` in a session of its own and waits for its word. Messages go to the end of `log`.
 * Gives what it said; a daemon that ends without a word is a failure with the end of the log.
 */
export async function startInBackground(args: readonly string[], log: string): Promise<Readiness> {
  const launcher = fileURLToPath(new URL('../../bin/layoutfs.mjs', import.meta.url));
  const logFd = openSync(log, 'a', 0o600);
  const logStart = fstatSync(logFd).size;
  const options: SpawnOptions = {
    detached: true,
    stdio: ['ignore', logFd, logFd, 'pipe'],
    env: { ...DAEMON_ENVIRONMENT, ...process.env, [VARIABLE]: '3' },
    cwd: '/',
  };
  const child = spawn(process.execPath, [launcher, ...args], options);
  closeSync(logFd);
  const pipe = child.stdio[3] as Readable;
  const said = await new Promise<string>((resolve) => {
    let text = '';
    const done = (): void => resolve(text);
    pipe.on('data', (part: Buffer) => {
      text += part;
      if (text.includes('\n')) done();
    });
    pipe.on('close', done);
    child.on('error', done);
  });
  pipe.destroy();
  child.unref();
  if (said !== '') return JSON.parse(said) as Readiness;
  const messages = readFileSync(log).subarray(logStart).toString('utf8').trim().split('\n').slice(-5).join('\n');
  const message = `the daemon ended before the mount was ready${messages === '' ? '' : `:\n${messages}`}`;
  return { ok: false, exit: EXIT.failed, errno: undefined, message };
}
