import { describe, expect, it } from 'vitest';
import { placesOf } from '../../src/cli/defrag.ts';
import { clockTime, Progress, progressText } from '../../src/cli/progress.ts';

function setUp(isTTY = true, columns = 100) {
  let ms = 0;
  const written: string[] = [];
  const out = { isTTY, columns, write: (text: string) => written.push(text) };
  const progress = new Progress({ label: 'drain', unit: 'bytes', out, now: () => ms });
  return { progress, written, at: (time: number) => (ms = time) };
}

describe('progress', () => {
  it('shows how much, how fast, and how long it will take', () => {
    const options = { label: 'relocate', unit: 'bytes' };
    const state = { done: 3 * 2 ** 30, total: 4 * 2 ** 30, what: '', rate: 2 ** 27, elapsed: 24 };
    expect(progressText(options, state)).toBe('relocate  [##################......] 75%  3G of 4G  128M/s  0:08 left');
    expect(
      progressText({ label: 'fsck', unit: 'rows' }, { ...state, done: 1200, total: 3400, what: '4/13 names' }),
    ).toBe('fsck: 4/13 names  [########................] 35%  1,200 of 3,400 rows  134,217,728/s  0:00 left');
    expect(progressText({ label: 'bench', unit: 'runs' }, { ...state, done: 30, total: 40, rate: 1.62 })).toBe(
      'bench  [##################......] 75%  30 of 40 runs  1.6/s  0:06 left',
    );
    expect(progressText(options, { ...state, total: undefined, rate: 0 })).toBe('relocate  3G  0:24');
    expect([0.4, 59.6, 754, 3723].map(clockTime)).toEqual(['0:00', '1:00', '12:34', '1:02:03']);
  });

  it('takes the rate of the last seconds, draws at most ten times a second, and takes its line away', () => {
    const { progress, written, at } = setUp();
    for (let ms = 0; ms <= 10_000; ms += 10) {
      at(ms);
      // Slow at first, then 50 MiB/s.
      progress.update(ms < 2000 ? 0 : ((ms - 2000) / 1000) * 50 * 2 ** 20, 2 ** 30);
    }
    expect(written.length).toBeLessThanOrEqual(101);
    expect(written.at(-1)).toMatch(/^\r\x1b\[Kdrain {2}\[#+\.+\] 39% {2}400M of 1G {2}50M\/s {2}0:12 left$/);
    progress.end();
    expect(written.at(-1)).toBe('\r\x1b[K');
  });

  it('is silent where there is no terminal, and for what is over at once', () => {
    const piped = setUp(false);
    piped.at(5000);
    piped.progress.update(1, 2);
    piped.progress.end();
    expect(piped.written).toEqual([]);
    const quick = setUp();
    quick.at(300);
    quick.progress.update(1, 2);
    quick.progress.end();
    expect(quick.written).toEqual([]);
  });

  it('is not wider than the terminal', () => {
    const { progress, written, at } = setUp(true, 30);
    at(1000);
    progress.update(1, 2);
    expect(written[0]!.replace('\r\x1b[K', '').length).toBeLessThanOrEqual(29);
  });
});

it('extents that follow each other are one place', () => {
  const extents = [
    { device: 0, length: 10 },
    { device: 10, length: 5 },
    { device: null, length: 7 },
    { device: 15, length: 5 },
    { device: 30, length: 1 },
  ];
  expect(placesOf(extents)).toBe(2);
  expect(placesOf([])).toBe(0);
});
