import { expect } from 'vitest';
import { testDamages } from './damages.ts';

testDamages([
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
]);
