import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ageing } from './ageing.ts';
import { build } from './build.ts';
import { conflictCheck } from './conflict.ts';
import { benchDirect } from './direct.ts';
import { Growths } from './growth.ts';
import { ALONE, isolate } from './isolate.ts';
import { measureLeases, windows } from './leases.ts';
import { markdown } from './markdown.ts';
import { allRoundsOf, measureRow, type Plan, prepareData } from './measure.ts';
import type { Peer, PeerMaker } from './peer.ts';
import { bare, fuse2fs, fuse2fsLoose, fuseNative, ntfs3g, ntfs3gLoose, onefile } from './peers/fuse.ts';
import { ext4, xfs } from './peers/kernel.ts';
import { layoutfs } from './peers/layoutfs.ts';
import { machine, type Results } from './results.ts';
import { benchRevoke } from './revoke.ts';
import { ROWS, type Row } from './rows.ts';
import { Runs } from './runs.ts';
import { svg } from './svg.ts';
import { secondThread } from './threads.ts';
import { sourceTree } from './tree.ts';
import { Undo } from './undo.ts';

const PEERS: readonly PeerMaker[] = [
  layoutfs,
  onefile,
  fuse2fs,
  ntfs3g,
  fuseNative,
  fuse2fsLoose,
  ntfs3gLoose,
  ext4,
  xfs,
  bare,
];
const USAGE = `npm run bench -- [ROW…] [--quick] [--alone] [--peers NAME,…] [--rounds N] [--dir DIR] [--out DIR]

Measures this filesystem and its peers side by side and writes results.json, results.md and results.svg.
ROW: only these (${ROWS.map((row) => row.name).join(' ')} leases; on volumes of their own: conflict extents entries
     files many-leases sequential threads ageing); or, alone: direct (fio on the windows), revoke (how
     long a revoked holder still reaches a window).
--quick  under three minutes: short measurements, no cold rows, nothing that needs a million of anything.   --dir  where the volumes are made; default: temp folder.
--alone  servers and load at real-time priority and on one processor (root): on a machine with other work, the ratios
         hold where they would drown otherwise; the other processors stay with the others.
--out    where the results go; default: tools/bench; nothing is written there when only some rows or peers are measured,
         unless --out is given.`;
const VOLUME_BYTES = 2 * 2 ** 30;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean' },
      alone: { type: 'boolean' },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      dir: { type: 'string' },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const wanted = values.peers?.split(',');
  const makers = PEERS.filter((peer) => !wanted || wanted.includes(peer.name));
  const rows = ROWS.filter((row) =>
    positionals.length ? positionals.includes(row.name) : !(values.quick && row.slow),
  );
  const parts = PARTS.filter((part) =>
    positionals.length ? positionals.includes(part.name) : !wanted && !(values.quick && part.slow),
  );
  const known = [...ROWS, ...PARTS].map(({ name }) => name).concat('leases', 'direct', 'revoke');
  if (makers.length === 0 || positionals.some((name) => !known.includes(name))) {
    console.error(USAGE);
    return 2;
  }
  const runs = new Runs();
  const say = (line: string): void => {
    runs.end();
    process.stderr.write(`${line}\n`);
  };
  if (positionals[0] === 'direct') {
    const rounds = Math.max(1, Number(values.rounds ?? (values.quick ? 3 : 7)));
    const size = 64 * 2 ** 20;
    console.log(await benchDirect({ rounds, size, duration: values.quick ? 300 : 1500, dir: values.dir, say, runs }));
    return 0;
  }
  if (positionals[0] === 'revoke') {
    const rounds = Math.max(1, Number(values.rounds ?? (values.quick ? 5 : 15)));
    console.log(await benchRevoke({ rounds, alone: values.alone === true, dir: values.dir, say, runs }));
    return 0;
  }
  const undo = new Undo();
  undo.onSignals(() => runs.end());
  try {
    const folder = mkdtempSync(join(values.dir ?? tmpdir(), 'layoutfs-bench-'));
    undo.add(() => rmSync(folder, { recursive: true, force: true }));
    const tree = sourceTree(folder);
    process.env.TREE = tree.path;
    const plan: Plan = {
      tree,
      load: build('load'),
      rounds: Math.max(1, Number(values.rounds ?? (values.quick ? 3 : 5))),
      duration: values.quick ? 100 : 300,
      patience: values.quick ? 0.5 : 1,
      size: (values.quick ? 64 : 256) * 2 ** 20,
      prefix: values.alone ? ALONE : [],
      say,
    };
    const only = positionals.length > 0 && rows.length === 0 && !positionals.includes('leases');
    const results = await bench(
      only ? [] : makers,
      rows,
      plan,
      folder,
      undo,
      positionals.length === 0 || positionals.includes('leases'),
      runs,
    );
    runs.end();
    if (values.quick && positionals.length === 0) {
      const left = [...ROWS, ...PARTS].filter((row) => row.slow).map(({ name }) => name);
      results.skipped.push({ name: left.join(', '), why: 'left out by --quick' });
    }
    const complete = !wanted && positionals.length === 0;
    const out = values.out ?? (complete ? import.meta.dirname : undefined);
    write(results, out);
    for (const [place, part] of parts.entries()) {
      plan.say(`[${place + 1}/${parts.length}] ${part.name}`);
      await single(part, results, plan, folder, undo);
      write(results, out);
    }
    console.log(markdown(results));
    return 0;
  } finally {
    runs.end();
    undo.all();
  }
}

