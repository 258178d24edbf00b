import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ExtentRun, MAX_FILE_BLOCKS, STATE, type State } from '../../src/blockmap/extent.ts';
import { ExtentMap } from '../../src/blockmap/extentmap.ts';
import { SqliteDatabase } from './stand-in.ts';

const run: ExtentRun = { fileBlock: 0, deviceBlock: -1, length: 0, state: STATE.HOLE };

/** A file whose extents are all apart: even blocks mapped, so that the map has `count` of them. */
function scattered(count: number): { database: SqliteDatabase; map: ExtentMap; model: Map<number, [number, State]> } {
  const database = new SqliteDatabase();
  const insert = database.connection.prepare('INSERT INTO extent VALUES (1, ?, ?, 1, ?)');
  const model = new Map<number, [number, State]>();
  database.begin();
  for (let i = 0; i < count; i++) {
    insert.run(i * 2, 10 + i * 3, i % 2);
    model.set(i * 2, [10 + i * 3, (i % 2) as State]);
  }
  return { database, map: new ExtentMap(database, () => false), model };
}

/** Not by `expect` unless it fails: it is asked a million times. */
function compare(map: ExtentMap, model: Map<number, [number, State]>, block: number): void {
  map.find(1, block, run);
  const expected = model.get(block);
  if (expected ? run.deviceBlock === expected[0] && run.state === expected[1] : run.state === STATE.HOLE) return;
  expect([run.deviceBlock, run.state], `block ${block}`).toEqual(expected ?? [-1, STATE.HOLE]);
}

describe('extents of a file larger than what is kept in memory', () => {
  const COUNT = 5000;
  const change = fc.record({
    block: fc.nat(COUNT * 2),
    length: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 3000 })),
    device: fc.integer({ min: 100_000, max: 100_020 }),
    state: fc.constantFrom<State>(0, 1, 2, 3),
    look: fc.array(fc.nat(COUNT * 2 + 100), { maxLength: 6 }),
  });

  test('find and set agree with a map of single blocks, wherever the window is', () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 3, maxLength: 12 }), (changes) => {
        const { database, map, model } = scattered(COUNT);
        for (const { block, length, device, state, look } of changes) {
          map.set(1, block, length, device, state);
          for (let b = block; b < block + length; b++) {
            if (state === STATE.HOLE) model.delete(b);
            else model.set(b, [device + b - block, state]);
          }
          for (const b of [...look, block - 1, block, block + length - 1, block + length]) {
            if (b >= 0) compare(map, model, b);
          }
        }
        // Walking through finds every block once, and the table says the same.
        let mapped = 0;
        for (let block = 0; block < COUNT * 3; block += run.length) {
          map.find(1, block, run);
          if (run.state !== STATE.HOLE) {
            compare(map, model, block);
            mapped += run.length;
          }
        }
        expect(mapped).toBe(model.size);
        const sum = database.connection.prepare('SELECT sum(length) FROM extent').pluck().get();
        expect(sum ?? 0).toBe(model.size);
        database.connection.close();
      }),
      { numRuns: 25, seed: 4 },
    );
  });

  test('behind the last block that a file can have is a hole without an end', () => {
    const { map } = scattered(COUNT);
    for (const block of [MAX_FILE_BLOCKS - 1, MAX_FILE_BLOCKS, MAX_FILE_BLOCKS * 2 - 1]) {
      map.find(1, block, run);
      expect([run.state, run.length > 0]).toEqual([STATE.HOLE, true]);
    }
  });

  test('a block that is looked up again costs no statement, reading in order one for many', () => {
    const { database, map } = scattered(COUNT);
    map.find(1, 6000, run);
    const before = database.statements;
    for (let i = 0; i < 100; i++) map.find(1, 6000, run);
    expect(database.statements).toBe(before);
    for (let block = 6001; block < 8000; block++) map.find(1, block, run);
    expect(database.statements - before).toBeLessThan(20);
  });

  test('memory stays under its bound while many files are looked at', () => {
    const database = new SqliteDatabase();
    const insert = database.connection.prepare('INSERT INTO extent VALUES (?, ?, ?, 1, 1)');
    database.begin();
    for (let ino = 1; ino <= 200; ino++) for (let i = 0; i < 500; i++) insert.run(ino, i * 2, ino * 1000 + i);
    const map = new ExtentMap(database, () => false);
    const limit = 400_000;
    Object.assign(map.sheets, { limit });
    for (let ino = 1; ino <= 200; ino++) {
      map.find(ino, 500, run);
      expect(run.deviceBlock).toBe(ino * 1000 + 250);
      expect(map.sheets.memory).toBeLessThanOrEqual(limit);
    }
    map.find(1, 998, run);
    expect(run.deviceBlock).toBe(1499);
  });
});
