import { expect, it } from 'vitest';
import { Handover } from '../../src/mount/handover.ts';
import { Lookups } from '../../src/namespace/lookups.ts';

/** The same memory, as the next daemon sees it. */
const next = (handover: Handover): Handover => Handover.open(handover.fd);

function counts() {
  const done: [string, number, number][] = [];
  return {
    done,
    countLookup: (ino: number, by: number) => done.push(['lookup', ino, by]),
    countOpen: (ino: number, by: number) => done.push(['open', ino, by]),
  };
}

it('counts go on in the next daemon, whatever the size of the table', () => {
  const handover = Handover.create();
  const first = new Lookups(handover.lookups);
  for (let ino = 1; ino <= 5000; ino++) first.add(ino, (ino % 3) + 1);
  for (let ino = 1; ino <= 5000; ino += 2) first.subtract(ino, 3);
  const before = Array.from({ length: 5000 }, (_, i) => first.count(i + 1));
  const second = new Lookups(next(handover).lookups);
  expect(second.size).toBe(before.filter((count) => count > 0).length);
  for (let ino = 1; ino <= 5000; ino++) expect(second.count(ino)).toBe(before[ino - 1]);
  for (let ino = 1; ino <= 5000; ino++) second.subtract(ino, 9);
  const third = new Lookups(next(handover).lookups);
  expect(third.size).toBe(0);
  expect(new Lookups(handover.opens).size).toBe(0);
});

it('an inode that was being moved in the table when the daemon died is counted once', () => {
  const handover = Handover.create();
  const table = new Lookups(handover.lookups);
  for (let ino = 1; ino <= 700; ino++) table.add(ino, 2);
  // What `removeSlot` leaves between two of its stores: an entry both where it was and in the gap before it.
  const { memory, bits } = handover.lookups.existing() ?? { memory: new ArrayBuffer(0), bits: 0 };
  const slots = 1 << bits;
  const occurrences = new Uint32Array(memory, 0, slots);
  const low = new Uint32Array(memory, slots * 4, slots);
  const from = occurrences.findIndex((count, at) => count > 0 && at > 0 && occurrences[at - 1] === 0);
  low[from - 1] = low[from] as number;
  occurrences[from - 1] = occurrences[from] as number;
  const adopted = new Lookups(next(handover).lookups);
  expect(adopted.size).toBe(700);
  for (let ino = 1; ino <= 700; ino++) expect(adopted.count(ino)).toBe(2);
});

it('what an operation counted is taken back for its request, and for no other', () => {
  const handover = Handover.create();
  handover.tally.looked(7);
  handover.tally.opened(7);
  handover.tally.seal(100);
  const other = counts();
  next(handover).tally.takeBack(102, other);
  expect(other.done).toEqual([]);
  const same = counts();
  next(handover).tally.takeBack(100, same);
  expect(same.done).toEqual([
    ['lookup', 7, -1],
    ['open', 7, -1],
  ]);
  const again = counts();
  next(handover).tally.takeBack(100, again);
  expect(again.done, 'only once').toEqual([]);
});

it('an operation that died before its reply was ready leaves nothing to take back', () => {
  const handover = Handover.create();
  handover.tally.looked(7);
  handover.tally.seal(100);
  handover.tally.looked(8);
  const found = counts();
  next(handover).tally.takeBack(100, found);
  next(handover).tally.takeBack(102, found);
  expect(found.done).toEqual([]);
});

it('a RELEASE that comes again does not close twice', () => {
  const handover = Handover.create();
  handover.tally.closing(50, 9);
  const found = counts();
  next(handover).tally.takeBack(50, found);
  expect(found.done).toEqual([['open', 9, 1]]);
});

it('promised replies outlive the daemon until they are out, when their transaction does', () => {
  const handover = Handover.create();
  const { promised } = handover;
  expect(promised.put(11, 0, Buffer.from('first'), 5)).toBe(true);
  expect(promised.put(12, 1, Buffer.from('second'), 6)).toBe(true);
  expect(promised.put(13, 0, Buffer.alloc(4096), 5), 'too long').toBe(false);
  expect([...next(handover).promised.all(5)]).toEqual([[11, 0, Buffer.from('first')]]);
  expect([...next(handover).promised.all(6)].length).toBe(2);
  promised.kept(11);
  expect([...next(handover).promised.all(6)].length, 'perhaps not out yet').toBe(2);
  promised.kept(0);
  expect([...next(handover).promised.all(6)]).toEqual([[12, 1, Buffer.from('second')]]);
});

it('there is room for many promises, and for others when they are out', () => {
  const { promised } = Handover.create();
  let room = 0;
  while (promised.put(room + 1, 0, Buffer.from('x'), 1)) room++;
  expect(room).toBeGreaterThan(500);
  promised.kept(1);
  promised.kept(2);
  expect(promised.put(room + 2, 0, Buffer.from('y'), 1)).toBe(true);
});
