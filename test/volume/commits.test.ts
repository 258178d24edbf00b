import { describe, expect, test } from 'vitest';
import {
  append,
  durable,
  extentsOf,
  INSERT,
  made,
  metadataDurable,
  opened,
  TellingIo,
  until,
  VirtualClock,
} from './fixture.ts';

function start(options: { commitInterval?: number; dataInterval?: number } = {}) {
  const io = new TellingIo();
  const clock = new VirtualClock();
  const volume = opened(made(), { io, clock, ...options });
  io.take();
  return { io, clock, volume, commits: volume.commits };
}

/** More than the state thread would sync itself. */
const LARGE = 2 << 20;

describe('the cycle', () => {
  test('data, then COMMIT, then the WAL; only then the waiter', async () => {
    const { io, volume } = start();
    append(volume, 5, 0, 300);
    io.take();
    volume.commits.whenDurable((errno) => io.events.push(`answer ${errno}`));
    expect(io.take()).toEqual([]);
    await until(() => io.events.some((event) => event.startsWith('answer')));
    expect(io.take()).toEqual(['device', 'commit', 'wal', 'answer 0']);
    expect(extentsOf(volume, 5)).toEqual([[0, 300, 1, 1]]);
  });

  test('a fast device is synced here, a long queue of data elsewhere', async () => {
    const { io, volume } = start();
    append(volume, 5, 0, 300);
    volume.device.changed(LARGE);
    io.take();
    expect(await durable(volume)).toBe(0);
    expect(io.take()).toEqual(['device…', 'device', 'commit', 'wal…', 'wal']);
  });

  test('nothing unsynced: no device sync; nothing open: no commit; nothing at all: no sync', async () => {
    const { io, volume } = start();
    volume.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    await durable(volume);
    expect(io.done()).toEqual(['commit', 'wal']);
    volume.device.changed(1);
    await durable(volume);
    expect(io.done()).toEqual(['device']);
    await durable(volume);
    await metadataDurable(volume);
    expect(io.done()).toEqual([]);
  });

  test('whoever waits at the same time shares one cycle', async () => {
    const { io, volume } = start();
    const waits: Promise<number>[] = [];
    for (let i = 0; i < 100; i++) {
      append(volume, 5, i * 2, 300 + i * 2);
      waits.push(durable(volume));
    }
    io.take();
    expect(await Promise.all(waits)).toEqual(new Array(100).fill(0));
    expect(io.take()).toEqual(['device', 'commit', 'wal']);
  });

  test('metadata waiters do not wait for file data, unless it is ordered', async () => {
    const { io, volume, commits } = start();
    append(volume, 5, 0, 300);
    io.take();
    await metadataDurable(volume);
    expect(io.done()).toEqual(['commit', 'wal']);
    expect(extentsOf(volume, 5)).toEqual([[0, 300, 1, 2]]);
    volume.database.mutation(INSERT).run(6, 0, 301, 1, 1);
    commits.orderedData();
    await metadataDurable(volume);
    expect(io.done()).toEqual(['device', 'commit', 'wal']);
  });

  test('data written while the device is synced goes to the next cycle, with its waiter', async () => {
    const { io, volume } = start();
    append(volume, 5, 0, 300);
    volume.device.changed(LARGE);
    io.hold = true;
    const first = durable(volume);
    await until(() => io.holding === 1);
    append(volume, 5, 2, 302);
    const second = durable(volume);
    let late = false;
    second.then(() => {
      late = true;
    });
    io.release(); // A of the first
    await until(() => io.holding === 2); // C of the first, A of the second
    expect(extentsOf(volume, 5)).toEqual([
      [0, 300, 1, 1],
      [2, 302, 1, 2],
    ]);
    io.hold = false;
    io.release();
    expect(await first).toBe(0);
    expect(late).toBe(false);
    expect(await second).toBe(0);
    expect(extentsOf(volume, 5)[1]).toEqual([2, 302, 1, 1]);
  });

  test('a row that grew while the device was synced is converted up to what was there', async () => {
    const { io, volume, commits } = start();
    append(volume, 5, 0, 300);
    volume.device.changed(LARGE);
    io.hold = true;
    const first = durable(volume);
    await until(() => io.holding === 1);
    volume.database.mutation('UPDATE extent SET length = 3 WHERE ino = ?').run(5);
    commits.dataWritten(5, 1, 2);
    io.hold = false;
    io.release();
    await first;
    expect(extentsOf(volume, 5)).toEqual([
      [0, 300, 1, 1],
      [1, 301, 2, 2],
    ]);
  });

  test('blocks freed and mapped anew while the device was synced are not taken for synced', async () => {
    const { io, volume } = start();
    append(volume, 5, 0, 300);
    volume.device.changed(LARGE);
    io.hold = true;
    const first = durable(volume);
    await until(() => io.holding === 1);
    volume.database.mutation('DELETE FROM extent WHERE ino = ?').run(5);
    append(volume, 5, 0, 310);
    io.hold = false;
    io.release();
    expect(await first).toBe(0);
    expect(extentsOf(volume, 5)).toEqual([[0, 310, 1, 2]]);
    expect(await durable(volume)).toBe(0);
    expect(extentsOf(volume, 5)).toEqual([[0, 310, 1, 1]]);
  });

  test('a sync of the WAL answers for the transactions that were in it when it began, no others', async () => {
    const { io, volume, commits } = start();
    volume.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    volume.device.changed(LARGE);
    io.hold = true;
    const first = durable(volume);
    await until(() => io.holding === 1); // A of the first
    io.release();
    await until(() => io.holding === 1); // its C
    volume.database.mutation(INSERT).run(6, 0, 301, 1, 1);
    const second = metadataDurable(volume);
    let late = false;
    second.then(() => {
      late = true;
    });
    commits.commitBuffered();
    io.release();
    expect(await first).toBe(0);
    await until(() => io.holding === 1); // C of the second
    expect([late, commits.durable]).toEqual([false, commits.sequence - 2]);
    io.hold = false;
    io.release();
    expect(await second).toBe(0);
  });

  test('ordered data that is newer than the sync is synced before COMMIT, blocking', async () => {
    const { io, volume, commits } = start();
    volume.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    commits.orderedData();
    volume.device.changed(LARGE);
    io.hold = true;
    const first = metadataDurable(volume);
    await until(() => io.holding === 1);
    volume.database.mutation(INSERT).run(5, 2, 302, 1, 1);
    volume.device.changed(1);
    commits.orderedData();
    io.hold = false;
    io.take();
    io.release();
    await first;
    const events = io.take();
    expect(events.slice(0, 3)).toEqual(['device', 'device', 'commit']);
  });

  test('write-behind owners are flushed right before COMMIT, in order; conversions are told', async () => {
    const { volume, commits } = start();
    const seen: string[] = [];
    commits.onFlush(() => seen.push('a'));
    commits.onFlush(() => {
      seen.push('b');
      volume.database.mutation(INSERT).run(9, 0, 400, 1, 1);
    });
    commits.onConverted((ino, from, to) => seen.push(`${ino}:${from}-${to}`));
    append(volume, 5, 4, 300);
    await durable(volume);
    expect(seen).toEqual(['a', 'b', '5:4-5']);
    expect(extentsOf(volume, 9)).toEqual([[0, 400, 1, 1]]);
  });

  test('durable follows sequence, and freed blocks hear of it only after the WAL sync', async () => {
    const { io, volume, commits } = start();
    const told: number[] = [];
    commits.onDurable((sequence) => told.push(sequence));
    const open = commits.sequence;
    volume.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    commits.commitBuffered();
    expect([commits.sequence, commits.durable, told]).toEqual([open + 1, open - 1, []]);
    io.take();
    expect(commits.commitNow()).toBe(0);
    expect(io.take()).toEqual(['wal']);
    expect([commits.durable, told]).toEqual([open, [open]]);
  });
});

