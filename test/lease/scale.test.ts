/**
 * Growth (issue 4, "Scale"). The verdict is by counts that no machine's mood changes: how many leases a step looks at. Times are
 * printed.
 */
import { describe, expect, test } from 'vitest';
import { BLOCK, World } from './world.ts';

type Visit = (value: unknown, from: number, to: number) => boolean;
interface Walker {
  collect?(node: unknown, start: number, end: number): void;
  each?(start: number, end: number, visit: Visit): boolean;
}

/** Visits of index nodes during `body`, counted through the index's own walk. */
function visits(w: World, ino: number, body: () => void): number {
  const index = w.leases.core.files.get(ino)?.index as unknown as Walker | undefined;
  if (!index) {
    body();
    return 0;
  }
  let count = 0;
  const { collect, each } = index;
  index.collect = function counted(node, start, end) {
    count++;
    collect?.call(this, node, start, end);
  };
  index.each = function counted(start, end, visit) {
    const counting: Visit = (value, from, to) => {
      count++;
      return visit(value, from, to);
    };
    return each?.call(this, start, end, counting) ?? false;
  };
  try {
    body();
  } finally {
    // Back to the methods of the class.
    delete index.collect;
    delete index.each;
  }
  return count;
}

function filled(leases: number, whole: boolean): World {
  const w = new World({ leasesPerSession: 1e9 }, 16);
  const file = w.create(5, 8);
  file.size = leases + 8;
  for (let i = 0; i < leases; i++) {
    w.take(2 + (i % 50), 5, {
      kind: 'layout',
      mode: 'ro',
      coherent: false,
      ...(whole ? {} : { offset: i * BLOCK, length: BLOCK }),
    });
  }
  return w;
}

function perTurn(times: number, body: (i: number) => void): number {
  const start = performance.now();
  for (let i = 0; i < times; i++) body(i);
  return ((performance.now() - start) * 1000) / times;
}

describe('cost does not grow with the number of leases', () => {
  test.each([
    ['whole-file leases', true],
    ['leases on ranges', false],
  ] as const)('10,000 on one file: %s', (_, whole) => {
    const costs = [100, 10_000].map((n) => {
      const w = filled(n, whole);
      const changes = [{ row: 'write-in-place' as const, offset: 50 * BLOCK, length: BLOCK }];
      const actor = w.actor(99);
      const judged = visits(w, 5, () =>
        expect(w.leases.judge(5, changes, actor, 'write', false)).toEqual({ go: true }),
      );
      const granted = visits(w, 5, () => {
        const lease = w.take(60, 5, { kind: 'layout', mode: 'ro', offset: 50 * BLOCK, length: BLOCK });
        w.giveBack(60, lease.id);
      });
      const judgeUs = perTurn(20_000, () => void w.leases.judge(5, changes, actor, 'write', false));
      const pairUs = perTurn(2000, () => {
        const lease = w.take(60, 5, { kind: 'layout', mode: 'ro', offset: 50 * BLOCK, length: BLOCK });
        w.giveBack(60, lease.id);
      });
      return { n, judged, granted, judgeUs, pairUs };
    });
    for (const c of costs)
      console.log(`${c.n} leases: judge ${c.judgeUs.toFixed(2)} us, get+return ${c.pairUs.toFixed(1)} us`);
    const [few, many] = costs;
    expect(many.judged).toBeLessThanOrEqual(2 * few.judged + 8);
    expect(many.granted).toBeLessThanOrEqual(2 * few.granted + 16);
    expect(many.judged).toBeLessThan(100);
  });

  test('100,000 leases on 10,000 files; an inode without leases costs nothing', () => {
    const w = new World({ leasesPerSession: 1e9 }, 16);
    for (let ino = 10; ino < 10_010; ino++)
      w.files.set(ino, { ino, blocks: new Map(), size: 8, gen: 1, sealed: 0, linked: true });
    const start = performance.now();
    for (let i = 0; i < 100_000; i++) w.take(2 + (i % 50), 10 + (i % 10_000), { kind: 'layout', mode: 'ro' });
    const each = ((performance.now() - start) * 1000) / 100_000;
    expect(w.leases.stats().leases).toBe(100_000);
    const hasNs = perTurn(1_000_000, (i) => void w.leases.has(20_000 + (i & 1023))) * 1000;
    console.log(`get ${each.toFixed(1)} us each, has() without leases ${hasNs.toFixed(0)} ns`);
    expect(w.leases.has(3)).toBe(false);
    w.leases.sessionClosed(2);
    expect(w.leases.stats().leases).toBe(98_000);
  });

  test('a recall of 1,000 holders: one event each, and the operation goes on with the last return', () => {
    const w = new World({ leasesPerSession: 1e9 }, 16);
    w.create(5, 8);
    const ids = Array.from({ length: 1000 }, (_, i) => w.take(100 + i, 5, { kind: 'direct' }).id);
    const told = w.shrink(2, 5, 4);
    // Others are served in between.
    expect(w.events.filter((e) => e.event.event === 'recall').length).toBeLessThan(100);
    w.clock.advance(1);
    expect(w.events.filter((e) => e.event.event === 'recall')).toHaveLength(1000);
    let slowest = 0;
    let looked = 0;
    ids.forEach((id, i) => {
      expect(told.errno).toBeUndefined();
      const start = performance.now();
      looked += visits(w, 5, () => w.giveBack(100 + i, id));
      slowest = Math.max(slowest, performance.now() - start);
    });
    expect(told.errno).toBe(0);
    console.log(`slowest return of 1,000: ${slowest.toFixed(2)} ms`);
    // Not a look at all the others with every return.
    expect(looked).toBeLessThan(20_000);
  });
});
