import { randomUUID } from 'node:crypto';
import { sweep } from './clean-up.ts';

/** vitest's global set-up: names the run, and takes away what a test that was cut off left behind. */
export default function setup(): () => void {
  process.env.LAYOUTFS_TEST_RUN ??= randomUUID();
  return () => {
    const found = sweep();
    if (found.length > 0) {
      process.exitCode = 1;
      process.stderr.write(`mounts left behind by tests: ${found.join(' ')}\n`);
    }
  };
}
