/**
 * `npm run model`: checks tools/model/lease.pml with spin, and that the checker sees each fault that is built in on purpose.
 * docs/leases-model.md says what that shows and what it does not.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkout } from '../../test/harness/mount.ts';

/** Faults, each of which must break an assertion. */
export const FAULTS = [
  'BUG_GRANT_DURING_RECALL',
  'BUG_TELL_BEFORE_COMMIT',
  'BUG_NO_QUARANTINE',
  'BUG_TIME_IS_PROOF',
  'BUG_FORGETS_ORPHANS',
  'BUG_RECLAIMS_LAPSED',
] as const;

export interface Outcome {
  errors: number;
  states: number;
  /** Every reachable state was looked at (and not only those within `depth` steps). */
  complete: boolean;
  text: string;
}

/** `depth`: statements at most from the beginning; `ms`: after that the search is given up. */
export function check(defines: readonly string[], depth: number, ms: number, optimize = '-O2'): Outcome {
  const folder = mkdtempSync(join(tmpdir(), 'layoutfs-model-'));
  try {
    const run = (command: string, ...args: string[]) => execFileSync(command, args, { cwd: folder, stdio: 'pipe' });
    copyFileSync(join(checkout, 'tools', 'model', 'lease.pml'), join(folder, 'lease.pml'));
    run('spin', '-a', ...defines.map((each) => `-D${each}`), 'lease.pml');
    run('gcc', optimize, '-w', '-DSAFETY', '-DCOLLAPSE', '-DMEMLIM=3000', '-o', 'pan', 'pan.c');
    const result = spawnSync(join(folder, 'pan'), [`-m${depth}`], { cwd: folder, encoding: 'utf8', timeout: ms });
    const text = result.stdout;
    return {
      errors: Number(/errors: (\d+)/.exec(text)?.[1] ?? -1),
      states: Number(/(\d+) states, stored/.exec(text)?.[1] ?? 0),
      complete: result.signal === null && !text.includes('max search depth too small'),
      text,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(name: string, { errors, states, complete }: Outcome, wanted: boolean): boolean {
  const right = errors >= 0 && errors > 0 === wanted;
  const found = errors > 0 ? 'an assertion is violated' : `no violation${complete ? '' : ' within the depth'}`;
  process.stdout.write(`${right ? 'ok  ' : 'FAIL'} ${name}: ${found}, ${states} states\n`);
  return right;
}

if (process.argv[1]?.endsWith(join('model', 'main.ts'))) {
  let right = true;
  const HOUR = 3_600_000;
  right = report('expired=quarantine', check([], 4_000_000, HOUR), false) && right;
  right = report('expired=hold', check(['HOLD'], 4_000_000, HOUR), false) && right;
  for (const fault of FAULTS) right = report(fault, check([fault], 200_000, HOUR), true) && right;
  process.exitCode = right ? 0 : 1;
}
