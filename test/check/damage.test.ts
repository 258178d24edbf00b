import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { check, FSCK_EXIT } from '../../src/check/index.ts';
import { type Fixture, volume } from './fixture.ts';

interface Damage {
  code: string;
  what: string;
  /** Mended by -p already. */
  safe: boolean;
  sql: string;
  /** Other findings that the same damage must bring; no others are allowed in report mode. */
  also?: string[];
  /** What the repair must have kept or set. */
  after?: (fixture: Fixture) => void;
}

const insertInode = (ino: number, mode: number, nlink: number, more = ''): string =>
  `INSERT INTO inode (ino, mode, uid, gid, nlink, size, blocks, atime_s, atime_ns, mtime_s, mtime_ns, ctime_s, ctime_ns, btime_s, btime_ns)
     VALUES (${ino}, ${mode}, 0, 0, ${nlink}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0); UPDATE volume SET inodes = inodes + 1; ${more}`;
const names = (fixture: Fixture, parent: number): string[] =>
  fixture.rows(`SELECT name FROM dentry WHERE parent = ${parent} ORDER BY name`).map((row) => String(row.name));
const lost = (fixture: Fixture): string[] =>
  names(fixture, Number(fixture.value(`SELECT ino FROM dentry WHERE parent = 1 AND name = x'6c6f73742b666f756e64'`)));
const bit = (group: number, block: number, value: number): string => {
  const at = block >> 3;
  const mask = 1 << (block & 7);
  return `UPDATE space SET bitmap = CAST(substr(bitmap, 1, ${at}) || ${
    value ? `x'${mask.toString(16).padStart(2, '0')}'` : `x'00'`
  } || substr(bitmap, ${at + 2}) AS BLOB) WHERE number = ${group}`;
};

