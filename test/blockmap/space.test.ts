import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { DeviceRun } from '../../src/blockmap/extent.ts';
import type { Value } from '../../src/blockmap/ports.ts';
import { Space } from '../../src/blockmap/space.ts';
import { ManualCommits, SqliteDatabase } from './stand-in.ts';

const GROUP = 32768;

interface Opened {
  database: SqliteDatabase;
  commits: ManualCommits;
  space: Space;
}

let opened: Opened[] = [];

function open(deviceBlocks: number, image?: Buffer, firstBlock = 256): Opened {
  const database = new SqliteDatabase(image);
  const commits = new ManualCommits(database);
  const space = new Space({ database, commits, deviceBlocks, firstBlock });
  const all = { database, commits, space };
  opened.push(all);
  return all;
}

afterEach(() => {
  for (const { database } of opened) database.connection.close();
  opened = [];
});

/** Brute force: the runs of blocks that are in nobody's hands. */
function freeRuns(taken: Uint8Array): DeviceRun[] {
  const runs: DeviceRun[] = [];
  for (let at = taken.indexOf(0); at >= 0; ) {
    const stop = taken.indexOf(1, at);
    const end = stop < 0 ? taken.length : stop;
    runs.push({ start: at, length: end - at });
    at = taken.indexOf(0, end);
  }
  return runs;
}

describe('allocation', () => {
  const BLOCKS = GROUP * 3 + 1000;

  /** Leaves only these runs open. */
  function only(all: Opened, runs: DeviceRun[]): void {
    let at = 256;
    for (const { start, length } of [...runs, { start: BLOCKS, length: 0 }]) {
      if (start > at) expect(all.space.reserve(at, start - at)).toBe(true);
      at = start + length;
    }
  }

  test('takes the blocks at the goal, else the shortest run that is long enough', () => {
    const all = open(BLOCKS);
    only(all, [
      { start: 1000, length: 50 },
      { start: 2000, length: 12 },
      { start: 3000, length: 10 },
      { start: 4000, length: 100 },
    ]);
    expect(all.space.take(4020, 5)).toEqual({ start: 4020, length: 5 });
    expect(all.space.take(500, 10)).toEqual({ start: 3000, length: 10 });
    expect(all.space.take(500, 10)).toEqual({ start: 2000, length: 10 });
    expect(all.space.take(500, 60)).toEqual({ start: 4025, length: 60 });
    expect(all.space.take(500, 60)).toEqual({ start: 1000, length: 50 });
  });

  test('finds a run that crosses groups, and an aligned one wherever there is one', () => {
    const all = open(BLOCKS);
    const border = { start: GROUP * 2 - 700, length: 1500 };
    only(all, [{ start: 700, length: 600 }, border, { start: GROUP * 3 + 5, length: 511 }]);
    expect(all.space.take(0, 1200, { contiguous: true })).toEqual({ start: border.start, length: 1200 });
    all.space.giveBack(border.start, 1200);
    expect(all.space.take(0, 512, { contiguous: true, align: 512 })).toEqual({ start: GROUP * 2 - 512, length: 512 });
    expect(all.space.take(0, 512, { contiguous: true, align: 512 })).toEqual({ start: GROUP * 2, length: 512 });
    expect(all.space.take(0, 512, { contiguous: true, align: 512 })).toBeUndefined();
    expect(all.space.take(0, 500, { contiguous: true, align: 512, phase: 8 })).toEqual({
      start: GROUP * 3 + 8,
      length: 500,
    });
    expect(all.space.take(0, 601, { contiguous: true })).toBeUndefined();
  });

  test('answers exactly like a search through all blocks', () => {
    const N = GROUP * 2 + 300;
    const step = fc.record({
      goal: fc.nat(N - 1),
      want: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 40_000 })),
      align: fc.constantFrom(1, 1, 2, 64, 512),
      contiguous: fc.boolean(),
      free: fc.nat(10),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 25 }), (steps) => {
        const all = open(N);
        const taken = new Uint8Array(N).fill(1, 0, 256);
        const held: DeviceRun[] = [];
        let openBlocks = N - 256;
        for (const { goal, want, align, contiguous, free } of steps) {
          const phase = goal % align;
          const got = all.space.take(goal, want, { align, phase, contiguous });
          const open = freeRuns(taken);
          const fits = open.some(({ start, length }) => {
            const at = start + ((phase - (start % align) + align) % align);
            return at + (contiguous ? want : 1) <= start + length;
          });
          expect(got !== undefined, `a run of ${want}`).toBe(fits);
          if (got) {
            openBlocks -= got.length;
            if (contiguous) expect(got.length).toBe(want);
            expect(got.length).toBeLessThanOrEqual(want);
            expect(got.start % align).toBe(phase);
            expect(taken.subarray(got.start, got.start + got.length).includes(1)).toBe(false);
            taken.fill(1, got.start, got.start + got.length);
            held.push(got);
          }
          if (held.length > 0 && free < 4) {
            const back = held.splice(free % held.length, 1)[0];
            taken.fill(0, back.start, back.start + back.length);
            openBlocks += back.length;
            all.space.giveBack(back.start, back.length);
          }
          expect(all.space.open).toBe(openBlocks);
        }
        all.database.connection.close();
        opened.pop();
      }),
      { numRuns: 40, seed: 11 },
    );
  });
});

