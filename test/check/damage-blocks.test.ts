import { expect } from 'vitest';
import { bit, testDamages } from './damages.ts';

testDamages([
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
]);
