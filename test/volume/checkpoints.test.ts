import fs from 'node:fs';
import SQLite from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import type { Volume } from '../../src/volume/volume.ts';
import { durable, made, metadataDurable, opened, TellingIo } from './fixture.ts';

const WAL_BOUND = 24 << 20;

function fill(volume: Volume, from: number, count: number): void {
  const put = volume.database.mutation('INSERT OR REPLACE INTO xattr (ino, name, value) VALUES (?, ?, ?)');
  for (let i = from; i < from + count; i++) put.run(i, Buffer.from('user.x'), Buffer.alloc(3000, i));
}

describe('checkpoints', () => {
  test('under continuous commits the WAL is started anew again and again, and stays short', async () => {
    const image = made();
    const volume = opened(image);
    let longest = 0;
    for (let round = 0; volume.commits.checkpoints!.resets < 3; round++) {
      if (round > 3000) throw new Error('the WAL was never started anew');
      fill(volume, (round % 100) * 20, 20);
      expect(await durable(volume)).toBe(0);
      longest = Math.max(longest, fs.statSync(`${image}.meta-wal`).size);
    }
    expect(longest).toBeLessThan(WAL_BOUND);
    expect(volume.close()).toBe(0);
    const reader = new SQLite(`${image}.meta`, { readonly: true });
    expect(reader.pragma('integrity_check', { simple: true })).toBe('ok');
    reader.close();
  });

  test('a reader of an old state delays that, keeps his state, and breaks nothing', async () => {
    const image = made();
    const volume = opened(image);
    fill(volume, 0, 10);
    await durable(volume);
    const reader = new SQLite(`${image}.meta`, { readonly: true });
    reader.exec('BEGIN');
    const count = () => reader.prepare('SELECT count(*) FROM xattr').pluck().get();
    expect(count()).toBe(10);
    for (let round = 0; round < 100; round++) {
      fill(volume, 10 + round * 20, 20);
      expect(await metadataDurable(volume)).toBe(0);
    }
    expect(count()).toBe(10);
    expect(volume.commits.checkpoints!.resets).toBe(0);
    reader.exec('COMMIT');
    expect(count()).toBe(2010);
    for (let round = 0; volume.commits.checkpoints!.resets === 0; round++) {
      if (round > 3000) throw new Error('the WAL was never started anew');
      fill(volume, (round % 100) * 20, 20);
      expect(await metadataDurable(volume)).toBe(0);
    }
    expect(count()).toBe(2010);
    reader.close();
  });

  test('the database is synced before the WAL may be reused', async () => {
    const io = new TellingIo();
    const volume = opened(made(), { io });
    io.take();
    for (let round = 0; !io.events.includes('reset'); round++) {
      if (round > 3000) throw new Error('no reset');
      fill(volume, (round % 100) * 20, 20);
      await metadataDurable(volume);
    }
    const events = io.take().filter((event) => ['checkpoint', 'database', 'reset'].includes(event));
    expect(events.slice(0, 2)).toEqual(['checkpoint', 'database']);
    expect(events.at(-1)).toBe('reset');
  });

  test('a database that cannot be synced ends all changing', async () => {
    const io = new TellingIo();
    const volume = opened(made(), { io });
    io.faults.push({ call: 'fdatasync', role: 'database', errno: 5 });
    for (let round = 0; volume.commits.failed === 0; round++) {
      if (round > 3000) throw new Error('it went on');
      fill(volume, (round % 100) * 20, 20);
      await metadataDurable(volume);
    }
    expect(volume.commits.failed).toBe(5);
  });

  test('the WAL is written in advance, so that a sync overwrites', async () => {
    const image = made();
    const volume = opened(image);
    const before = fs.statSync(`${image}.meta-wal`).size;
    expect(before).toBe(32 + 2048 * 4120);
    fill(volume, 0, 100);
    await durable(volume);
    expect(fs.statSync(`${image}.meta-wal`).size).toBe(before);
  });
});
