import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Every mount that a test makes is written down here before it is made, so that whatever happens to the test, somebody
 * else can clean up after it: the end of the vitest run, `npm test`, or the next run.
 */
export interface Entry {
  /** The temp folder that holds everything of this mount. */
  root: string;
  dir: string;
  /** Process ids with their start times: a number alone may belong to a stranger by now. */
  daemon?: ProcessId;
  owner: ProcessId;
  run: string;
}

export interface ProcessId {
  pid: number;
  start: string;
}

const folder = process.env.LAYOUTFS_TEST_REGISTRY ?? join(tmpdir(), 'layoutfs-test-registry');

/** Identifies this run of the tests; set by the vitest configuration's global set-up for all workers. */
export function runId(): string {
  return process.env.LAYOUTFS_TEST_RUN ?? `alone-${process.pid}`;
}

export function register(name: string, entry: Entry): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), JSON.stringify(entry));
}

export function unregister(name: string): void {
  rmSync(join(folder, name), { force: true });
}

export function entries(): Map<string, Entry> {
  const found = new Map<string, Entry>();
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch {
    return found;
  }
  for (const name of names) {
    try {
      found.set(name, JSON.parse(readFileSync(join(folder, name), 'utf8')) as Entry);
    } catch {
      // being written or removed by its owner at this moment
    }
  }
  return found;
}

/** The process id with its start time (proc(5), stat field 22), undefined when there is no such process. */
export function identify(pid: number): ProcessId | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { pid, start: fields[19] as string };
  } catch {
    return undefined;
  }
}

export function alive(id: ProcessId): boolean {
  return identify(id.pid)?.start === id.start;
}

/** Sends a signal to exactly this process. */
export function signal(id: ProcessId, name: NodeJS.Signals): void {
  if (!alive(id)) return;
  try {
    process.kill(id.pid, name);
  } catch {
    // it ended between the two lines
  }
}