describe('what was freed', () => {
  test('counts as free at once and is given out only when its transaction is durable', () => {
    const { space, commits } = open(1000);
    const run = space.allocate(0, 744) as DeviceRun;
    expect(run).toEqual({ start: 256, length: 744 });
    commits.commit();
    space.release(300, 10);
    expect([space.free, space.open, space.awaiting]).toEqual([10, 0, 10]);
    expect(space.take(0, 1)).toBeUndefined();
    commits.commit();
    expect(space.take(0, 20)).toEqual({ start: 300, length: 10 });
  });

  test('is made durable when there is nothing else, by one commit', () => {
    const { space, commits } = open(1000);
    space.allocate(0, 744);
    commits.commit();
    space.release(300, 10);
    expect(space.ensure(11)).toBe(false);
    expect(commits.commits).toBe(1);
    expect(space.ensure(10)).toBe(true);
    expect(commits.commits).toBe(2);
  });

  test('twice is a bug that throws', () => {
    const { space } = open(1000);
    space.allocate(0, 10);
    space.release(256, 5);
    expect(() => space.release(258, 1)).toThrow(/free already/);
    expect(() => space.release(990, 20)).toThrow(/not on the device/);
  });

  test('in an excluded range stays away from everybody until it is readmitted', () => {
    const { space, commits } = open(1000);
    space.allocate(0, 744);
    commits.commit();
    space.exclude({ start: 400, length: 100 });
    space.release(390, 20);
    commits.commit();
    expect(space.take(0, 50)).toEqual({ start: 390, length: 10 });
    expect(space.take(0, 50)).toBeUndefined();
    space.release(410, 5);
    space.readmit({ start: 400, length: 100 });
    expect(space.take(0, 50)).toEqual({ start: 400, length: 10 });
    expect(space.take(0, 50)).toBeUndefined();
    commits.commit();
    expect(space.take(0, 50)).toEqual({ start: 410, length: 5 });
  });
});

describe('the table', () => {
  const N = GROUP + 500;
  const steps = fc.array(fc.record({ goal: fc.nat(N - 1), want: fc.integer({ min: 1, max: 3000 }), free: fc.nat(9) }), {
    minLength: 3,
    maxLength: 30,
  });

  function play(all: Opened, list: { goal: number; want: number; free: number }[], commitAt: number): void {
    const held: DeviceRun[] = [];
    list.forEach(({ goal, want, free }, i) => {
      if (i === commitAt) all.commits.commit();
      const run = all.space.allocate(goal, want);
      if (run) held.push(run);
      if (free < 5 && held.length > 0) {
        const back = held.splice(free % held.length, 1)[0];
        all.space.release(back.start, back.length);
      }
    });
  }

  test('opened again has the same free runs, and a group without a block in use has no row', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const all = open(N);
        play(all, list, 5);
        all.commits.commit();
        const again = open(N, all.database.connection.serialize());
        expect(again.space.free).toBe(all.space.free);
        expect([...again.space.freeRuns()]).toEqual([...all.space.freeRuns()]);
        for (const { start, length } of [...usedRuns(again.space, N)]) again.space.release(start, length);
        again.commits.commit();
        expect(again.space.free).toBe(N - 256);
        expect(again.database.connection.prepare('SELECT number FROM space').pluck().all()).toEqual([0]);
      }),
      { numRuns: 40, seed: 5 },
    );
  });

  test('after a crash of the daemon alone, the redo log brings it to where it was', () => {
    fc.assert(
      fc.property(steps, fc.nat(10), (list, commitAt) => {
        const all = open(N);
        const log: [string, Value[]][] = [];
        let image = all.database.connection.serialize();
        all.database.log = (sql, args) => log.push([sql, args]);
        const { commit } = all.commits;
        all.commits.commit = function (this: ManualCommits, ...args) {
          commit.apply(this, args);
          log.length = 0;
          image = all.database.connection.serialize();
        };
        play(all, list, commitAt);
        const restored = new SqliteDatabase(image);
        for (const [sql, args] of log) restored.connection.prepare(sql).run(...args);
        const again = open(N, restored.connection.serialize());
        restored.connection.close();
        expect(again.space.free).toBe(all.space.free);
        expect([...again.space.freeRuns()]).toEqual([...all.space.freeRuns()]);
      }),
      { numRuns: 40, seed: 6 },
    );
  });
});

function* usedRuns(space: Space, blocks: number): Generator<DeviceRun> {
  let at = 256;
  for (const { start, length } of [...space.freeRuns(), { start: blocks, length: 0 }]) {
    if (start > at) yield { start: at, length: start - at };
    at = start + length;
  }
}
