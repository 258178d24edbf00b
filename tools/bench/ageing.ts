import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import SQLite from 'better-sqlite3';
import { build } from './build.ts';
import { command } from './command.ts';
import { isolate } from './isolate.ts';
import { type Plan, runLoad } from './measure.ts';
import { ext4, xfs } from './peers/kernel.ts';
import { make, mount } from './peers/layoutfs.ts';
import type { Fact } from './results.ts';
import { Undo } from './undo.ts';

const VOLUME = 512 * 2 ** 20;
/** Files that come (grow-build.c: age); they write about five times the volume. */
const FILES = 8000;
const LONGEST = 600_000;

interface Extents {
  files: number;
  extents: number;
}

/** Of a volume that is not mounted: its files with blocks, and their extents. */
export function extentsOf(image: string): Extents {
  const database = new SQLite(`${image}.meta`, { readonly: true });
  try {
    return database.prepare('SELECT count(DISTINCT ino) AS files, count(*) AS extents FROM extent').get() as Extents;
  } finally {
    database.close();
  }
}

/** By filefrag(8), of all files of a folder. */
function filefrag(dir: string): Extents {
  const paths = readdirSync(dir).map((name) => join(dir, name));
  const counts = command('filefrag', paths, LONGEST).matchAll(/: (\d+) extents? found/g);
  let files = 0;
  let extents = 0;
  for (const [, count] of counts) {
    if (count === '0') continue;
    files++;
    extents += Number(count);
  }
  return { files, extents };
}

/** The same years of use on this filesystem, ext4 and XFS: into how many extents a file has fallen. */
export async function ageing(plan: Plan, folder: string, undo: Undo): Promise<Fact[]> {
  const grow = build('grow');
  const facts: Fact[] = [];
  const told = (name: string, { files, extents }: Extents, seconds: number): void => {
    const note = `${extents} in ${files} files, ${seconds.toFixed(1)} s`;
    facts.push({ title: `extents of a file after ageing, ${name}`, value: extents / files, unit: '', note });
  };
  const age = async (dir: string): Promise<number> => {
    const { nanoseconds } = await runLoad([...plan.prefix, grow], ['age', dir, '-n', String(FILES)], LONGEST);
    return nanoseconds / 1e9;
  };

  const image = join(folder, 'aged');
  make(image, VOLUME);
  const at = await mount(image, join(folder, 'aged-mnt'), undo);
  if (plan.prefix.length > 0) isolate({ pid: at.pid, threads: [at.pid] });
  const dir = join(at.dir, 'files');
  mkdirSync(dir);
  const seconds = await age(dir);
  await at.stop();
  told('layoutfs', extentsOf(image), seconds);

  for (const maker of [ext4, xfs]) {
    const home = join(folder, `aged-${maker.name}`);
    mkdirSync(home);
    const mine = new Undo();
    const done = undo.add(() => mine.all());
    try {
      const peer = await maker.start(home, mine, VOLUME);
      const place = join(peer.dir as string, 'files');
      mkdirSync(place);
      const taken = await age(place);
      command('sync', ['-f', place]);
      told(maker.name, filefrag(place), taken);
    } catch (error) {
      plan.say(`ageing: ${maker.name}: ${(error as Error).message}`);
    }
    done();
  }
  return facts;
}
