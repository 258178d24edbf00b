import { cpus } from 'node:os';
import { command } from './command.ts';
import type { Peer } from './peer.ts';

/** Real-time priority of --alone, and the processor. */
export const PRIORITY = '8';
const CPU = String(cpus().length - 1);

/** Words before a program that is to have the last processor for itself and the server that it asks. */
export const ALONE: readonly string[] = ['chrt', '-f', PRIORITY, 'taskset', '-c', CPU];

/**
 * Words before a server of Node.js, so that none of its threads waits for other work of the machine: the threads of V8 and
 * of libuv's pool have each its turn, behind the one that `isolate` puts before them.
 */
export const URGENT: readonly string[] = ['chrt', '-r', '1'];

/** Gives the threads of a server that answer real-time priority on the last processor. */
export function isolate(peer: Pick<Peer, 'pid' | 'threads'>): void {
  const all = peer.threads === undefined ? ['-a'] : [];
  for (const thread of peer.threads ?? [peer.pid]) {
    command('chrt', [...all, '-f', '-p', PRIORITY, String(thread)]);
    command('taskset', [...all, '-c', '-p', CPU, String(thread)]);
  }
}