describe('the clock', () => {
  test('a change is committed and durable after commit= at the latest, its data after the data interval', async () => {
    const { io, clock, volume, commits } = start({ commitInterval: 1000, dataInterval: 5000 });
    append(volume, 5, 0, 300);
    io.take();
    clock.advance(999);
    expect(io.take()).toEqual([]);
    clock.advance(1);
    await until(() => commits.durable === commits.sequence - 1);
    expect(io.take()).toEqual(['commit', 'wal…', 'wal']);
    clock.advance(4000);
    await until(() => extentsOf(volume, 5)[0][3] === 1);
    await until(() => commits.durable === commits.sequence - 1);
    expect(io.take()).toEqual(['device…', 'device', 'commit', 'wal…', 'wal']);
  });

  test('an idle volume does nothing', () => {
    const { io, clock, volume } = start();
    volume.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    expect(volume.commits.commitNow()).toBe(0);
    clock.advance(60_000);
    io.take();
    clock.advance(600_000);
    expect([io.take(), clock.pending]).toEqual([[], 0]);
  });
});

describe('failures', () => {
  test('a failed device sync is EIO for those who waited for it, nothing more', async () => {
    const { io, volume, commits } = start();
    append(volume, 5, 0, 300);
    io.faults.push({ call: 'fdatasync', role: 'device', errno: 5, times: 1 });
    expect(await durable(volume)).toBe(5);
    expect(commits.failed).toBe(0);
    // Nobody knows whether it arrived: it must not become readable after a crash.
    expect(extentsOf(volume, 5)).toEqual([[0, 300, 1, 2]]);
    append(volume, 6, 0, 301);
    expect(await durable(volume)).toBe(0);
    expect(extentsOf(volume, 6)[0][3]).toBe(1);
    expect(extentsOf(volume, 5)[0][3]).toBe(2);
  });

  test('a failed WAL sync is final: read-only, what waits gets EIO, what was committed stays', async () => {
    const { io, volume, commits } = start();
    volume.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    expect(await durable(volume)).toBe(0);
    volume.database.mutation(INSERT).run(6, 0, 301, 1, 1);
    io.faults.push({ call: 'fdatasync', role: 'wal', errno: 5, times: 1 });
    const told: number[] = [];
    commits.onFail((errno) => told.push(errno));
    expect(await durable(volume)).toBe(5);
    expect([commits.failed, told]).toEqual([5, [5]]);
    expect(() => volume.database.mutation(INSERT).run(7, 0, 302, 1, 1)).toThrow(expect.objectContaining({ errno: 30 }));
    expect(await durable(volume)).toBe(5);
    expect(commits.commitNow()).toBe(5);
    expect(extentsOf(volume, 5)).toEqual([[0, 300, 1, 1]]);
    expect(volume.close()).toBe(5);
  });

  test('ordered data that cannot be synced is never committed', async () => {
    const { io, volume, commits } = start();
    volume.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    volume.device.changed(1);
    commits.orderedData();
    io.faults.push({ call: 'fdatasync', role: 'device', errno: 28, times: 1 });
    expect(await metadataDurable(volume)).toBe(5);
    expect(commits.failed).toBe(28);
    expect(extentsOf(volume, 5)).toEqual([]);
  });

  test('a flush hook that throws rolls the transaction back', async () => {
    const { volume, commits } = start();
    volume.database.mutation(INSERT).run(5, 0, 300, 1, 1);
    commits.onFlush(() => {
      throw new Error('bug');
    });
    expect(await durable(volume)).toBe(5);
    expect([commits.failed, String(commits.failure)]).toEqual([5, 'Error: bug']);
    expect(extentsOf(volume, 5)).toEqual([]);
  });

  test('a database that fills up: MetadataError with ENOSPC, then read-only', () => {
    const { volume, commits } = start();
    const { connection } = volume.database;
    connection.pragma(`max_page_count = ${connection.pragma('page_count', { simple: true })}`);
    const insert = volume.database.mutation('INSERT INTO xattr (ino, name, value) VALUES (?, ?, ?)');
    expect(() => {
      for (let i = 0; i < 1000; i++) insert.run(1, Buffer.from(`user.${i}`), Buffer.alloc(4000));
    }).toThrow(expect.objectContaining({ name: 'MetadataError', errno: 28 }));
    expect([commits.failed, connection.inTransaction]).toEqual([28, false]);
  });

  test('a broken constraint is a bug of the caller and harms nobody', () => {
    const { volume, commits } = start();
    const insert = volume.database.mutation(INSERT);
    insert.run(5, 0, 300, 1, 1);
    expect(() => insert.run(5, 0, 300, 1, 1)).toThrow(/UNIQUE/);
    expect(commits.failed).toBe(0);
    expect(commits.commitNow()).toBe(0);
    expect(extentsOf(volume, 5)).toHaveLength(1);
  });
});
