import { expect } from 'vitest';
import { insertInode, lost, names, testDamages } from './damages.ts';

testDamages([
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
]);
