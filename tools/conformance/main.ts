/**
 * `npm run conformance [-- PATTERN] [--failures]`: the conformance set on a fresh mount and on the host's file system; a
 * table of the cases and their results. Exit code 1 when one failed.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildDriver, cases, type Outcome, runCase } from '../../test/conformance/index.ts';
import { mountVolume } from '../../test/harness/index.ts';

const words = process.argv.slice(2);
const failuresOnly = words.includes('--failures');
const pattern = new RegExp(words.find((word) => !word.startsWith('--')) ?? '');
const driver = await buildDriver();
const host = mkdtempSync(join(tmpdir(), 'layoutfs-host-'));
const counts: Record<string, number> = {};

function show({ result, message }: Outcome): string {
  counts[result] = (counts[result] ?? 0) + 1;
  return message === '' ? result : `${result}: ${message.replaceAll('\n', ' ')}`;
}

{
  await using volume = await mountVolume({ size: '8g', deadline: 1_200_000 });
  for (const folder of [host, volume.root, volume.dir, dirname(driver)]) chmodSync(folder, 0o755);
  if (!failuresOnly) process.stdout.write('| Case | Source | Mount | ext4 |\n|---|---|---|---|\n');
  for (const each of cases) {
    if (!pattern.test(each.name)) continue;
    const here = await runCase(driver, volume.dir, 'mount', each, () => void volume.dispose());
    const there = await runCase(driver, host, 'host', each);
    const row = `| ${each.name} | ${each.source} | ${show(here)} | ${show(there)} |\n`;
    if (!failuresOnly || here.result === 'failed' || there.result === 'failed') process.stdout.write(row);
  }
}
rmSync(host, { recursive: true, force: true });
rmSync(dirname(driver), { recursive: true, force: true });
const text = Object.entries(counts).map(([result, count]) => `${count} ${result}`);
process.stdout.write(`\nRuns, on the mount and on the host: ${text.join(', ')}\n`);
process.exitCode = (counts.failed ?? 0) > 0 ? 1 : 0;
