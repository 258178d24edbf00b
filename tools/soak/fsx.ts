/** `npm run soak:fsx [-- OPERATIONS [SEED]]`: 200,000 random operations, with remounts, in files of three sizes. */
import { mountVolume } from '../../test/harness/index.ts';
import { runFsx } from './run-fsx.ts';
import { compile } from './tools.ts';

const operations = Number(process.argv[2] ?? 200_000);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
const program = await compile('fsx');
const sizes = [256 * 1024, 64 * 1024, 4 * 1024 * 1024];
const shares = [0.7, 0.2, 0.1];

await using volume = await mountVolume({ size: '2g', deadline: 3_600_000 });
for (const [i, largest] of sizes.entries()) {
  const part = Math.round(operations * (shares[i] as number));
  const said = await runFsx(volume, program, {
    seed: seed + i,
    operations: part,
    largest,
    remounts: 5,
    deadline: 1_500_000,
  });
  process.stdout.write(`files to ${largest / 1024} KiB: ${said}\n`);
}
await volume.unmount();
const fsck = await volume.layoutfs(['fsck', '-n', volume.image], { timeout: 120_000 });
process.stdout.write(`${fsck.stdout}${fsck.stderr}`);
process.exitCode = fsck.code ?? 1;
