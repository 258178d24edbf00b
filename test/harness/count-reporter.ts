import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Counts the tests as vitest knows them, for the last line of `npm test`. A file that does not even load counts as one
 * failure: otherwise a broken import would look like fewer tests.
 */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const counts: Counts = { passed: 0, failed: unhandled.length, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') counts.passed++;
        else if (state === 'failed') counts.failed++;
        else counts.skipped++;
      }
      counts.failed += module.errors().length;
    }
    const path = process.env.LAYOUTFS_TEST_COUNTS;
    if (path !== undefined) writeFileSync(path, JSON.stringify(counts));
    else process.stdout.write(`${lastLine(counts)}\n`);
  }
}

export function lastLine(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}