const DAMAGES: Damage[] = [
  // inodes
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
  // symbolic links, attributes, orphans
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
  // names
  {
    code: 'name-dangling',
    what: 'a name that leads nowhere',
    safe: true,
    sql: `INSERT INTO dentry VALUES (1, x'78', 9, 15, 8)`,
    after: (f) => expect(names(f, 1)).not.toContain('x'),
  },
  {
    code: 'name-place',
    what: 'a name in a file',
    safe: false,
    sql: insertInode(15, 0o100644, 1, `INSERT INTO dentry VALUES (3, x'78', 1, 15, 8)`),
    also: ['next-cookie?'],
    after: (f) => expect(lost(f)).toEqual(['#15']),
  },
  {
    code: 'name-of-root',
    what: 'a name of the root',
    safe: false,
    sql: `INSERT INTO dentry VALUES (2, x'78', 9, 1, 4)`,
    also: ['link-count'],
  },
  {
    code: 'name-illegal',
    what: 'a name with a slash',
    safe: false,
    sql: `UPDATE dentry SET name = x'612f62' WHERE parent = 1 AND ino = 4`,
    after: (f) => expect(names(f, 1)).toContain('#4'),
  },
  {
    code: 'name-illegal',
    what: 'a name of two dots',
    safe: false,
    sql: `UPDATE dentry SET name = x'2e2e' WHERE parent = 1 AND ino = 4`,
  },
  {
    code: 'name-illegal',
    what: 'a name of 256 bytes',
    safe: false,
    sql: `UPDATE dentry SET name = CAST(printf('%.256c', 'n') AS BLOB) WHERE parent = 1 AND ino = 4`,
  },
  {
    code: 'name-type',
    what: 'a name of the wrong type',
    safe: true,
    sql: 'UPDATE dentry SET type = 4 WHERE parent = 1 AND ino = 4',
  },
  {
    code: 'cookie-shared',
    what: 'two names with one cookie',
    safe: true,
    sql: 'UPDATE dentry SET cookie = 5 WHERE parent = 1 AND ino = 5',
    after: (f) => expect(f.value('SELECT count(DISTINCT cookie) FROM dentry WHERE parent = 1')).toBe(5),
  },
  {
    code: 'next-cookie',
    what: 'a cookie that would be given again',
    safe: true,
    sql: 'UPDATE inode SET next_cookie = 4 WHERE ino = 2',
    after: (f) => expect(f.value('SELECT next_cookie FROM inode WHERE ino = 2')).toBe(5),
  },
  // tree and links
  {
    code: 'directory-names',
    what: 'a directory with two names: the one its parent agrees with stays',
    safe: false,
    sql: `INSERT INTO dentry VALUES (1, x'78', 9, 8, 4)`,
    also: ['link-count'],
    after: (f) => {
      expect(names(f, 1)).not.toContain('x');
      expect(names(f, 2)).toContain('e');
    },
  },
  { code: 'directory-parent', what: 'a wrong parent', safe: true, sql: 'UPDATE inode SET parent = 1 WHERE ino = 8' },
  {
    code: 'directory-parent',
    what: 'a root below something',
    safe: true,
    sql: 'UPDATE inode SET parent = 2 WHERE ino = 1',
  },
  {
    code: 'directory-lost',
    what: 'a directory without a name: it and all below it are found again',
    safe: false,
    sql: 'DELETE FROM dentry WHERE ino = 2',
    also: ['link-count'],
    after: (f) => {
      expect(lost(f)).toEqual(['#2']);
      expect(names(f, 2)).toEqual(['a', 'e']);
    },
  },
  {
    code: 'directory-lost',
    what: 'an unlinked directory that is not empty',
    safe: false,
    sql: insertInode(
      15,
      0o40755,
      0,
      `INSERT INTO orphan VALUES (15); UPDATE dentry SET parent = 15 WHERE ino = 10;
      UPDATE inode SET next_cookie = 20 WHERE ino = 15`,
    ),
    after: (f) => expect(lost(f)).toEqual(['#15']),
  },
  {
    code: 'directory-ring',
    what: 'a directory inside itself',
    safe: false,
    sql: 'UPDATE dentry SET parent = 8, cookie = 9 WHERE ino = 2; UPDATE inode SET parent = 8 WHERE ino = 2; UPDATE inode SET nlink = 3 WHERE ino = 8; UPDATE inode SET nlink = 2 WHERE ino = 1',
    after: (f) => expect(names(f, 2)).toContain('a'),
  },
  {
    code: 'file-lost',
    what: 'a file without a name',
    safe: false,
    sql: 'DELETE FROM dentry WHERE ino = 4',
    after: (f) => expect(lost(f)).toEqual(['#4']),
  },
  {
    code: 'link-count',
    what: 'a link too many',
    safe: true,
    sql: 'UPDATE inode SET nlink = 3 WHERE ino = 3',
    after: (f) => expect(f.value('SELECT nlink FROM inode WHERE ino = 3')).toBe(2),
  },
  { code: 'link-count', what: 'no link, and a name', safe: true, sql: 'UPDATE inode SET nlink = 0 WHERE ino = 4' },
  {
    code: 'link-count',
    what: 'a directory that forgot its child',
    safe: true,
    sql: 'UPDATE inode SET nlink = 2 WHERE ino = 2',
  },
  // extents and blocks
  {
    code: 'extent-owner',
    what: 'a directory with blocks',
    safe: false,
    sql: 'INSERT INTO extent VALUES (2, 0, 7000, 1, 1)',
    also: ['inode-blocks', 'space-in-use'],
  },
  {
    code: 'extent-file-limit',
    what: 'blocks before the file',
    safe: false,
    sql: 'UPDATE extent SET file_block = -5 WHERE ino = 3 AND file_block = 0',
  },
  {
    code: 'extent-device-limit',
    what: 'blocks in the header',
    safe: false,
    sql: 'UPDATE extent SET device_block = 250 WHERE ino = 3 AND file_block = 0',
    also: ['space-in-use'],
    after: (f) =>
      expect(f.rows('SELECT file_block, device_block, length FROM extent WHERE ino = 3 AND file_block < 20')).toEqual([
        { file_block: 6, device_block: 256, length: 4 },
      ]),
  },
  {
    code: 'extent-device-limit',
    what: 'blocks behind the device',
    safe: false,
    sql: 'UPDATE extent SET device_block = 39995 WHERE ino = 3 AND file_block = 0',
    also: ['space-leaked', 'space-in-use'],
    after: (f) => expect(f.value('SELECT length FROM extent WHERE ino = 3 AND file_block = 0')).toBe(5),
  },
  {
    code: 'extent-overlap',
    what: 'two extents for one file block',
    safe: false,
    sql: 'INSERT INTO extent VALUES (3, 8, 7000, 4, 1); UPDATE inode SET blocks = 19 WHERE ino = 3',
    also: ['space-in-use'],
    after: (f) =>
      expect(
        f.rows('SELECT file_block, device_block, length FROM extent WHERE ino = 3 AND device_block > 6000'),
      ).toEqual([{ file_block: 10, device_block: 7002, length: 2 }]),
  },
  {
    code: 'inode-blocks',
    what: 'a wrong count of blocks',
    safe: true,
    sql: 'UPDATE inode SET blocks = 14 WHERE ino = 3',
  },
  {
    code: 'space-leaked',
    what: 'a block of nobody',
    safe: true,
    sql: `${bit(0, 7000, 1)}; UPDATE space SET free = free - 1 WHERE number = 0`,
  },
  {
    code: 'space-leaked',
    what: 'a block of nobody in a group without others',
    safe: true,
    sql: `DELETE FROM quarantine WHERE device_block = 35000`,
  },
  { code: 'space-in-use', what: 'a block of a file that is free in the bitmap', safe: true, sql: bit(0, 1008, 0) },
  {
    code: 'space-in-use',
    what: 'a group of which the bitmap is gone',
    safe: true,
    sql: 'DELETE FROM space WHERE number = 1',
  },
  {
    code: 'space-count',
    what: 'a wrong count of free blocks',
    safe: true,
    sql: 'UPDATE space SET free = free + 7 WHERE number = 1',
  },
  { code: 'space-size', what: 'a short bitmap', safe: true, sql: `UPDATE space SET bitmap = x'ff' WHERE number = 1` },
  {
    code: 'space-group',
    what: 'a group behind the device',
    safe: true,
    sql: 'INSERT INTO space VALUES (2, 32768, zeroblob(4096))',
  },
  {
    code: 'shared-count',
    what: 'a wrong count of sharers',
    safe: true,
    sql: 'UPDATE shared SET count = 3 WHERE device_block = 3000',
  },
  {
    code: 'shared-surplus',
    what: 'blocks of one file recorded as shared',
    safe: true,
    sql: 'INSERT INTO shared VALUES (1000, 4, 2)',
    after: (f) => expect(f.value('SELECT count(*) FROM shared WHERE device_block = 1000')).toBe(0),
  },
  {
    code: 'shared-overlap',
    what: 'two rows for one shared block',
    safe: true,
    sql: 'UPDATE shared SET length = 4 WHERE device_block = 3000',
    also: ['shared-count?'],
  },
  {
    code: 'block-crossed',
    what: 'a block of two files that is not recorded as shared',
    safe: false,
    sql: 'DELETE FROM shared WHERE device_block = 3000',
    after: (f) => expect(f.value('SELECT sum(length) FROM shared WHERE count = 2')).toBe(8),
  },
  // leases and quarantine
  {
    code: 'lease-word',
    what: 'a state that does not exist',
    safe: false,
    sql: `UPDATE lease SET state = 'HELD' WHERE id = 1`,
    after: (f) => expect(f.value('SELECT state FROM lease WHERE id = 1')).toBe('ORPHANED'),
  },
  {
    code: 'lease-file',
    what: 'a lease without a file',
    safe: false,
    sql: 'UPDATE lease SET ino = 15 WHERE id = 1',
    after: (f) => expect(f.value('SELECT state FROM lease WHERE id = 1')).toBe('REVOKED'),
  },
  {
    code: 'lease-range',
    what: 'a range of half blocks',
    safe: false,
    sql: 'UPDATE lease SET offset = 100 WHERE id = 1',
    after: (f) => expect(f.rows('SELECT offset, length FROM lease WHERE id = 1')).toEqual([{ offset: 0, length: -1 }]),
  },
  { code: 'lease-epoch', what: 'an epoch to come', safe: true, sql: 'UPDATE lease SET epoch = 9 WHERE id = 1' },
  {
    code: 'lease-parent',
    what: 'a sub-lease of nothing',
    safe: false,
    sql: 'UPDATE lease SET parent = 17 WHERE id = 1',
  },
  {
    code: 'lease-double',
    what: 'two exclusive leases on one range',
    safe: false,
    sql: `UPDATE lease SET kind = 'exclusive' WHERE id = 1; UPDATE lease SET kind = 'exclusive', state = 'GRANTED', ino = 9, pid = pid + 1 WHERE id = 2`,
    after: (f) =>
      expect(f.rows('SELECT state FROM lease ORDER BY id')).toEqual([{ state: 'GRANTED' }, { state: 'ORPHANED' }]),
  },
  {
    code: 'lease-hole',
    what: 'a hole under a direct lease',
    safe: false,
    sql: 'UPDATE extent SET length = 15 WHERE ino = 9; UPDATE inode SET blocks = 15 WHERE ino = 9',
    also: ['space-leaked'],
  },
  {
    code: 'quarantine-lease',
    what: 'a quarantine of which the lease is gone: it stays',
    safe: true,
    sql: 'DELETE FROM lease WHERE id = 2',
    after: (f) => expect(f.value('SELECT sum(length) FROM quarantine')).toBe(6),
  },
  {
    code: 'quarantine-limit',
    what: 'a quarantine behind the device',
    safe: false,
    sql: 'UPDATE quarantine SET length = 6000 WHERE device_block = 35000',
    also: ['space-in-use'],
  },
  {
    code: 'quarantine-overlap',
    what: 'two quarantines of one block',
    safe: true,
    sql: `INSERT INTO quarantine SELECT 6002, 2, lease, ino, epoch, reason, since_s FROM quarantine WHERE device_block = 6000`,
  },
];