interface Part {
  name: string;
  slow?: boolean;
  run: (at: At) => Promise<void>;
}

/** What is measured on volumes of its own, after the rows. */
const PARTS: readonly Part[] = [
  { name: 'conflict', run: async ({ results, folder }) => void results.facts.push(await conflictCheck(folder)) },
  { name: 'extents', slow: true, run: ({ growths }) => growths.extents() },
  { name: 'entries', slow: true, run: ({ growths }) => growths.entries() },
  { name: 'files', slow: true, run: ({ growths }) => growths.files() },
  { name: 'many-leases', slow: true, run: ({ growths }) => growths.leases() },
  { name: 'sequential', slow: true, run: ({ growths }) => growths.sequential() },
  {
    name: 'threads',
    slow: true,
    run: async ({ results, plan, folder, undo }) =>
      void results.facts.push(...(await secondThread(plan, folder, undo))),
  },
  {
    name: 'ageing',
    slow: true,
    run: async ({ results, plan, folder, undo }) => void results.facts.push(...(await ageing(plan, folder, undo))),
  },
];

interface At {
  results: Results;
  plan: Plan;
  folder: string;
  undo: Undo;
  growths: Growths;
}

async function single({ name, run }: Part, results: Results, plan: Plan, folder: string, undo: Undo): Promise<void> {
  const home = join(folder, `part-${name}`);
  mkdirSync(home);
  const mine = new Undo();
  const stop = undo.add(() => mine.all());
  const growths = new Growths(plan, home, mine);
  try {
    await run({ results, plan, folder: home, undo: mine, growths });
  } catch (error) {
    const why = (error as Error).message.split('\n')[0]?.replaceAll(home, '') ?? '';
    plan.say(`  ${name}: ${why}`);
    results.skipped.push({ name, why });
  }
  results.growth?.push(...growths.rows);
  results.facts.push(...growths.facts);
  stop();
  rmSync(home, { recursive: true, force: true });
}

/** After each part, so that a run that is broken off leaves what it has. */
function write(results: Results, out: string | undefined): void {
  if (out === undefined) return;
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'results.json'), `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(join(out, 'results.md'), markdown(results));
  writeFileSync(join(out, 'results.svg'), svg(results));
}

function does({ name, only }: Peer, { on, mode, among, without }: Row): boolean {
  if (without?.includes(name) || (among && !among.includes(name))) return false;
  return only === undefined || (only === 'mapped' ? mode.startsWith('mmap') : on !== 'data');
}

async function bench(
  makers: readonly PeerMaker[],
  rows: readonly (typeof ROWS)[number][],
  plan: Plan,
  folder: string,
  undo: Undo,
  leases: boolean,
  runs: Runs,
): Promise<Results> {
  const results: Results = {
    date: new Date().toISOString(),
    machine: machine(),
    rounds: plan.rounds,
    duration: plan.duration,
    size: plan.size,
    peers: [],
    skipped: [],
    rows: [],
    growth: [],
    facts: [],
  };
  const peers: Peer[] = [];
  for (const maker of makers) {
    const home = join(folder, maker.name);
    mkdirSync(home);
    const mine = new Undo();
    const stop = undo.add(() => mine.all());
    try {
      const peer = await maker.start(home, mine, VOLUME_BYTES, plan.prefix.length > 0);
      if (plan.prefix.length > 0 && peer.pid !== undefined) isolate(peer);
      await prepareData(peer, plan);
      peers.push(peer);
      results.peers.push({ name: peer.name, about: peer.about });
    } catch (error) {
      stop();
      const why = (error as Error).message.split('\n')[0].replaceAll(folder, '');
      plan.say(`${maker.name} is skipped: ${why}`);
      results.skipped.push({ name: maker.name, why });
    }
  }
  const mount = peers.find((peer) => peer.name === layoutfs.name);
  if (mount && rows.some((row) => row.mode.startsWith('mmap'))) {
    try {
      const both = windows(mount, plan.size, undo);
      peers.push(...both);
      results.peers.push(...both.map(({ name, about }) => ({ name, about })));
    } catch (error) {
      results.skipped.push({ name: 'device window, guarded window', why: (error as Error).message });
    }
  }
  const able = (row: Row): Peer[] => peers.filter((peer) => does(peer, row));
  for (const row of rows) runs.expect(allRoundsOf(row, plan), able(row).length);
  for (const [place, row] of rows.entries()) {
    plan.say(`[${place + 1}/${rows.length}] ${row.title}`);
    const samples = await measureRow(row, able(row), plan, runs);
    results.rows.push({
      name: row.name,
      title: row.title,
      unit: row.unit,
      bars: row.bars ?? [],
      cpuBar: row.cpu,
      atMost: row.atMost,
      samples,
    });
  }
  if (mount && leases) results.leases = measureLeases(mount, plan);
  return results;
}

try {
  process.exitCode = await main();
} catch (error) {
  // Ctrl-C ends the program that was measured, too: its failure is no news then.
  await new Promise(setImmediate);
  throw error;
}
