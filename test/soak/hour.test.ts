import { expect, test } from 'vitest';
import { runHour } from '../../tools/soak/run-hour.ts';
import { describeMounted, seed } from '../harness/index.ts';

/** The short form of `npm run soak:hour`. What the daemon keeps can not be told in so short a time. */
describeMounted('a mixed load, deaths of holders and daemons', ['cc', 'git', 'bash'], () => {
  test('loses nothing', { timeout: 600_000 }, async () => {
    const lines: string[] = [];
    const result = await runHour({ seconds: 15, seed, say: (line) => lines.push(line) });
    expect(result.problems, lines.join('\n')).toEqual([]);
    expect(result.pauses.length, 'daemons were replaced').toBeGreaterThan(0);
    expect(result.said.join('\n')).toMatch(/kept \d+ files/);
  });
});
