import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RangeIndex } from '../../src/lease/range-index.ts';

interface Item {
  id: number;
  start: number;
  end: number;
  near: number;
  far: number;
}

interface Branch {
  left: Branch | undefined;
  right: Branch | undefined;
}

const range = fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 20 }), fc.boolean());
const op = fc.oneof(
  fc.record({ do: fc.constant('insert' as const), range, near: fc.nat(0xffffff), far: fc.nat(0xfff) }),
  fc.record({ do: fc.constant('remove' as const), which: fc.nat(50) }),
  fc.record({ do: fc.constant('mark' as const), which: fc.nat(50), near: fc.nat(0xffffff), far: fc.nat(0xfff) }),
  fc.record({ do: fc.constant('ask' as const), range }),
);

describe('range index', () => {
  test('answers as a list would, whatever was put in, taken out and marked', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 120 }), (ops) => {
        const index = new RangeIndex<Item>();
        const list: Item[] = [];
        let id = 1;
        for (const o of ops) {
          if (o.do === 'insert') {
            const [start, length, open] = o.range;
            const item = {
              id: id++,
              start,
              end: open ? Number.POSITIVE_INFINITY : start + length,
              near: o.near,
              far: o.far,
            };
            list.push(item);
            index.insert(item.start, item.end, item, item.near, item.far);
          } else if (o.do === 'ask') {
            const start = o.range[0];
            const end = start + o.range[1];
            const hits = list.filter((i) => i.start < end && i.end > start);
            index.masks(start, end);
            expect(index.near).toBe(hits.reduce((m, i) => m | i.near, 0));
            expect(index.far).toBe(hits.reduce((m, i) => m | i.far, 0));
            expect(index.any(start, end)).toBe(hits.length > 0);
            const sorted = hits.sort((a, b) => a.start - b.start || a.id - b.id).map((i) => i.id);
            expect(index.overlapping(start, end).map((i) => i.id)).toEqual(sorted);
          } else if (list.length > 0) {
            const at = o.which % list.length;
            const item = list[at];
            if (o.do === 'remove') {
              list.splice(at, 1);
              expect(index.remove(item.start, item)).toBe(true);
              expect(index.remove(item.start, item)).toBe(false);
            } else {
              item.near = o.near;
              item.far = o.far;
              index.mark(item.start, item, o.near, o.far);
            }
          }
          expect(index.size).toBe(list.length);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('the tree stays low: ids and starts in order do not make a list of it', () => {
    const index = new RangeIndex<Item>();
    for (let id = 1; id <= 100_000; id++) index.insert(id, id + 1, { id, start: id, end: id + 1, near: 1, far: 0 }, 1);
    let depth = 0;
    const measure = (node: Branch | undefined, d: number): void => {
      if (!node) return;
      depth = Math.max(depth, d);
      measure(node.left, d + 1);
      measure(node.right, d + 1);
    };
    measure((index as unknown as { root: Branch | undefined }).root, 1);
    expect(depth).toBeLessThan(70);
  });
});
