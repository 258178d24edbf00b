import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { growth, partsOf, type Sample, slopePerHour } from '../../tools/soak/samples.ts';

const MIB = 2 ** 20;

const at = (seconds: number, anonymous: number): Sample => ({
  at: seconds,
  pid: 1,
  rss: anonymous + 50 * MIB,
  anonymous,
  descriptors: 30 + (seconds % 3),
  threads: 16,
});

describe('what the soak of an hour says of the memory', () => {
  test('the slope of a straight line is its slope, wherever it begins', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: 0, max: 10 ** 6 }), (perSecond, start) => {
        const points = [0, 7, 30, 31, 90].map((x) => [x, start + perSecond * x] as const);
        expect(slopePerHour(points)).toBeCloseTo(perSecond * 3600, 3);
      }),
    );
  });

  test('garbage that comes and goes is no growth, and a leak below it is seen', () => {
    const garbage = (seconds: number): number => (seconds % 30) * 3 * MIB;
    const all = Array.from({ length: 600 }, (_, n) => n * 3);
    const flat = growth(
      all.map((seconds) => at(seconds, 100 * MIB + garbage(seconds))),
      90,
    );
    expect(flat).toMatchObject({ rss: 0, anonymous: 0, level: 150 * MIB, descriptors: [30, 30], threads: [16, 16] });
    const leaking = growth(
      all.map((seconds) => at(seconds, 100 * MIB + garbage(seconds) + (seconds / 3600) * 2 * MIB)),
      90,
    );
    expect(leaking.anonymous / MIB).toBeCloseTo(2, 1);
  });

  test('parts are of one process, between two moments', () => {
    const line = (pid: number, uptime: number, heap: number): string =>
      `${JSON.stringify({ pid, uptime, parts: { heap, malloc: 5 } })}\n`;
    const text = line(1, 10, 900) + line(1, 60, 100) + line(2, 60, 7) + line(1, 120, 160) + line(1, 180, 999);
    expect(partsOf(text, 1, 60, 120)).toEqual([
      { name: 'heap', first: 100, last: 160, growth: 3600 },
      { name: 'malloc', first: 5, last: 5, growth: 0 },
    ]);
    expect(partsOf('', 1, 60, 120)).toEqual([]);
  });
});
