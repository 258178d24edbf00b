import { readSync, writeSync } from 'node:fs';
import { F, O } from '../system/constants.ts';
import { fcntl, sendFd } from '../system/libc.ts';
import { Handover } from './handover.ts';

/** Descriptors of a supervised daemon, in the order in which the supervisor passes them, from 3 on. */
export const INHERITED = { FUSE: 3, HANDOVER: 4, DEVICE: 5, DATABASE: 6, SUPERVISOR: 7, CHANNEL: 8, READY: 9 } as const;
/** In the environment of a supervised daemon. */
export const SUPERVISED = 'LAYOUTFS_SUPERVISED';
/** Its values: a descriptor of /dev/fuse comes with it, or is to be had by fusermount3 only. */
export const WITH_FUSE = '1';
export const WITHOUT_FUSE = '0';

/** What a daemon starts with, where the environment says nothing else. */
export const DAEMON_ENVIRONMENT = {
  // libuv's pool: an idle session waits in one of them; syncs of device, WAL and database must find others free.
  UV_THREADPOOL_SIZE: '8',
  // mallopt(3): one arena for the thread that answers, one for all others, which allocate seldom. By itself the GNU C library
  // makes one for each of them, and each keeps the most that its thread once needed: 40 MiB in a busy daemon.
  MALLOC_ARENA_MAX: '2',
} as const;

/** What a daemon gets from its supervisor. */
export interface Inheritance {
  /** Descriptor of /dev/fuse: not mounted yet, or of the connection to be taken over; undefined: none yet. */
  fuse: number | undefined;
  handover: Handover;
  /** Open and locked. */
  device: number;
  database: number;
  /** An earlier daemon has served the connection. */
  takeOver: boolean;
}

/** Whether this process was started by a supervisor. */
export function isSupervised(): boolean {
  return process.env[SUPERVISED] !== undefined;
}

/**
 * Waits until the supervisor wants this process to serve: it starts one in advance, because loading the program takes
 * longer than taking over. Undefined when there is nobody any more who could want it.
 */
export function awaitTurn(): Inheritance | undefined {
  const fuse = process.env[SUPERVISED] === WITH_FUSE ? INHERITED.FUSE : undefined;
  delete process.env[SUPERVISED];
  // Throws where the program has become another version: before anybody counts on this process.
  const handover = Handover.open(INHERITED.HANDOVER);
  tell(WORD.LOADED);
  const word = Buffer.alloc(1);
  if (readSync(INHERITED.SUPERVISOR, word, 0, 1, null) === 0) return undefined;
  // One that died in the middle of a blocking read has left it blocking.
  if (fuse !== undefined) fcntl(fuse, F.SETFL, fcntl(fuse, F.GETFL, 0) | O.NONBLOCK);
  return {
    fuse,
    handover,
    device: INHERITED.DEVICE,
    database: INHERITED.DATABASE,
    takeOver: word.toString('latin1') === WORD.TAKE_OVER,
  };
}

/** From the supervisor: begin to serve. To it: the program is loaded; the mount works (again). */
export const WORD = { START: 's', TAKE_OVER: 't', LOADED: '.', SERVING: '!' } as const;

/** Sends the supervisor the descriptor of the connection, where fusermount3 has opened it. */
export function sendFuse(fd: number): void {
  sendFd(INHERITED.CHANNEL, Buffer.from('f'), fd);
}

/** Tells the supervisor that the mount works. */
export function tellSupervisor(): void {
  tell(WORD.SERVING);
}

function tell(word: string): void {
  try {
    writeSync(INHERITED.SUPERVISOR, word);
  } catch {
    // it is gone: the mount goes on without one
  }
}
