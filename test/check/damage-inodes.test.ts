import { expect, test } from 'vitest';
import { FSCK_EXIT } from '../../src/check/index.ts';
import { lost, names, run, testDamages } from './damages.ts';
import { volume } from './fixture.ts';

test('an undamaged volume is clean, and is counted', async () => {
  const fixture = volume();
  const report = await run(fixture, 'report');
  expect(report.problems).toEqual([]);
  expect(report.exitCode).toBe(FSCK_EXIT.CLEAN);
  expect(report.totals).toEqual({
    inodes: 10,
    directories: 3,
    extents: 6,
    blocks: 40000,
    used: 256 + 10 + 5 + 8 + 2 + 16 + 6,
    quarantined: 6,
  });
});

testDamages([
  {
    code: 'inode-number',
    what: 'an inode number of the control directory',
    safe: false,
    sql: `UPDATE inode SET ino = 4503599627370497 WHERE ino = 10; UPDATE dentry SET ino = 4503599627370497 WHERE ino = 10`,
    after: (f) =>
      expect(
        f.value(`SELECT i.mode FROM dentry d JOIN inode i ON i.ino = d.ino WHERE d.parent = 8 AND d.type = 1`),
      ).toBe(0o10644),
  },
  {
    code: 'inode-missing',
    what: 'the inode of a file, its extents still there: the name stays',
    safe: false,
    sql: 'DELETE FROM inode WHERE ino = 4',
    also: ['inode-count'],
    after: (f) => {
      expect(names(f, 1)).toContain('b');
      expect(f.rows('SELECT size, blocks, nlink, mode FROM inode WHERE ino = 4')).toEqual([
        { size: 8 * 4096, blocks: 8, nlink: 1, mode: 0o100600 },
      ]);
    },
  },
  {
    code: 'inode-missing',
    what: 'the inode of a directory',
    safe: false,
    sql: 'DELETE FROM inode WHERE ino = 8',
    also: ['inode-count', 'link-count', 'directory-lost?'],
    after: (f) => expect(names(f, 8)).toEqual(['f', 'fifo']),
  },
  {
    code: 'inode-missing',
    what: 'the inode of a symbolic link without a name',
    safe: false,
    sql: `DELETE FROM inode WHERE ino = 6; DELETE FROM dentry WHERE ino = 6`,
    also: ['inode-count'],
    after: (f) => expect(lost(f)).toEqual(['#6']),
  },
  {
    code: 'root-missing',
    what: 'the root directory',
    safe: false,
    sql: 'DELETE FROM inode WHERE ino = 1',
    also: ['inode-count'],
    after: (f) => expect(names(f, 1)).toEqual(['b', 'c', 'd', 'hard', 'l']),
  },
  {
    code: 'root-type',
    what: 'a root that is no directory',
    safe: false,
    sql: 'UPDATE inode SET mode = 33188 WHERE ino = 1',
    also: ['name-place', 'inode-parent'],
    after: (f) => expect(names(f, 1)).toEqual(['b', 'c', 'd', 'hard', 'l']),
  },
  {
    code: 'inode-type',
    what: 'a mode without a type',
    safe: false,
    sql: 'UPDATE inode SET mode = 420 WHERE ino = 9',
    also: ['name-type', 'extent-owner', 'lease-file'],
    after: (f) => expect(f.value('SELECT mode FROM inode WHERE ino = 9')).toBe(0o100644),
  },
  {
    code: 'inode-time',
    what: 'a second of nanoseconds',
    safe: true,
    sql: 'UPDATE inode SET mtime_ns = 1000000000 WHERE ino = 3',
  },
  {
    code: 'inode-owner',
    what: 'an owner of 33 bits',
    safe: false,
    sql: 'UPDATE inode SET uid = 4294967296 WHERE ino = 3',
  },
  {
    code: 'inode-size',
    what: 'a size above the limit',
    safe: false,
    sql: 'UPDATE inode SET size = 9007199254740991 WHERE ino = 3',
    after: (f) => expect(f.value('SELECT size FROM inode WHERE ino = 3')).toBe(25 * 4096),
  },
  { code: 'inode-sealed', what: 'a sealed directory', safe: false, sql: 'UPDATE inode SET sealed = 1 WHERE ino = 2' },
  { code: 'inode-parent', what: 'a file with a parent', safe: true, sql: 'UPDATE inode SET parent = 2 WHERE ino = 3' },
  {
    code: 'inode-generation',
    what: 'a negative generation',
    safe: true,
    sql: 'UPDATE inode SET gen = -1 WHERE ino = 3',
  },
  {
    code: 'next-ino',
    what: 'a counter below a number in use',
    safe: true,
    sql: 'UPDATE volume SET next_ino = 10',
    after: (f) => expect(f.value('SELECT next_ino FROM volume')).toBe(11),
  },
  { code: 'next-lease', what: 'a lease counter below a lease', safe: true, sql: 'UPDATE volume SET next_lease = 2' },
  { code: 'inode-count', what: 'a wrong count of inodes', safe: true, sql: 'UPDATE volume SET inodes = 99' },
  {
    code: 'symlink-target',
    what: 'a symbolic link without its target',
    safe: false,
    sql: 'DELETE FROM symlink',
    after: (f) => expect(names(f, 1)).not.toContain('l'),
  },
  { code: 'symlink-target', what: 'a target with a NUL', safe: false, sql: `UPDATE symlink SET target = x'410041'` },
  { code: 'symlink-stray', what: 'a file with a target', safe: false, sql: `INSERT INTO symlink VALUES (3, x'41')` },
  {
    code: 'symlink-size',
    what: 'a size that is not the length of the target',
    safe: true,
    sql: 'UPDATE inode SET size = 7 WHERE ino = 6',
    after: (f) => expect(f.value('SELECT size FROM inode WHERE ino = 6')).toBe(6),
  },
  { code: 'xattr-stray', what: 'attributes of nobody', safe: true, sql: `INSERT INTO xattr VALUES (15, x'41', x'42')` },
  {
    code: 'xattr-limit',
    what: 'an attribute without a name',
    safe: false,
    sql: `INSERT INTO xattr VALUES (3, x'', x'42')`,
  },
  { code: 'orphan-stray', what: 'an orphan without an inode', safe: true, sql: 'INSERT INTO orphan VALUES (15)' },
  {
    code: 'orphan-linked',
    what: 'an orphan that has a name',
    safe: true,
    sql: 'INSERT INTO orphan VALUES (3)',
    after: (f) => expect(f.rows('SELECT ino FROM orphan')).toEqual([{ ino: 7 }]),
  },
  {
    code: 'orphan-missing',
    what: 'an inode without links that nobody would remove',
    safe: true,
    sql: 'DELETE FROM orphan',
    after: (f) => expect(f.rows('SELECT ino FROM orphan')).toEqual([{ ino: 7 }]),
  },
]);
