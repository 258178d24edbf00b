import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import SQLite from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { migrate } from '../../src/volume/schema.ts';
import { append, extentsOf, INSERT, made, newFolder, opened } from './fixture.ts';

const otherHost = { bootId: 'another boot', pid: 1, start: 1 };

describe('recovery', () => {
  test('unsynced extents: written when only the daemon died, unwritten when the host did', () => {
    for (const [host, state] of [
      [undefined, 1],
      [otherHost, 0],
    ] as const) {
      const image = made();
      const first = opened(image);
      append(first, 5, 0, 300);
      first.commits.commitBuffered();
      expect(extentsOf(first, 5)).toEqual([[0, 300, 1, 2]]);
      first.abandon();
      const second = opened(image, { host });
      expect(extentsOf(second, 5)).toEqual([[0, 300, 1, state]]);
      expect(second.recovery).toMatchObject({ clean: false, unsynced: 1 });
      expect(second.recovery.sameBoot).toBe(host === undefined);
    }
  });

  test('uncommitted work is gone, committed work is there, the epoch rises with every mount', () => {
    const image = made();
    const first = opened(image, { redo: false });
    first.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    first.commits.commitBuffered();
    first.database.mutation(INSERT).run(6, 0, 301, 1, 1);
    first.abandon();
    const second = opened(image);
    expect([extentsOf(second, 5).length, extentsOf(second, 6).length, second.epoch]).toEqual([1, 0, 2]);
    expect(second.commits.sequence).toBe(first.commits.sequence);
  });

  test('steps of other layers run in order, and are durable before the volume is ready', () => {
    const volume = opened(made());
    const seen: number[] = [];
    volume.onRecover(() => seen.push(1));
    volume.onRecover(() => {
      seen.push(2);
      volume.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    });
    expect(volume.ready()).toBe(0);
    expect(seen).toEqual([1, 2]);
    expect(volume.commits.durable).toBe(volume.commits.sequence - 1);
  });

  test('unsynced work is found by an index: the cost follows it, not the volume', () => {
    const plan = opened(made()).database.query('EXPLAIN QUERY PLAN UPDATE extent SET state = 1 WHERE state = 2').all();
    expect(JSON.stringify(plan)).toMatch(/extent_unsynced/);
  });

  test('the database keeps its settings: WAL, 4096-byte pages, no sync by SQLite at COMMIT', () => {
    const { connection } = opened(made()).database;
    const get = (name: string) => connection.pragma(name, { simple: true });
    expect([get('journal_mode'), get('page_size'), get('synchronous'), get('wal_autocheckpoint')]).toEqual([
      'wal',
      4096,
      1,
      0,
    ]);
    expect([get('cell_size_check'), get('mmap_size'), get('temp_store')]).toEqual([1, 0, 2]);
  });
});

describe('migrations', () => {
  test('run step by step in one transaction; a missing or failing step changes nothing', () => {
    const folder = newFolder();
    const steps = pathToFileURL(`${folder}/`);
    fs.writeFileSync(path.join(folder, '002.sql'), 'CREATE TABLE a (x);');
    fs.writeFileSync(path.join(folder, '003.sql'), 'INSERT INTO a VALUES (1); CREATE TABLE b (y);');
    const connection = new SQLite(':memory:');
    connection.pragma('user_version = 1');
    expect(() => migrate(connection, 1, 4, steps)).toThrow(expect.objectContaining({ code: 'TOO_NEW' }));
    expect(connection.prepare('SELECT count(*) FROM sqlite_schema').pluck().get()).toBe(0);
    expect(migrate(connection, 1, 3, steps)).toBe(2);
    expect(connection.pragma('user_version', { simple: true })).toBe(3);
    fs.writeFileSync(path.join(folder, '004.sql'), 'DROP TABLE a; INSERT INTO nowhere VALUES (1);');
    expect(() => migrate(connection, 3, 4, steps)).toThrow(/nowhere/);
    expect(connection.prepare('SELECT x FROM a').pluck().all()).toEqual([1]);
    connection.close();
  });
});
