import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Lookups } from '../../src/namespace/lookups.ts';

describe('lookup counts', () => {
  test('count what was given and take back what is given back', () => {
    const lookups = new Lookups();
    lookups.add(7);
    lookups.add(7, 2);
    expect(lookups.count(7)).toBe(3);
    expect(lookups.subtract(7, 2)).toBe(1);
    expect(lookups.subtract(7, 1)).toBe(0);
    expect(lookups.count(7)).toBe(0);
    expect(lookups.size).toBe(0);
  });

  test('more forgets than lookups leave nothing and do no harm', () => {
    const lookups = new Lookups();
    lookups.add(1);
    expect(lookups.subtract(1, 100)).toBe(0);
    expect(lookups.subtract(2, 5)).toBe(0);
    expect(lookups.size).toBe(0);
  });

  test('inode numbers beyond 32 bits are told apart from their low halves', () => {
    const lookups = new Lookups();
    lookups.add(5);
    lookups.add(2 ** 32 + 5, 2);
    lookups.add(2 ** 47 + 5, 3);
    expect([lookups.count(5), lookups.count(2 ** 32 + 5), lookups.count(2 ** 47 + 5)]).toEqual([1, 2, 3]);
  });

  test('a million inodes take at most 24 bytes each, and the memory comes back', () => {
    const lookups = new Lookups();
    for (let ino = 1; ino <= 1_000_000; ino++) lookups.add(ino);
    expect(lookups.size).toBe(1_000_000);
    expect(lookups.bytes / 1_000_000).toBeLessThanOrEqual(24);
    let left = 0;
    for (let ino = 1; ino <= 1_000_000; ino++) left += lookups.subtract(ino, 1);
    expect(left).toBe(0);
    expect(lookups.bytes).toBeLessThan(64 * 1024);
  });

  test('agrees with a Map under random use, with colliding numbers', () => {
    const ino = fc.oneof(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }).map((n) => n * 2 ** 32 + 1),
      fc.integer({ min: 1, max: 3000 }),
    );
    const step = fc.record({ add: fc.boolean(), ino, n: fc.integer({ min: 1, max: 5 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 3000 }), (steps) => {
        const lookups = new Lookups();
        const model = new Map<number, number>();
        for (const { add, ino, n } of steps) {
          const before = model.get(ino) ?? 0;
          if (add) lookups.add(ino, n);
          else lookups.subtract(ino, n);
          const after = add ? before + n : Math.max(0, before - n);
          if (after > 0) model.set(ino, after);
          else model.delete(ino);
        }
        expect(lookups.size).toBe(model.size);
        for (const [ino, n] of model) expect(lookups.count(ino)).toBe(n);
      }),
      { numRuns: 60 },
    );
  });
});
