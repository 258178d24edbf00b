/**
 * `npm run scale:leases`: what a lease costs among few and among many, on a real mount, and what one recall of 1,000 holders costs
 * somebody who has nothing to do with it. Costs are processor time of the daemon's state thread, so that a busy machine changes
 * them little. LAYOUTFS_LEASES: how many on many files (default 100,000, on a tenth of that files).
 */
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { checkout, ended, mountVolume } from '../../test/harness/index.ts';

interface Costs {
  get: number;
  write: number;
  return: number;
}

interface Line {
  title: string;
  few?: number;
  many?: number;
  before?: Costs;
  after?: Costs;
  [field: string]: unknown;
}

const HOUR = 3_600_000;
const most = process.env.LAYOUTFS_LEASES ?? '100000';
await using volume = await mountVolume({ size: '2g', deadline: HOUR });
const program = join(checkout, 'tools', 'lease-scale', 'holders.py');
const script = `import os, sys; os.chdir(os.environ['MNT']); exec(open(sys.argv.pop(1)).read())`;
const holders = volume.start('python3', ['-c', script, program, String(volume.daemonPid), most]);
holders.stderr?.pipe(process.stderr);
createInterface({ input: holders.stdout! }).on('line', (text) => {
  const line = JSON.parse(text) as Line;
  const { title, few, many, before, after } = line;
  if (!before || !after) {
    process.stdout.write(`${text}\n`);
    return;
  }
  for (const name of ['get', 'write', 'return'] as const) {
    const ratio = (after[name] / before[name]).toFixed(2);
    process.stdout.write(
      `${title}: ${name}: ${before[name]} ms at ${few}, ${after[name]} ms at ${many}: ${ratio} times\n`,
    );
  }
});
const code = await ended(holders, HOUR);
process.exitCode = code === 0 ? 0 : 1;
