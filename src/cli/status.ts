import { readFile, statfs } from 'node:fs/promises';
import type { Command } from './command.ts';
import { CommandError, EXIT } from './exit.ts';
import { daemonOf, layoutfsMounts, type Mount, mountAt } from './mounts.ts';
import { bytes, print, printJson } from './output.ts';
import { controlPath } from './session.ts';

/** ms that a mount has to answer: one that hangs must not hang its status as well. */
const PATIENCE = 5000;

/** How `.layout/version` begins a line about something that is missing. */
const LACKS = 'lacks ';

interface Space {
  size: number;
  used: number;
  free: number;
  inodes: number;
  inodesFree: number;
}

interface Status {
  dir: string;
  image: string;
  /** Process of the daemon; null where it can not be seen. */
  daemon: number | null;
  connection: number;
  options: string;
  answers: boolean;
  space: Space | null;
  /** `.layout/version`, line by line. */
  version: string[];
  /** What the mount can not do for want of rights, why, and what happens instead. */
  lacks: string[];
  /** Live leases, as listed by `.layout/leases`; null without a control directory. */
  leases: number | null;
}

export const status: Command = {
  name: 'status',
  summary: 'what a mount is, who serves it, how full it is, how many leases it has',
  usage: '[DIR]',
  about: 'Without DIR: of all layoutfs mounts.',
  options: {},
  positionals: [0, 1],
  examples: ['layoutfs status /mnt', 'layoutfs status --json'],
  async run({ positionals, json }) {
    const mounts = positionals[0] === undefined ? layoutfsMounts() : [mountAt(positionals[0])];
    const all = await Promise.all(mounts.map(statusOf));
    if (json) printJson(positionals[0] === undefined ? all : all[0]);
    else if (all.length === 0) print('no layoutfs is mounted');
    else print(all.map(describe).join('\n\n'));
    if (all.every((each) => each.answers)) return EXIT.ok;
    // A call that the mount never answers would keep this process from its end.
    setImmediate(() => process.exit(EXIT.unmounted));
    return EXIT.unmounted;
  },
};

async function statusOf(mount: Mount): Promise<Status> {
  const found: Status = {
    dir: mount.dir,
    image: mount.source,
    daemon: daemonOf(mount) ?? null,
    connection: mount.connection,
    options: mount.options,
    answers: false,
    space: null,
    version: [],
    lacks: [],
    leases: null,
  };
  try {
    const fs = await inTime(statfs(mount.dir));
    found.space = {
      size: fs.blocks * fs.bsize,
      used: (fs.blocks - fs.bfree) * fs.bsize,
      free: fs.bavail * fs.bsize,
      inodes: fs.files,
      inodesFree: fs.ffree,
    };
    found.answers = true;
    const version = lines(await inTime(readFile(controlPath(mount, 'version'), 'utf8').catch(() => '')));
    found.version = version.filter((line) => !line.startsWith(LACKS));
    found.lacks = version.filter((line) => line.startsWith(LACKS)).map((line) => line.slice(LACKS.length));
    const leases = await inTime(readFile(controlPath(mount, 'leases'), 'utf8').catch(() => undefined));
    found.leases = leases === undefined ? null : lines(leases).filter((line) => /^\s*\d/.test(line)).length;
  } catch {
    found.answers = false;
  }
  return found;
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

async function inTime<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new CommandError('no answer', EXIT.unmounted, 'ENOTCONN')), PATIENCE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function describe(status: Status): string {
  const { space } = status;
  const rows: [string, string][] = [
    ['mounted at', status.dir],
    ['volume', status.image],
    [
      'daemon',
      status.answers ? `process ${status.daemon ?? 'unknown'}` : 'does not answer; see docs/troubleshooting.md',
    ],
    ['connection', `/sys/fs/fuse/connections/${status.connection}`],
    ['options', status.options],
  ];
  if (space !== null) {
    rows.push(['space', `${bytes(space.used)} used, ${bytes(space.free)} free of ${bytes(space.size)}`]);
    rows.push(['inodes', `${space.inodes - space.inodesFree} used of ${space.inodes}`]);
  }
  if (status.leases !== null) rows.push(['leases', String(status.leases)]);
  for (const line of status.version) rows.push(['control', line]);
  for (const line of status.lacks) rows.push(['lacks', line]);
  return rows.map(([name, value]) => `${`${name}:`.padEnd(12)}${value}`).join('\n');
}
