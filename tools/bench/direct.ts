import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command } from './command.ts';
import { windows } from './leases.ts';
import type { Peer } from './peer.ts';
import { layoutfs } from './peers/layoutfs.ts';
import type { Runs } from './runs.ts';
import { median, ratio, spread } from './statistics.ts';
import { Undo } from './undo.ts';

/** fio's mmap engine, one process, 4 KiB at a time. */
const ROWS = [
  { title: 'sequential reads, warm', rw: 'read', cold: false },
  { title: 'random reads, warm', rw: 'randread', cold: false },
  { title: 'sequential writes, warm', rw: 'write', cold: false },
  { title: 'random writes, warm', rw: 'randwrite', cold: false },
  { title: 'sequential reads, cold', rw: 'read', cold: true },
  { title: 'random reads, cold', rw: 'randread', cold: true },
] as const;

type Row = (typeof ROWS)[number];
/**
 * `base`: what it is compared with. With an offset, fio's mmap engine maps anew for every access; so the device window is
 * compared with the backing file at the same offset.
 */
type Target = Pick<Peer, 'name' | 'data' | 'offset'> & { base?: Target };

const MIB = 2 ** 20;
const DROP_CACHES = '/proc/sys/vm/drop_caches';

export interface DirectPlan {
  rounds: number;
  /** Bytes of the file that is mapped. */
  size: number;
  /** Of a warm row, ms. */
  duration: number;
  /** Where the volume is made. */
  dir: string | undefined;
  say: (line: string) => void;
  runs: Runs;
}

/**
 * `npm run bench -- direct`: fio on the device window, the guarded window and `.layout/direct`, against the backing file and a
 * bare file beside it, all in one run, round by round. Gives a table; throws without fio.
 */
export async function benchDirect(plan: DirectPlan): Promise<string> {
  const undo = new Undo();
  undo.onSignals(() => plan.runs.end());
  try {
    const folder = mkdtempSync(join(plan.dir ?? tmpdir(), 'layoutfs-bench-'));
    undo.add(() => rmSync(folder, { recursive: true, force: true }));
    const home = join(folder, 'volume');
    mkdirSync(home);
    const mount = await layoutfs.start(home, undo, plan.size * 2 + 256 * MIB);
    const bare = join(folder, 'bare');
    const count = plan.size / MIB;
    for (const file of [bare, join(mount.dir as string, 'tree')])
      command('dd', ['if=/dev/zero', `of=${file}`, 'bs=1M', `count=${count}`, 'conv=fsync', 'status=none']);
    const [device, guarded] = windows(mount, plan.size, undo) as [Peer, Peer];
    const backing: Target = { name: 'backing file', data: join(home, 'image'), offset: device.offset };
    const file: Target = { name: 'bare file', data: bare };
    const tree = join(mount.dir as string, '.layout/direct/tree');
    const targets: Target[] = [
      backing,
      { ...device, base: backing },
      file,
      { ...guarded, base: file },
      { name: '.layout/direct', data: tree, base: file },
    ];
    const able = ROWS.filter((row) => !row.cold || existsSync(DROP_CACHES));
    plan.runs.expect(plan.rounds, targets.length * able.length);
    const lines = able.map((row) => {
      plan.say(row.title);
      return line(row, targets, measure(row, targets, plan));
    });
    return [
      `fio, mmap engine, 4 KiB, ${count} MiB; MiB/s, median of ${plan.rounds} rounds and the ratio to the bare (backing) file`,
      '',
      `| | ${targets.map(({ name }) => name).join(' | ')} |`,
      `|---|${targets.map(() => '---|').join('')}`,
      ...lines,
      '',
    ].join('\n');
  } finally {
    plan.runs.end();
    undo.all();
  }
}

function measure(row: Row, targets: readonly Target[], plan: DirectPlan): number[][] {
  const samples: number[][] = targets.map(() => []);
  for (let round = 0; round < plan.rounds; round++) {
    targets.forEach((target, at) => {
      plan.runs.next();
      samples[at]?.push(fio(row, target, plan));
    });
  }
  return samples;
}

/** MiB/s. */
function fio(row: Row, target: Target, plan: DirectPlan): number {
  if (row.cold) {
    spawnSync('sync');
    writeFileSync(DROP_CACHES, '1');
  }
  const result = spawnSync(
    'fio',
    [
      '--name=direct',
      '--ioengine=mmap',
      `--rw=${row.rw}`,
      '--bs=4k',
      `--filename=${target.data}`,
      `--offset=${target.offset ?? 0}`,
      `--size=${plan.size}`,
      '--allow_file_create=0',
      '--invalidate=0',
      '--thread',
      '--randrepeat=1',
      '--output-format=json',
      // Warm is what the process itself has touched before: a mapping of a window begins without pages.
      ...(row.cold ? [] : ['--time_based', `--ramp_time=${plan.duration * 3}ms`, `--runtime=${plan.duration}ms`]),
    ],
    { encoding: 'utf8', timeout: 120_000 },
  );
  if (result.status !== 0) throw new Error(`fio on ${target.name}: ${result.stderr.trim() || result.error?.message}`);
  const { jobs } = JSON.parse(result.stdout.slice(result.stdout.indexOf('{'))) as {
    jobs: { read: { bw_bytes: number }; write: { bw_bytes: number } }[];
  };
  return ((jobs[0]?.read.bw_bytes ?? 0) + (jobs[0]?.write.bw_bytes ?? 0)) / MIB;
}

function line(row: Row, targets: readonly Target[], samples: readonly number[][]): string {
  const cells = targets.map(({ base }, at) => {
    const mine = samples[at] as number[];
    const rate = `${median(mine).toFixed(0)} ±${spread(mine).toFixed(0)} %`;
    if (base === undefined) return rate;
    return `${ratio(mine, samples[targets.indexOf(base)] as number[], false).toFixed(2)} x (${rate})`;
  });
  return `| ${row.title} | ${cells.join(' | ')} |`;
}
