import { mkdtempSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, checkout, hasTool, RunError, run } from '../harness/index.ts';
import type { Case } from './case.ts';

/** Where a case is run: a mount of this filesystem, or a directory of the host's ext4. */
export type Place = 'mount' | 'host';

export interface Outcome {
  case: Case;
  /** `refused`: differs as the case says it does on FUSE. `unlike`: not run on ext4, which differs. */
  result: 'passed' | 'failed' | 'refused' | 'unlike' | 'skipped';
  /** The first line that did not answer as expected; or why the case was not run. */
  message: string;
  ms: number;
}

/** Compiles the driver with the machine's C compiler. Gives the path of the program. */
export async function buildDriver(): Promise<string> {
  const source = join(checkout, 'tools', 'conformance', 'driver');
  const program = join(mkdtempSync(join(tmpdir(), 'layoutfs-driver-')), 'driver');
  const files = (await readdir(source)).filter((name) => name.endsWith('.c')).map((name) => join(source, name));
  await check('cc', ['-O1', '-Wall', '-o', program, ...files], { timeout: 60_000 });
  return program;
}

const SHELL = `
mkdir -m 755 "$1" && cd "$1" || exit 3
"$2" 30
code=$?
cd .. && case $3 in *chattr*|*xflags*) chattr -R -f -i -a "$1";; esac
rm -rf "$1" || { echo "the directory can not be removed"; code=4; }
exit $code`;

/** Runs one case in a new directory below `parent`. `onHang` frees a mount that hangs. */
export async function runCase(
  driver: string,
  parent: string,
  place: Place,
  each: Case,
  onHang: () => void = () => {},
): Promise<Outcome> {
  const started = Date.now();
  const outcome = (result: Outcome['result'], message: string): Outcome => ({
    case: each,
    result,
    message,
    ms: Date.now() - started,
  });
  const missing = each.needs?.find((tool) => !hasTool(tool));
  if (missing !== undefined) return outcome('skipped', `needs ${missing}`);
  if (place === 'host' && each.unlikeExt4 !== undefined) return outcome('unlike', each.unlikeExt4);
  const directory = join(parent, `case-${started}-${Math.trunc(performance.now() * 1000)}`);
  const failure = await attempt(driver, directory, each, onHang);
  if (place === 'host' || each.refusedByKernel === undefined) {
    return failure === undefined ? outcome('passed', '') : outcome('failed', failure);
  }
  if (failure === undefined) return outcome('failed', `"${each.refusedByKernel}" is no longer refused: mend the page`);
  return outcome('refused', `${each.refusedByKernel} (${failure})`);
}

/** What went wrong, or undefined. */
async function attempt(driver: string, directory: string, each: Case, onHang: () => void): Promise<string | undefined> {
  const input = Buffer.from(
    each.script
      .split('\n')
      .map((line) => line.trim())
      .join('\n'),
    'latin1',
  );
  try {
    const result = await run('sh', ['-c', SHELL, 'sh', directory, driver, each.script], {
      input,
      onHang,
      timeout: 40_000,
    });
    if (result.code === 0) return undefined;
    return result.stdout.trim() || result.stderr.trim() || `the driver ended with ${result.signal ?? result.code}`;
  } catch (error) {
    if (error instanceof RunError) return error.message.split('\n')[0];
    throw error;
  }
}
