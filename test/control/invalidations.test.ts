import { expect, test } from 'vitest';
import { Invalidations } from '../../src/control/invalidations.ts';
import { E } from '../../src/system/errno.ts';

const MIB = 2 ** 20;

/** What is sent for a range: offset and length, 0 for "to the end"; and how many were on their way at once. */
async function sent(from: number, to: number, size: number, answer: (at: number) => number = () => 0) {
  const parts: [number, number][] = [];
  let underWay = 0;
  let most = 0;
  const invalidations = new Invalidations({
    async invalInode(_node, offset, length) {
      parts.push([offset, length]);
      most = Math.max(most, ++underWay);
      await Promise.resolve();
      underWay--;
      return answer(offset);
    },
  });
  return { errno: await invalidations.drop(7, from, to, size), parts, most };
}

test('a short range is one notification, one to any end says so', async () => {
  expect((await sent(4096, 8192, 8192)).parts).toEqual([[4096, 4096]]);
  expect((await sent(0, Number.POSITIVE_INFINITY, 8192)).parts).toEqual([[0, 0]]);
  expect((await sent(0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)).parts).toEqual([[0, 0]]);
});

test.each([
  [3 * MIB, 3],
  [2 ** 30, 1024],
  [2 ** 36, 1024],
  [2 ** 38, 4096],
  // A sparse file may be as long as anybody likes.
  [2 ** 52, 16_384],
  [2 ** 53 - 1, 16_384],
])('%d bytes are covered without a gap, in %d parts', async (length, count) => {
  const { parts, errno, most } = await sent(4096, 4096 + length, 4096 + length);
  expect(errno).toBe(0);
  expect(parts.length).toBe(count);
  expect(most).toBeLessThanOrEqual(3);
  let at = 4096;
  for (const [offset, bytes] of parts) {
    expect(offset).toBe(at);
    at += bytes;
  }
  expect(at).toBe(4096 + length);
});

test('the first error of a part is that of the whole; a node that is not known has no pages', async () => {
  expect((await sent(0, 3 * MIB, 3 * MIB, (at) => (at === MIB ? -E.BUSY : 0))).errno).toBe(E.BUSY);
  expect((await sent(0, 3 * MIB, 3 * MIB, () => -E.NOENT)).errno).toBe(0);
});

test('ranges take turns: a short one does not wait for all of a long one', async () => {
  const nodes: number[] = [];
  const invalidations = new Invalidations({
    async invalInode(node) {
      nodes.push(node);
      await Promise.resolve();
      return 0;
    },
  });
  const long = invalidations.drop(1, 0, 2 ** 52, 2 ** 52);
  await invalidations.drop(2, 0, 4 * MIB, 4 * MIB);
  expect(nodes.filter((node) => node === 2).length).toBe(4);
  expect(nodes.length).toBeLessThan(20);
  await long;
  expect(nodes.length).toBe(16_384 + 4);
});
