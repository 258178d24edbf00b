import { defineConfig } from 'vitest/config';

// Forks, because koffi and better-sqlite3 are native and a hung mount must never take the runner down with it;
// two workers, because the reference machine has two cores and mounted tests bring a daemon each.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    setupFiles: ['test/harness/seed.ts'],
    globalSetup: ['test/harness/sweep-after.ts'],
    testTimeout: 90_000,
    hookTimeout: 90_000,
    passWithNoTests: false,
    reporters: ['default', './test/harness/count-reporter.ts'],
  },
});
