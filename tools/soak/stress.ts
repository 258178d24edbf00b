/** `npm run soak:stress [-- SECONDS [SEED]]`: ten minutes of eight processes at random in one tree, then fsck. */
import { mountVolume } from '../../test/harness/index.ts';
import { compile } from './tools.ts';

const seconds = Number(process.argv[2] ?? 600);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
const program = await compile('stress');

await using volume = await mountVolume({ size: '1g', deadline: (seconds + 300) * 1000 });
process.stdout.write(`seed ${seed}, ${seconds} s\n`);
const result = await volume.run(program, ['.', seed, 8, seconds].map(String), { timeout: (seconds + 120) * 1000 });
process.stdout.write(`${result.stdout}${result.stderr}`);
await volume.unmount();
const fsck = await volume.layoutfs(['fsck', '-n', volume.image], { timeout: 200_000 });
process.stdout.write(`${fsck.stdout}${fsck.stderr}`);
process.exitCode = result.code === 0 ? (fsck.code ?? 1) : 1;
