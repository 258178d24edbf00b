import fs from 'node:fs';
import path from 'node:path';
import SQLite from 'better-sqlite3';
import { expect, test } from 'vitest';
import { copyMetadata } from '../../src/volume/metadata-copy.ts';
import { made, newFolder, opened } from './fixture.ts';

test('a copy of the metadata is one moment’s and comes to an end, although there are commits all the time', async () => {
  const image = made();
  const volume = opened(image);
  const insert = volume.database.mutation('INSERT INTO xattr (ino, name, value) VALUES (1, ?, ?)');
  const value = Buffer.alloc(3000, 7);
  // More pages than are copied in one turn.
  for (let i = 0; i < 4000; i++) insert.run(Buffer.from(`before${i}`), value);
  expect(volume.commits.commitNow()).toBe(0);
  const copy = path.join(newFolder(), 'copy');
  let commits = 0;
  let copying = true;
  const commit = (): void => {
    if (!copying) return;
    insert.run(Buffer.from(`during${commits++}`), value);
    expect(volume.commits.commitNow()).toBe(0);
    if (commits < 3000) setImmediate(commit);
  };
  setImmediate(commit);
  await copyMetadata(image, copy);
  copying = false;
  expect(commits).toBeGreaterThan(1);
  expect(commits).toBeLessThan(3000);
  expect(fs.statSync(copy).mode & 0o777).toBe(0o600);
  const db = new SQLite(copy);
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
  const there = (like: string) =>
    db.prepare('SELECT count(*) FROM xattr WHERE CAST(name AS TEXT) LIKE ?').pluck().get(like);
  expect(there('before%')).toBe(4000);
  expect(there('during%')).toBe(0);
  db.close();
});
