/**
 * `npm run soak:recovery [-- FILES]`: how long the mount takes that follows a SIGKILL of the daemon (without a supervisor)
 * at so many files, a million if not said, with work in flight; then fsck.
 */
import { mountVolume } from '../../test/harness/index.ts';

const files = Number(process.argv[2] ?? 1_000_000);
const MINUTES = 60;
const timeout = MINUTES * 60_000;

await using volume = await mountVolume({ size: '8g', deadline: 2 * timeout });
const folders = Math.ceil(files / 1000);
await volume.bash(
  `for ((d = 0; d < ${folders}; d++)); do mkdir d$d; (cd d$d && seq 1000 | xargs touch); done; sync .`,
  { timeout },
);
const busy = volume.start('bash', ['-c', 'cd "$MNT"; for ((i = 0; ; i++)); do echo $i > d0/new$i; done']);
await new Promise((resolve) => setTimeout(resolve, 1500));
await volume.kill();
busy.kill('SIGKILL');
const before = performance.now();
await volume.remount();
const ready = performance.now();
const seen = (await volume.bash('ls d0 | wc -l; stat -c %i d1/1')).trim().split('\n');
const used = performance.now();
const times = /open_ms=\d+ recovery_ms=\d+ replayed=\d+/.exec(volume.messages())?.[0];
process.stdout.write(
  `${folders * 1000} files: ${Math.round(ready - before)} ms from the start of the program to a mount, ` +
    `of which the daemon: ${times}; ${Math.round(used - ready)} ms to list and stat (${seen.join(', ')})\n`,
);
await volume.unmount();
const fsck = await volume.layoutfs(['fsck', '-n', volume.image], { timeout });
process.stdout.write(`${fsck.stdout}${fsck.stderr}`);
process.exitCode = fsck.code ?? 1;
