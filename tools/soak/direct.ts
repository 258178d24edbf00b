/** `npm run soak:direct [-- SECONDS [SEED]]`: twenty minutes of stores through windows, recalls, revocations and kills. */
import { mountVolume } from '../../test/harness/index.ts';
import { runDirect, verify } from './run-direct.ts';

const seconds = Number(process.argv[2] ?? 1200);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);

await using volume = await mountVolume({ size: '256m', options: 'break=1', deadline: (seconds + 300) * 1000 });
process.stdout.write(`seed ${seed}, ${seconds} s\n`);
process.stdout.write(`${await runDirect(volume, { seconds, seed })}\n`);
await volume.unmount();
const fsck = await volume.layoutfs(['fsck', '-n', volume.image], { timeout: 200_000 });
process.stdout.write(`${fsck.stdout}${fsck.stderr}`);
await volume.remount();
await verify(volume);
process.exitCode = fsck.code ?? 1;
