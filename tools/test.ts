/**
 * `npm test`: type check, lint, and all tests, and then one line with vitest's own counts. Fails when any of them does,
 * when no test ran, and after 14 minutes (LAYOUTFS_TEST_MINUTES=n for a busy machine); a mount that a test leaves behind is taken away and is a failure.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sweep } from '../test/harness/clean-up.ts';
import { type Counts, lastLine } from '../test/harness/count-reporter.ts';
import { checkout } from '../test/harness/mount.ts';

const LIMIT = Number(process.env.LAYOUTFS_TEST_MINUTES ?? 14) * 60_000;
const started = Date.now();
const bin = (name: string): string => join(checkout, 'node_modules', '.bin', name);
let failed = false;

function fail(what: string): void {
  failed = true;
  process.stdout.write(`${what}\n`);
}

/** Runs a step in a process group of its own, so that the limit can end all of it. */
async function step(name: string, command: string, args: string[], env: Record<string, string> = {}): Promise<void> {
  process.stdout.write(`== ${name}\n`);
  const child = spawn(command, args, {
    cwd: checkout,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
    detached: true,
  });
  const forward = (signal: NodeJS.Signals): void => endGroup(child, signal);
  process.once('SIGINT', forward).once('SIGTERM', forward);
  const timer = setTimeout(
    () => {
      fail(`${name}: not done ${LIMIT / 60_000} minutes after the start: ended`);
      sweep();
      endGroup(child, 'SIGKILL');
    },
    Math.max(0, LIMIT - (Date.now() - started)),
  );
  const code = await new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('exit', (status, signal) => resolve(status ?? signal));
  });
  clearTimeout(timer);
  process.off('SIGINT', forward).off('SIGTERM', forward);
  if (code !== 0) fail(`${name}: FAILED (${code})`);
}

function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid as number), signal);
  } catch {
    // it has ended
  }
}

function readCounts(path: string): Counts {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Counts;
  } catch {
    fail('vitest ended without its counts');
    return { passed: 0, failed: 1, skipped: 0, running: [] };
  }
}

const folder = mkdtempSync(join(tmpdir(), 'layoutfs-npm-test-'));
process.env.LAYOUTFS_TEST_RUN ??= randomUUID();
const countsPath = join(folder, 'counts.json');
const { seed } = await import('../test/harness/seed.ts');

await step('types', bin('tsc'), ['--noEmit', '-p', '.']);
await step('lint', bin('biome'), ['check', '--error-on-warnings']);
process.stdout.write(`== seed ${seed} (LAYOUTFS_SEED=n for another)\n`);
await step('tests', bin('vitest'), ['run', ...process.argv.slice(2)], { LAYOUTFS_TEST_COUNTS: countsPath });
const left = sweep();
if (left.length > 0) fail(`mounts left behind: ${left.join(' ')}`);

const counts = readCounts(countsPath);
rmSync(folder, { recursive: true, force: true });
for (const file of counts.running) {
  counts.failed++;
  fail(`not ended: ${file}`);
}
if (counts.passed === 0) fail('no test passed');
process.stdout.write(`${lastLine(counts)}\n`);
process.exitCode = failed || counts.failed > 0 ? 1 : 0;