async function run(fixture: Fixture, mode: 'report' | 'preen' | 'all') {
  const report = await check(fixture.image, { mode, now: 1_700_000_100 });
  expect(report.refused).toBeUndefined();
  return report;
}

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

describe.each(DAMAGES)('$code: $what', ({ code, safe, sql, also = [], after }) => {
  test('is found without a change, mended, and gone', async () => {
    const fixture = volume();
    fixture.damage(sql);
    const before = readFileSync(`${fixture.image}.meta`);

    const found = await run(fixture, 'report');
    expect(found.exitCode).toBe(FSCK_EXIT.UNCORRECTED);
    const allowed = new Set([code, ...also.map((name) => name.replace('?', ''))]);
    expect(Object.keys(found.counts).filter((name) => !allowed.has(name))).toEqual([]);
    for (const name of [code, ...also.filter((entry) => !entry.endsWith('?'))])
      expect(found.counts).toHaveProperty(name);
    expect(readFileSync(`${fixture.image}.meta`).equals(before)).toBe(true);

    const preened = await run(fixture, 'preen');
    const still = preened.problems.filter((problem) => problem.code === code && !problem.repaired);
    expect(still.length > 0).toBe(!safe);
    if (safe) expect(preened.exitCode & FSCK_EXIT.CORRECTED).toBe(FSCK_EXIT.CORRECTED);

    const mended = await run(fixture, 'all');
    expect(mended.problems.filter((problem) => !problem.repaired)).toEqual([]);
    if (!safe) expect(mended.exitCode).toBe(FSCK_EXIT.CORRECTED);

    const again = await run(fixture, 'report');
    expect(again.problems).toEqual([]);
    expect(again.exitCode).toBe(FSCK_EXIT.CLEAN);
    after?.(fixture);
  });
});
