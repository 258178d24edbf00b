import { spawn } from 'node:child_process';
import type { Peer } from './peer.ts';
import type { Row } from './rows.ts';
import type { Runs } from './runs.ts';
import type { Sample } from './statistics.ts';
import type { SourceTree } from './tree.ts';

export interface Plan {
  /** The built load generator. */
  load: string;
  rounds: number;
  /** Milliseconds of one measurement. */
  duration: number;
  /** Of rows that need longer ones, which part of that is given. */
  patience: number;
  /** Bytes of the data file. */
  size: number;
  tree: SourceTree;
  /** Words put before the load generator's: how it is to be scheduled. */
  prefix: readonly string[];
  say(line: string): void;
}

interface Result {
  operations: number;
  nanoseconds: number;
  bytes: number;
  /** CPU time of the peer's process in clock ticks (USER_HZ, 100 a second). */
  ticks: number;
  /** Of single operations, nanoseconds; only of modes that take them. */
  latencies?: { median: number; p999: number; longest: number };
}

const MICROSECONDS_PER_TICK = 10_000;

/** Runs the load generator once. Rejects with its message when it fails or hangs. */
export async function runLoad(words: readonly string[], args: readonly string[], timeout: number): Promise<Result> {
  const child = spawn(words[0], [...words.slice(1), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  child.stdout.on('data', (bytes) => {
    out += bytes;
  });
  child.stderr.on('data', (bytes) => {
    errors += bytes;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
  const status = await new Promise<number | null>((done, fail) => {
    child.on('error', fail);
    child.on('close', done);
  });
  clearTimeout(timer);
  if (status !== 0) throw new Error(errors.trim() || `${words.at(-1)} ${args.join(' ')}: killed after ${timeout} ms`);
  const [operations, nanoseconds, bytes, ticks, median, p999, longest] = out.trim().split(' ').map(Number);
  return {
    operations,
    nanoseconds,
    bytes,
    ticks,
    latencies: longest === undefined ? undefined : { median, p999, longest },
  };
}

/** Writes the peer's data file. */
export async function prepareData(peer: Peer, plan: Plan): Promise<void> {
  if (peer.data) await runLoad([plan.load], ['prepare', peer.data, '-s', String(plan.size)], 120_000);
}

/** Rounds of a row that count. */
function roundsOf(row: Row, plan: Plan): number {
  return Math.min(plan.rounds, row.long?.rounds ?? plan.rounds);
}

/** All rounds of a row, with the first. */
export function allRoundsOf(row: Row, plan: Plan): number {
  return roundsOf(row, plan) + 1;
}

/**
 * One row: every peer once a round, in an order that turns, so that each comes after each. The first round counts for
 * nothing: caches fill, and what runs in a just-in-time compiler is compiled.
 */
export async function measureRow(
  row: Row,
  peers: readonly Peer[],
  plan: Plan,
  runs: Runs,
): Promise<Record<string, Sample>> {
  const samples: Record<string, Sample> = {};
  const spent: Record<string, { ticks: number; operations: number }> = {};
  for (const peer of peers) {
    samples[peer.name] = { values: [] };
    spent[peer.name] = { ticks: 0, operations: 0 };
  }
  for (let round = -1; round < roundsOf(row, plan); round++) {
    for (let turn = 0; turn < peers.length; turn++) {
      const peer = peers[(turn + round + peers.length) % peers.length];
      const sample = samples[peer.name];
      runs.next();
      if (sample.failed !== undefined) continue;
      const args = argumentsOf(row, peer, plan);
      try {
        const result = await runLoad([...plan.prefix, plan.load], args, plan.duration + 90_000);
        if (round < 0) continue;
        spent[peer.name].ticks += result.ticks;
        spent[peer.name].operations += result.operations;
        sample.values.push(figureOf(row, result));
      } catch (error) {
        sample.failed = (error as Error).message;
        plan.say(`  ${row.name}: ${peer.name}: ${sample.failed}`);
      }
    }
  }
  for (const peer of peers) {
    const { ticks, operations } = spent[peer.name];
    if (peer.pid && operations > 0) samples[peer.name].cpu = (ticks * MICROSECONDS_PER_TICK) / operations;
  }
  return samples;
}

function argumentsOf(row: Row, peer: Peer, plan: Plan): string[] {
  const path = row.on === 'names' ? peer.dir : peer.data;
  return [
    row.mode,
    path as string,
    '-d',
    String(plan.duration * Math.max(1, (row.long?.times ?? 1) * plan.patience)),
    '-s',
    String(plan.size),
    '-t',
    String(row.threads ?? 1),
    ...(peer.pid ? ['-p', String(peer.pid)] : []),
    ...(peer.offset ? ['-o', String(peer.offset)] : []),
    ...peer.below.flatMap((file) => ['-e', file]),
    ...(row.program ? ['-b', row.program.before, '-r', row.program.program, '-n', String(plan.tree.files)] : []),
  ];
}

function figureOf(row: Row, { operations, nanoseconds, bytes, latencies }: Result): number {
  if (row.unit === 'ms') return (latencies?.p999 ?? Number.NaN) / 1e6;
  if (row.unit === 'ns/op') return nanoseconds / operations;
  return row.unit === 'MB/s' ? (bytes / nanoseconds) * 1000 : (operations / nanoseconds) * 1e9;
}
