import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** Test files that have begun and not ended. */
  running: string[];
}

/**
 * Counts the tests as vitest knows them, for the last line of `npm test`. A file that does not even load counts as one
 * failure: otherwise a broken import would look like fewer tests.
 */
export default class CountReporter implements Reporter {
  private readonly running = new Set<string>();
  private readonly counts: Counts = { passed: 0, failed: 0, skipped: 0, running: [] };

  onTestModuleStart(module: TestModule): void {
    this.running.add(module.relativeModuleId);
    this.write();
  }

  onTestModuleEnd(module: TestModule): void {
    this.running.delete(module.relativeModuleId);
    this.add(module);
    this.write();
  }

  onTestRunEnd(_modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    this.counts.failed += unhandled.length;
    this.running.clear();
    this.write();
    if (process.env.LAYOUTFS_TEST_COUNTS === undefined) process.stdout.write(`${lastLine(this.counts)}\n`);
  }

  private add(module: TestModule): void {
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') this.counts.passed++;
      else if (state === 'failed') this.counts.failed++;
      else this.counts.skipped++;
    }
    // A failed beforeAll belongs to its suite, and the tests of it are no more than skipped.
    for (const suite of module.children.allSuites()) this.counts.failed += suite.errors().length;
    this.counts.failed += module.errors().length;
  }

  /** After every file, so that the counts are there, and who was running, when the run has to be cut off. */
  private write(): void {
    const path = process.env.LAYOUTFS_TEST_COUNTS;
    if (path !== undefined) writeFileSync(path, JSON.stringify({ ...this.counts, running: [...this.running] }));
  }
}

export function lastLine(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}
