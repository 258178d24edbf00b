import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Command } from './command.ts';
import { EXIT } from './exit.ts';
import { layoutfsMounts, type Mount, mountAt, serversOf } from './mounts.ts';
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
  /** Process that has another daemon take over when this one dies; null without one. */
  supervisor: number | null;
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
    return all.every((each) => each.answers) ? EXIT.ok : EXIT.unmounted;
  },
};

async function statusOf(mount: Mount): Promise<Status> {
  const answer = await ask(mount);
  const version = answer?.version ?? [];
  const { daemon, supervisor } = serversOf(mount);
  return {
    dir: mount.dir,
    image: mount.source,
    daemon: daemon ?? null,
    supervisor: supervisor ?? null,
    connection: mount.connection,
    options: mount.options,
    answers: answer !== undefined,
    space: answer?.space ?? null,
    version: version.filter((line) => !line.startsWith(LACKS)),
    lacks: version.filter((line) => line.startsWith(LACKS)).map((line) => line.slice(LACKS.length)),
    leases: answer?.leases?.filter((line) => /^\s*\d/.test(line)).length ?? null,
  };
}

interface Answer {
  space: Space;
  version: string[];
  leases: string[] | null;
}

/** Undefined where the mount does not answer in time, or with an error. Whoever asks may hang: nobody waits for it. */
async function ask(mount: Mount): Promise<Answer | undefined> {
  const probe = fileURLToPath(new URL('./status-probe.mjs', import.meta.url));
  const paths = [mount.dir, controlPath(mount, 'version'), controlPath(mount, 'leases')];
  const child = spawn(process.execPath, [probe, ...paths], { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE);
    child.stdout.on('data', (part: Buffer) => {
      text += part;
    });
    child.stdout.once('close', resolve);
    child.once('error', () => resolve());
  });
  clearTimeout(timer);
  child.kill('SIGKILL');
  child.stdout.destroy();
  child.unref();
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return undefined;
  }
}

function processes({ daemon, supervisor }: Status): string {
  return `process ${daemon ?? 'unknown'}, ${supervisor === null ? 'without a supervisor' : `supervisor ${supervisor}`}`;
}

function describe(status: Status): string {
  const { space } = status;
  const rows: [string, string][] = [
    ['mounted at', status.dir],
    ['volume', status.image],
    ['daemon', `${processes(status)}${status.answers ? '' : ': does not answer; see docs/troubleshooting.md'}`],
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
