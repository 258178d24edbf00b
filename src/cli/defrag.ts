import { lstatSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { LayoutError, type Session } from '../client/index.ts';
import type { Command } from './command.ts';
import { EXIT } from './exit.ts';
import { mountOf } from './mounts.ts';
import { interrupted } from './move.ts';
import { print, printJson } from './output.ts';
import { interruptible, Progress } from './progress.ts';
import { bytesOfArgument } from './raw-arguments.ts';
import { openSession } from './session.ts';

interface Outcome {
  path: string;
  /** Places of the device that it lay in, and lies in now. */
  before: number;
  after: number;
  /** Why it was left as it is. */
  left?: string;
}

/** Extents that one answer lists; a file that has more is worth its move anyhow. */
const LIMIT = 10_000;

export const defrag: Command = {
  name: 'defrag',
  summary: 'make files contiguous that lie in several places',
  usage: 'PATH … [--places N]',
  about:
    'PATH is a file, or a directory with all that is in it. A file that lies in at least N places (2 if not given) is moved to one\n' +
    'place, where there is one that is large enough. Leases are not disturbed: a file whose holder would have to be asked is left\n' +
    'as it is, and told. Ctrl-C ends between two files.',
  options: { places: { type: 'string', value: 'N', help: 'leave files alone that lie in fewer (default 2)' } },
  positionals: [1, Number.POSITIVE_INFINITY],
  examples: ['layoutfs defrag /mnt/db', 'layoutfs defrag /mnt/a /mnt/b --places 8 --json'],
  run: ({ positionals, options, json }) =>
    interruptible(async (signal) => {
      const least = Math.max(2, Number(options.places ?? 2) || 2);
      const progress = new Progress({ label: 'defrag', unit: 'bytes' });
      const all: Outcome[] = [];
      let files = 0;
      try {
        for (const place of positionals) {
          const { mount } = mountOf(place);
          await using session = await openSession(mount);
          const found = [...regularFiles(place)];
          const total = found.reduce((sum, { bytes }) => sum + bytes, 0);
          let done = 0;
          for (const { path, bytes } of found) {
            if (signal.aborted) throw interrupted(`${all.length} files were moved`);
            progress.update(done, total, relative(place, path) || path);
            const outcome = await one(session, path, least);
            if (outcome !== undefined) all.push(outcome);
            files++;
            done += bytes;
          }
        }
      } finally {
        progress.end();
      }
      const moved = all.filter(({ left }) => left === undefined);
      if (json) printJson({ ok: true, files, moved: moved.length, left: all.length - moved.length, outcomes: all });
      else {
        for (const { path, before, after, left } of all)
          print(`${path}: ${left === undefined ? `${before} places, now ${after}` : `left as it is: ${left}`}`);
        print(`${files} files, ${moved.length} moved, ${all.length - moved.length} left`);
      }
      return EXIT.ok;
    }),
};

/** Undefined for one that lies well. */
async function one(session: Session, path: string, least: number): Promise<Outcome | undefined> {
  const file = { path: bytesOfArgument(mountOf(path).inside) };
  const places = async (): Promise<number> => {
    const { extents } = await session.request('map', { ...file, limit: LIMIT });
    return placesOf(extents);
  };
  const before = await places();
  if (before < least) return undefined;
  try {
    // A relocate would begin a recall, even if it did not wait for its end.
    const { answer, blockers } = await session.request('why', { ...file, operation: 'relocate' });
    if (answer !== 'allowed') {
      const { holder, lease } = blockers[0] ?? {};
      const who = holder === undefined ? 'somebody' : `${holder.pid} (${holder.command})`;
      return { path, before, after: before, left: `lease ${lease ?? '?'} of ${who}` };
    }
    await session.request('relocate', { ...file, contiguous: true });
    return { path, before, after: await places() };
  } catch (error) {
    if (!(error instanceof LayoutError)) throw error;
    return { path, before, after: before, left: error.message };
  }
}

/** Extents that follow each other on the device count as one, whatever their state. */
export function placesOf(extents: readonly { device: number | null; length: number }[]): number {
  let places = 0;
  let end: number | null = null;
  for (const { device, length } of extents) {
    if (device === null) continue;
    if (device !== end) places++;
    end = device + length;
  }
  return places;
}

function* regularFiles(path: string): Generator<{ path: string; bytes: number }> {
  const stat = lstatSync(path);
  if (stat.isFile()) yield { path, bytes: stat.size };
  if (!stat.isDirectory()) return;
  for (const name of readdirSync(path).sort()) yield* regularFiles(join(path, name));
}
