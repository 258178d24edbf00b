import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './build.ts';
import { command } from './command.ts';
import { URGENT } from './isolate.ts';
import { layoutfs } from './peers/layoutfs.ts';
import type { Runs } from './runs.ts';
import { median } from './statistics.ts';
import { Undo } from './undo.ts';

const MIB = 2 ** 20;
/** MiB that the holder has mapped, and touched. */
const SIZES = [1, 16, 64];

export interface RevokePlan {
  rounds: number;
  /** Daemon and load at real-time priority. */
  alone: boolean;
  /** Where the volume is made. */
  dir: string | undefined;
  say: (line: string) => void;
  runs: Runs;
}

/**
 * `npm run bench -- revoke`: how long a holder that does not answer still reaches a guarded window after its lease was
 * revoked, and how long somebody else waits meanwhile (revoke.c). Gives a table.
 */
export async function benchRevoke(plan: RevokePlan): Promise<string> {
  const undo = new Undo();
  undo.onSignals(() => plan.runs.end());
  try {
    const folder = mkdtempSync(join(plan.dir ?? tmpdir(), 'layoutfs-bench-'));
    undo.add(() => rmSync(folder, { recursive: true, force: true }));
    const home = join(folder, 'volume');
    mkdirSync(home);
    const most = Math.max(...SIZES);
    const { dir = '' } = await layoutfs.start(home, undo, (most + 256) * MIB, plan.alone);
    const make = (name: string, count: number): unknown =>
      command('dd', ['if=/dev/zero', `of=${join(dir, name)}`, 'bs=1M', `count=${count}`, 'conv=fsync', 'status=none']);
    make('revoked', most);
    make('bystander', 1);
    const binary = build('revoke');
    plan.runs.expect(1, SIZES.length * 2);
    const lines = SIZES.flatMap((size) =>
      ['clean', 'dirty'].map((kind) => {
        plan.say(`${size} MiB, ${kind}`);
        plan.runs.next();
        const args = [binary, dir, '/revoked', String(size * MIB), kind, String(plan.rounds + 1)];
        const [program = '', ...rest] = plan.alone ? [...URGENT, ...args] : args;
        return line(`${size} MiB, ${kind}`, command(program, rest, 300_000));
      }),
    );
    return [
      `A guarded window revoked, ${plan.rounds} rounds each${plan.alone ? ', at real-time priority' : ''}; ms, median (longest)`,
      '',
      '| mapped | first access refused | no page in reach any more | event | read of another file, longest of each round: meanwhile | before |',
      '|---|---:|---:|---:|---:|---:|',
      ...lines,
      '',
    ].join('\n');
  } finally {
    plan.runs.end();
    undo.all();
  }
}

/** The first round counts for nothing: the daemon's code is not compiled, and its threads are not there. */
function line(title: string, text: string): string {
  const rounds = text
    .trim()
    .split('\n')
    .slice(1)
    .map((row) => row.split(' ').map((ns) => Number(ns) / 1e6));
  const cells = [0, 1, 2, 3, 4].map((at) => {
    const column = rounds.map((row) => row[at] as number);
    return `${median(column).toFixed(1)} (${Math.max(...column).toFixed(1)})`;
  });
  return `| ${title} | ${cells.join(' | ')} |`;
}
