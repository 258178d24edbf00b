import { readFile } from 'node:fs/promises';
import type { Command } from './command.ts';
import { CommandError, EXIT, usageError } from './exit.ts';
import { type Mount, mountAt } from './mounts.ts';
import { print, printJson } from './output.ts';
import { screen } from './screen.ts';
import { controlPath } from './session.ts';
import { parseSamples, readTables } from './tables.ts';
import { rates, type Snapshot, topText } from './top-text.ts';
import { onlyMount } from './verb.ts';

/** ms that a mount has to answer. */
const PATIENCE = 5000;

export const top: Command = {
  name: 'top',
  summary: 'requests, holders, waiters and recalls of a mount, live',
  usage: '[DIR] [--interval SECONDS] [--once]',
  about:
    'A view of the whole terminal that is drawn anew in place; q or Ctrl-C ends it. With --once one text, for scripts.',
  options: {
    interval: { type: 'string', value: 'SECONDS', help: 'between two looks (default 1)' },
    once: { type: 'boolean', help: 'print one view, of one interval, and end' },
  },
  positionals: [0, 1],
  examples: ['layoutfs top', 'layoutfs top /mnt --once', 'layoutfs top /mnt --once --json'],
  async run({ options, positionals, json }) {
    const mount = positionals[0] === undefined ? onlyMount() : mountAt(positionals[0]);
    const seconds = options.interval === undefined ? 1 : Number(options.interval);
    if (!(seconds >= 0.05 && seconds <= 3600)) throw usageError('--interval: from 0.05 to 3600 seconds');
    if (options.once === true || json || !process.stdout.isTTY) return once(mount, seconds * 1000, json);
    return live(mount, seconds * 1000);
  },
};

async function snapshot(mount: Mount): Promise<Snapshot> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new CommandError(`${mount.dir} does not answer`, EXIT.unmounted, 'ENOTCONN');
    timer = setTimeout(() => reject(error), PATIENCE);
  });
  try {
    const all = Promise.all([readFile(controlPath(mount, 'stats'), 'utf8'), readTables(mount)]);
    const [stats, tables] = await Promise.race([all, late]);
    return { at: performance.now(), samples: parseSamples(stats), ...tables };
  } finally {
    clearTimeout(timer);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function once(mount: Mount, interval: number, json: boolean): Promise<number> {
  const before = await snapshot(mount);
  await pause(interval);
  const now = await snapshot(mount);
  const { columns, color } = screen();
  const view = rates(before, now);
  if (json) printJson({ dir: mount.dir, image: mount.source, ...view, leases: now.leases, waiters: now.waiters });
  else print(topText(mount.dir, view, now, { columns, rows: Number.POSITIVE_INFINITY, color }).join('\n'));
  return EXIT.ok;
}

async function live(mount: Mount, interval: number): Promise<number> {
  let ended = false;
  let wake = (): void => {};
  const end = (): void => {
    ended = true;
    wake();
  };
  const { stdin, stdout } = process;
  const key = (bytes: Buffer): void => {
    if (bytes.includes('q') || bytes.includes(3)) end();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, end);
  const redraw = (): void => wake();
  stdout.on('resize', redraw);
  if (stdin.isTTY) stdin.setRawMode(true).on('data', key).resume();
  stdout.write('\x1b[?1049h\x1b[?25l');
  try {
    let before = await snapshot(mount);
    let now = before;
    while (!ended) {
      const { columns, rows, color } = screen();
      const lines = topText(mount.dir, rates(before, now), now, { columns, rows: rows - 1, color });
      // Line by line over the old picture, and the rest cleared: nothing flickers.
      stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\n')}\x1b[J`);
      await Promise.race([pause(interval), new Promise<void>((resolve) => (wake = resolve))]);
      if (ended) break;
      before = now;
      now = await snapshot(mount);
    }
    return EXIT.ok;
  } finally {
    stdout.write('\x1b[?25h\x1b[?1049l');
    stdout.off('resize', redraw);
    if (stdin.isTTY) stdin.off('data', key).setRawMode(false).pause();
  }
}
