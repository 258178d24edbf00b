import type { RecordingIo } from '../../src/volume/recording-io.ts';
import type { StorageIo, StorageRole } from '../../src/volume/storage-io.ts';
import type { Client } from '../../tools/crash/client.ts';
import type { Sabotage } from '../../tools/crash/explorer.ts';

/** A rule of the crash contract, broken from outside, and a workload in which that must show. */
export interface Broken {
  readonly rule: string;
  readonly sabotage: Sabotage;
  readonly workload: readonly string[];
  /** What the explorer's complaint must speak of. */
  readonly complaint: RegExp;
}

/** Storage that answers a sync with success and does not do it. */
function withoutSync(roles: readonly StorageRole[]): (record: RecordingIo) => StorageIo {
  return (record) => ({
    pread: (fd, address, length, offset) => record.pread(fd, address, length, offset),
    pwrite: (fd, address, length, offset) => record.pwrite(fd, address, length, offset),
    fallocate: (fd, mode, offset, length) => record.fallocate(fd, mode, offset, length),
    fdatasync: (fd, role) => (roles.includes(role) ? 0 : record.fdatasync(fd, role)),
    fdatasyncAsync: (fd, role) => (roles.includes(role) ? Promise.resolve(0) : record.fdatasyncAsync(fd, role)),
    mark: (event, sequence) => record.mark(event, sequence),
  });
}

/** Answers waiters of a kind at once. */
function impatient(method: 'whenDurable' | 'whenMetadataDurable'): (client: Client) => void {
  return ({ volume }) => {
    volume.commits[method] = (fn) => void setImmediate(() => fn(0));
  };
}

export const BROKEN: readonly Broken[] = [
  {
    rule: '1: fsync without a sync of the device',
    sabotage: { io: withoutSync(['device']) },
    workload: ['write /a 0+8192', 'fsync /'],
    complaint: /is in none of states/,
  },
  {
    rule: '1: fsync without a sync of the WAL',
    sabotage: { io: withoutSync(['wal']) },
    workload: ['create /n', 'fsync /'],
    complaint: /the tree is none of states/,
  },
  {
    rule: '1: fsync is answered before it is done',
    sabotage: { wired: impatient('whenDurable') },
    workload: ['write /a 16384+8192', 'fsync /'],
    complaint: /none of states/,
  },
  {
    rule: '2: a commit in the middle of an operation',
    sabotage: {
      wired: ({ house, volume }) => {
        const { dentries } = house.fs;
        const remove = dentries.remove.bind(dentries);
        dentries.remove = (...args) => {
          remove(...args);
          volume.commits.commitBuffered();
        };
      },
    },
    workload: ['rename /d/x /a', 'fsync /'],
    complaint: /the tree is none of states/,
  },
  {
    rule: '3: extents count as written although their data may not have arrived',
    sabotage: { sameBoot: true },
    workload: ['truncate /a 0', 'fsync /', 'write /e 0+45056', 'write /a 28772+4096', 'write /a 0+8192', 'wait'],
    complaint: /is in none of states/,
  },
  {
    rule: '3: blocks are exchanged before the new ones hold the data',
    sabotage: {
      wired: ({ volume }) => {
        volume.commits.orderedData = () => {};
      },
    },
    workload: ['clone path=/d/x to=/a', 'fsync /', 'write /a 1000+300', 'wait'],
    complaint: /is in none of states/,
  },
  {
    rule: '4: freed blocks are given out before the commit that freed them',
    sabotage: {
      afterStep: ({ house }) => {
        const space = house.fs.space as unknown as { becameDurable(sequence: number): void };
        space.becameDurable(Number.POSITIVE_INFINITY);
      },
    },
    workload: ['truncate /a 0', 'write /e 0+45056', 'write /a 28772+4096', 'write /a 0+8192', 'wait'],
    complaint: /is in none of states/,
  },
  {
    rule: '3: blocks that move within a file count as written before their data has arrived',
    sabotage: {
      wired: ({ volume }) => {
        volume.commits.orderedData = () => {};
      },
    },
    workload: [
      'truncate /a 0',
      'fsync /',
      'write /e 0+45056',
      'write /a 28772+4096',
      'write /a 0+8192',
      'insert path=/a range=4k-8k',
      'wait',
    ],
    complaint: /is in none of states/,
  },
  {
    rule: '4: a block that two files share on the disk is overwritten as soon as one has given it up in memory',
    sabotage: {
      wired: ({ house }) => {
        const { core } = house.fs.blockmap as unknown as { core: { settleShares(): number } };
        core.settleShares = () => 0;
      },
    },
    workload: ['clone path=/d/x to=/a', 'fsync /', 'unlink /d/x', 'write /a 0+8192', 'wait'],
    complaint: /is in none of states/,
  },
  {
    rule: '2: contents come back from another place of the file than where they were',
    sabotage: {
      recovered: (connection) =>
        void connection.exec('UPDATE extent SET device_block = device_block + 1 WHERE ino = 3 AND file_block = 0'),
    },
    workload: ['write /a 0+8192', 'insert path=/a range=4k-8k', 'fsync /', 'wait'],
    complaint: /is in none of states/,
  },
  {
    rule: '5: a lease is answered before it is durable',
    sabotage: { wired: impatient('whenMetadataDurable') },
    workload: ['get /a kind=direct mode=ro', 'wait'],
    complaint: /the tree is none of states.*lease/,
  },
  {
    rule: '6: recovery forgets what is sealed',
    sabotage: {
      recovered: (connection) => void connection.exec('UPDATE inode SET sealed = 0'),
    },
    workload: ['create /n', 'fsync /'],
    complaint: /the tree is none of states.*sealed/,
  },
];
