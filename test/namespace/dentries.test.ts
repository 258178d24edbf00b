import { beforeEach, expect, test } from 'vitest';
import { Dentries } from '../../src/namespace/dentries.ts';
import { type Inode, S } from '../../src/namespace/inode.ts';
import { Inodes } from '../../src/namespace/inodes.ts';
import { CAPACITY } from '../../src/namespace/known-names.ts';
import { VirtualClock } from '../../src/system/clock.ts';
import { generator } from '../harness/random.ts';
import { seed } from '../harness/seed.ts';
import { MemoryVolume } from './memory-volume.ts';

const COLUMNS = 'SELECT parent, name, cookie, ino, type FROM dentry ORDER BY parent, cookie';

let volume: MemoryVolume;
let inodes: Inodes;
let dentries: Dentries;
beforeEach(() => {
  volume = new MemoryVolume();
  inodes = new Inodes(volume, { clock: new VirtualClock() });
  dentries = new Dentries(volume, inodes);
});

const directory = (): Inode => inodes.create(S.IFDIR | 0o755, 0, 0);
const file = (): Inode => inodes.create(S.IFREG | 0o644, 0, 0);
const table = (): unknown[] => volume.rows(COLUMNS);

test('a name that comes and goes between two commits never gets into the table', () => {
  volume.sqlite.exec(`CREATE TABLE seen (name);
    CREATE TRIGGER see AFTER INSERT ON dentry BEGIN INSERT INTO seen VALUES (new.name); END`);
  const d = directory();
  dentries.insert(d, Buffer.from('a'), file());
  dentries.remove(d, Buffer.from('a'));
  volume.flush();
  expect(volume.rows('SELECT * FROM seen')).toEqual([]);
  expect([dentries.lookup(d.ino, Buffer.from('a')), dentries.isEmpty(d)]).toEqual([0, true]);
});

test('names are bytes, none is taken for another', () => {
  const d = directory();
  const names = [0x41, 0xc3, 0xff, 0x80].flatMap((byte) => [Buffer.from([byte]), Buffer.from([byte, 0xa4])]);
  const files = names.map((name) => {
    const inode = file();
    dentries.insert(d, name, inode);
    return inode.ino;
  });
  expect(names.map((name) => dentries.lookup(d.ino, name))).toEqual(files);
  volume.flush();
  const again = new Dentries(volume, inodes);
  expect(names.map((name) => again.lookup(d.ino, name))).toEqual(files);
  expect(again.list(d.ino, 0, 100).map(([name]) => name)).toEqual(names);
});

test('when the metadata has failed only what is committed is there', () => {
  const d = directory();
  const kept = file();
  dentries.insert(d, Buffer.from('kept'), kept);
  volume.flush();
  dentries.insert(d, Buffer.from('lost'), file());
  dentries.remove(d, Buffer.from('kept'));
  volume.fail();
  expect(dentries.lookup(d.ino, Buffer.from('kept'))).toBe(kept.ino);
  expect(dentries.lookup(d.ino, Buffer.from('lost'))).toBe(0);
});

test('any order of changes, looks and commits: what is seen, the table and the redo log agree', {
  timeout: 60_000,
}, () => {
  const number = generator(seed);
  const below = (limit: number): number => Math.floor(number() * limit);
  const log = new MemoryVolume();
  const directories = Array.from({ length: 6 }, directory);
  const model = directories.map(() => new Map<string, number>());
  const nameOf = (i: number): Buffer => Buffer.from(`n${i}`);
  const follow = (): void => {
    for (const { sql, args } of volume.noted.splice(0)) {
      if (sql.includes('dentry')) log.sqlite.prepare(sql).run(...args);
    }
  };
  const names = 3000;
  let most = 0;
  for (let step = 0; step < 12_000; step++) {
    const at = below(directories.length);
    const d = directories[at];
    const name = nameOf(below(at === 0 ? 4 : names));
    const has = model[at].get(name.toString());
    expect(dentries.lookup(d.ino, name)).toBe(has ?? 0);
    const what = below(10);
    if (has === undefined && what < 7) {
      const inode = file();
      dentries.insert(d, name, inode);
      model[at].set(name.toString(), inode.ino);
    } else if (has !== undefined && what < 3) {
      dentries.remove(d, name);
      model[at].delete(name.toString());
    } else if (has !== undefined && what < 5) {
      const inode = file();
      dentries.replace(d, name, inode);
      model[at].set(name.toString(), inode.ino);
    }
    if (what === 9 && below(30) === 0) expect(dentries.isEmpty(directories[0])).toBe(model[0].size === 0);
    // Enough to have all forgotten, what is not in the table yet included.
    if (step === 6000) {
      for (let i = 0; i < CAPACITY; i++) {
        expect(dentries.lookup(1, Buffer.from(`no${i}`))).toBe(0);
        most = Math.max(most, dentries.cached);
      }
    }
    if (step % 1000 === 0) {
      follow();
      const listed = dentries.list(d.ino, 0, 100_000);
      expect(new Map(listed.map(([n, , ino]) => [n.toString(), ino]))).toEqual(model[at]);
      expect(listed.map(([, cookie]) => cookie)).toEqual(listed.map(([, cookie]) => cookie).sort((a, b) => a - b));
    }
    if (below(500) === 0) volume.flush();
  }
  volume.flush();
  follow();
  expect(most).toBe(CAPACITY);
  expect(log.rows(COLUMNS)).toEqual(table());
  expect(table()).toHaveLength(model.reduce((n, one) => n + one.size, 0));
});
