import { describe, expect, test } from 'vitest';
import { figure, markdown } from '../../tools/bench/markdown.ts';
import type { Results } from '../../tools/bench/results.ts';
import { ROWS } from '../../tools/bench/rows.ts';
import { median, ratio, spread } from '../../tools/bench/statistics.ts';
import { svg } from '../../tools/bench/svg.ts';
import { Undo } from '../../tools/bench/undo.ts';

describe('statistics', () => {
  test('median and spread', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(spread([10, 10, 10])).toBe(0);
    expect(spread([8, 9, 10, 11, 12])).toBe(10);
  });

  test('a ratio is of rounds, so that a slow moment of the machine counts for both', () => {
    expect(ratio([200, 20, 200], [100, 10, 100], false)).toBe(2);
    expect(ratio([50, 500, 50], [100, 1000, 100], true)).toBe(2);
    expect(ratio([200, 20], [100, 10, 1], false)).toBe(2);
  });

  test('figures keep three digits that count', () => {
    expect([figure(1234567), figure(99.94), figure(0.01234)]).toEqual(['1,234,567', '99.9', '0.0123']);
  });
});

const results: Results = {
  date: '2026-01-02T00:00:00.000Z',
  machine: { kernel: '6.18', cpu: 'test', cores: 2, memory: 2 ** 30, node: 'v20' },
  rounds: 3,
  duration: 100,
  size: 2 ** 20,
  peers: [
    { name: 'layoutfs', about: 'ours' },
    { name: 'fuse2fs', about: 'theirs' },
    { name: 'bare', about: 'file' },
    { name: 'device window', about: 'window' },
  ],
  growth: [{ title: 'stat, 1 -> 1 M', small: [2, 2, 2], large: [5, 5, 5], cpu: [1, 2] }],
  facts: [
    { title: 'RSS', value: 299, unit: 'MiB', atMost: 300 },
    { title: 'pairs', value: 9, unit: '/s', atLeast: 10, note: 'in memory' },
  ],
  skipped: [{ name: 'xfs', why: 'mkfs.xfs is missing' }],
  rows: [
    {
      name: 'stat',
      title: 'stat <all>',
      unit: 'ops/s',
      bars: [{ peer: 'fuse2fs', ratio: 2 }],
      samples: { layoutfs: { values: [300, 300, 300], cpu: 4 }, fuse2fs: { values: [100, 100, 100] } },
    },
    {
      name: 'mmap',
      title: 'mmap',
      unit: 'ns/op',
      bars: [{ of: 'device window', peer: 'bare', ratio: 0.95 }],
      samples: {
        'device window': { values: [40, 40] },
        bare: { values: [30, 30] },
        layoutfs: { values: [], failed: 'x' },
      },
    },
  ],
};

test('the table names what was skipped and failed, and judges each bar', () => {
  const table = markdown(results);
  expect(table).toContain('**xfs** was skipped: mkfs.xfs is missing');
  expect(table).toMatch(/\| stat <all> \| ops\/s \| 300 \(0 %\) \| 100 \(0 %\) \| – \| – \|/);
  expect(table).toContain('| stat <all> | fuse2fs | 2 x | 3.00 x | met |');
  expect(table).toContain('| mmap, device window | bare | 0.95 x | 0.75 x | **not met** |');
  expect(table).toMatch(/\| mmap \| ns\/op \| failed/);
  expect(table).toContain('| stat, 1 -> 1 M | 2 (1) | 5 (2) | 2.50 x | **not met** |');
  expect(table).toContain('| RSS | 299 MiB | at most 300 | met |');
  expect(table).toContain('| pairs (in memory) | 9 /s | at least 10 | **not met** |');
});

test('the picture has a bar for each figure, the better one longer, and text that is escaped', () => {
  const picture = svg(results);
  const widths = [...picture.matchAll(/<rect x="330"[^>]* width="([\d.]+)"[^>]*><title>([\w ]+):/g)].map((m) => [
    m[2],
    Number(m[1]),
  ]);
  expect(widths.map(([name]) => name)).toEqual(['layoutfs', 'fuse2fs', 'bare', 'device window']);
  const width = Object.fromEntries(widths) as Record<string, number>;
  expect(width.layoutfs / width.fuse2fs).toBeCloseTo(3, 1);
  expect(width.bare / width['device window']).toBeCloseTo(4 / 3, 1);
  expect(picture).toContain('stat &lt;all>');
});

test('every row has a name of its own, and bars speak of peers that take part in it', () => {
  expect(new Set(ROWS.map((row) => row.name)).size).toBe(ROWS.length);
  for (const row of ROWS) for (const bar of row.bars ?? []) expect(row.without ?? []).not.toContain(bar.peer);
});

test('what was set up is taken away in reverse order, once, whatever fails', () => {
  const done: string[] = [];
  const undo = new Undo();
  undo.add(() => done.push('first'));
  const early = undo.add(() => done.push('early'));
  undo.add(() => {
    throw new Error('on purpose');
  });
  undo.add(() => done.push('last'));
  early();
  early();
  undo.all();
  undo.all();
  expect(done).toEqual(['early', 'last', 'first']);
});
