import { cpus } from 'node:os';
import { command } from './command.ts';
import type { Peer } from './peer.ts';

/** Real-time priority of --alone, and the processor. */
export const PRIORITY = '5';
const CPU = String(cpus().length - 1);

/** Words before a program that is to have the last processor for itself and the server that it asks. */
export const ALONE: readonly string[] = ['chrt', '-f', PRIORITY, 'taskset', '-c', CPU];

/** Gives the threads of a server that answer real-time priority on the last processor. */
export function isolate(peer: Pick<Peer, 'pid' | 'threads'>): void {
  const all = peer.threads === undefined ? ['-a'] : [];
  for (const thread of peer.threads ?? [peer.pid]) {
    command('chrt', [...all, '-f', '-p', PRIORITY, String(thread)]);
    command('taskset', [...all, '-c', '-p', CPU, String(thread)]);
  }
}
