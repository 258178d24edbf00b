import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.ts';
import type { Plan } from './measure.ts';
import type { Peer } from './peer.ts';
import type { LeaseFigures, RecallFigures } from './results.ts';
import type { Undo } from './undo.ts';

interface Reply {
  ok: boolean;
  id: number;
  errno?: string;
  hint?: string;
  extents: { device: number; length: number }[];
}

/** Sends one request on a session of the control file; throws what a refusal says. */
function request(ctl: number, line: Record<string, unknown>): Reply {
  let refused: unknown;
  try {
    writeSync(ctl, `${JSON.stringify(line)}\n`);
  } catch (error) {
    refused = error;
  }
  const bytes = Buffer.alloc(65536);
  const reply = JSON.parse(bytes.toString('utf8', 0, readSync(ctl, bytes)).split('\n')[0]) as Reply;
  if (refused || !reply.ok) throw new Error(`${line.verb}: ${reply.errno ?? ''} ${reply.hint ?? ''}`);
  return reply;
}

/**
 * A leased file of the mount in its two windows, as peers that can only be mapped. The lease is held by this process
 * until it is undone.
 */
export function windows(mount: Peer, size: number, undo: Undo): Peer[] {
  const dir = mount.dir as string;
  const ctl = openSync(join(dir, '.layout/ctl'), 'r+');
  undo.add(() => closeSync(ctl));
  writeFileSync(join(dir, 'window'), '');
  request(ctl, { verb: 'prepare', path: '/window', offset: 0, length: size, extend: true, contiguous: true });
  const { id } = request(ctl, { verb: 'get', path: '/window', kind: 'direct', mode: 'rw' });
  const { extents } = request(ctl, { verb: 'map', id });
  if (extents.length !== 1) throw new Error(`the prepared file has ${extents.length} extents`);
  const common = { dir: undefined, below: mount.below, pid: mount.pid, only: 'mapped' as const };
  return [
    {
      ...common,
      name: 'device window',
      about: "a leased file of this filesystem, mapped through the device window: the backing file's own page cache",
      data: join(dir, '.layout/device', String(id)),
      offset: extents[0].device,
    },
    {
      ...common,
      name: 'guarded window',
      about: 'the same file, mapped through the window that the daemon serves and can revoke',
      data: join(dir, '.layout/lease', String(id)),
    },
  ];
}

/** Recalls after which few are slow any more: in 6,000 in a row, 26 of the first 2,400 took more than 1 ms, and 5 of the others. */
const WARM_UP = 3000;

const NOT_MEASURED: RecallFigures = { toEvent: { p50: 0, p99: 0 }, toEnd: { p50: 0, p99: 0 } };

/** Pairs of get and return, and the latencies of a recall. */
export function measureLeases(mount: Peer, plan: Plan): LeaseFigures {
  const figures: LeaseFigures = {
    pairs: [],
    ...NOT_MEASURED,
    first: NOT_MEASURED,
    recalls: 0,
  };
  try {
    const binary = build('lease');
    const dir = mount.dir as string;
    const path = join(dir, 'leased');
    writeFileSync(path, Buffer.alloc(1 << 20));
    const run = (verb: string, count: number): string => {
      const args = [verb, join(dir, '.layout/ctl'), '/leased', path, String(count)];
      const result = spawnSync(binary, args, { encoding: 'utf8', timeout: 120_000 });
      if (result.status !== 0) throw new Error(result.stderr.trim() || `lease ${verb} was killed`);
      return result.stdout.trim();
    };
    for (let round = 0; round < plan.rounds; round++) {
      const [pairs, nanoseconds] = run('pairs', plan.duration).split(' ').map(Number);
      figures.pairs.push((pairs / nanoseconds) * 1e9);
    }
    figures.recalls = plan.duration * 2;
    figures.first = recallFigures(run('recall', figures.recalls));
    run('recall', WARM_UP);
    Object.assign(figures, recallFigures(run('recall', figures.recalls)));
  } catch (error) {
    figures.failed = (error as Error).message;
  }
  return figures;
}

/** Of what `lease recall` prints. */
function recallFigures(text: string): RecallFigures {
  const rounds = text.split('\n').map((line) => line.split(' ').map(Number));
  return {
    toEvent: percentiles(rounds.map(([toEvent]) => toEvent)),
    toEnd: percentiles(rounds.map(([, toEnd]) => toEnd)),
  };
}

/** Of nanoseconds, in milliseconds. */
function percentiles(values: number[]): { p50: number; p99: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] / 1e6;
  return { p50: at(0.5), p99: at(0.99) };
}
