import type { CaseResult } from './suite.ts';

/** Cases of what a test program says in the Test Anything Protocol; `prefix` is put before the numbers. */
export function parseTap(text: string, prefix: string): CaseResult[] {
  const results: CaseResult[] = [];
  let planned = -1;
  for (const line of text.split('\n')) {
    const plan = /^1\.\.(\d+)/.exec(line);
    if (plan) planned = Number(plan[1]);
    const found = /^(not )?ok\s+(\d+)?\s*(.*)$/.exec(line);
    if (!found) continue;
    const skipped = /#\s*(skip|todo)/i.test(found[3] as string);
    results.push({
      name: `${prefix}:${found[2] ?? results.length + 1}`,
      result: skipped ? 'skipped' : found[1] ? 'failed' : 'passed',
      detail: found[3] as string,
    });
  }
  if (planned > results.length || planned < 0) {
    results.push({ name: `${prefix}:end`, result: 'failed', detail: `${results.length} results of ${planned}` });
  }
  return results;
}
