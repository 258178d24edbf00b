import { afterEach, expect, test } from 'vitest';
import { FSYNC_FDATASYNC, OP } from '../../src/fuse/protocol.ts';
import type { Request } from '../../src/fuse/request.ts';
import type { Handler, SessionOptions } from '../../src/fuse/session.ts';
import { E } from '../../src/system/errno.ts';
import { until } from '../harness/index.ts';
import { message, struct, Wire } from './wire.ts';

let wire: Wire | undefined;
afterEach(async () => {
  await wire?.close();
  wire = undefined;
});

async function start(handlers: Record<number, Handler>, options: Partial<SessionOptions> = {}): Promise<Wire> {
  const table: (Handler | undefined)[] = [];
  for (const [op, handler] of Object.entries(handlers)) table[Number(op)] = handler;
  wire = new Wire(table, options);
  await wire.init();
  return wire;
}

const fsync = struct('fsync_in', { fh: 5, fsync_flags: FSYNC_FDATASYNC });

test('a handler sees the header, the fields and the names', async () => {
  const seen: unknown[] = [];
  const w = await start({
    [OP.RENAME2]: (r) => {
      const first = r.name(16);
      seen.push(r.nodeid, r.uid, r.gid, r.pid, r.u64(0), r.u32(8), String(first), String(r.nextName(first)));
      r.ok();
    },
    [OP.SYMLINK]: (r) => {
      seen.push(String(r.name(0)), String(r.nextName(r.name(0))));
      r.ok();
    },
    [OP.LSEEK]: (r) => {
      seen.push(r.i64(8));
      r.ok();
    },
  });
  await w.call(OP.RENAME2, 4n, struct('rename2_in', { newdir: 2 ** 52 + 7, flags: 1 }, 'old', 'new'), 2 ** 51);
  await w.call(OP.SYMLINK, 6n, Buffer.from('link\0\0'));
  await w.call(OP.LSEEK, 8n, struct('lseek_in', { offset: -5 }));
  expect(seen).toEqual([2 ** 51, 1000, 100, 4242, 2 ** 52 + 7, 1, 'old', 'new', 'link', '', -5]);
});

test('the supplementary group is found among the extensions, which names do not run into', async () => {
  const seen: unknown[] = [];
  const w = await start({
    [OP.MKDIR]: (r) => {
      seen.push(String(r.name(8)), r.supplementaryGroup());
      r.ok();
    },
  });
  const context = Buffer.alloc(16);
  context.writeUInt32LE(16, 0);
  const groups = Buffer.alloc(16);
  groups.writeUInt32LE(16, 0);
  groups.writeUInt32LE(32, 4);
  groups.writeUInt32LE(1, 8);
  groups.writeUInt32LE(777, 12);
  const body = struct('mkdir_in', { mode: 0o755 }, 'd');
  w.raw(message(OP.MKDIR, 4n, Buffer.concat([body, context, groups]), 1, 4));
  await w.replies(1);
  await w.call(OP.MKDIR, 6n, body);
  const lying = Buffer.from(groups);
  lying.writeUInt32LE(4000, 0);
  w.raw(message(OP.MKDIR, 8n, Buffer.concat([body, lying]), 1, 2));
  await w.replies(1);
  expect(seen).toEqual(['d', 777, 'd', undefined, 'd', undefined]);
});

test('what is too short, or has no end of name, is EINVAL and reaches no handler', async () => {
  const reached: number[] = [];
  const note: Handler = (r) => {
    reached.push(r.opcode);
    r.ok();
  };
  const w = await start(Object.fromEntries(Object.values(OP).map((op) => [op, note])));
  const bad: [number, Buffer][] = [
    [OP.LOOKUP, Buffer.alloc(0)],
    [OP.LOOKUP, Buffer.from('noend')],
    [OP.LOOKUP, Buffer.from('\0')],
    [OP.RENAME, struct('rename_in', {}, 'only one')],
    [OP.GETATTR, Buffer.alloc(15)],
    [OP.WRITE, struct('write_in', { size: 9 }, Buffer.alloc(8))],
    [OP.WRITE, struct('write_in', { size: 2 ** 32 - 1 })],
    [OP.SETXATTR, struct('setxattr_in_compat', { size: 4 }, 'user.a', Buffer.from('abc'))],
    [OP.IOCTL, struct('ioctl_in', { in_size: 8 }, Buffer.alloc(7))],
  ];
  for (const [op, body] of bad) expect((await w.call(op, 4n, body)).errno, `op ${op}`).toBe(E.INVAL);
  const falseLength = message(OP.STATFS, 4n, Buffer.alloc(0), 1);
  falseLength.writeUInt32LE(48, 0);
  w.raw(falseLength);
  expect((await w.replies(1))[0].errno).toBe(E.INVAL);
  w.raw(message(OP.STATFS, 4n, Buffer.alloc(0), 1, 9)); // extensions longer than the message
  expect((await w.replies(1))[0].errno).toBe(E.INVAL);
  w.raw(message(OP.BATCH_FORGET, 4n, struct('batch_forget_in', { count: 2 }, Buffer.alloc(31)), 0));
  w.raw(Buffer.alloc(39));
  expect((await w.call(OP.STATFS, 6n)).unique).toBe(6n); // the two before it got no reply
  expect(reached).toEqual([OP.STATFS]);
});

test('unknown operations and those without a handler are ENOSYS, or silence', async () => {
  const w = await start({});
  for (const op of [OP.STATFS, OP.COPY_FILE_RANGE_64 + 1, 63, 64, 4096, 2 ** 32 - 1]) {
    expect((await w.call(op, 4n)).errno).toBe(E.NOSYS);
  }
  w.send(OP.FORGET, 6n, struct('forget_in', { nlookup: 1 }));
  expect((await w.call(OP.DESTROY, 8n)).unique).toBe(8n);
});

test('a handler that throws, or forgets, or answers nonsense is an EIO, and is told once', async () => {
  const w = await start({
    [OP.FSYNC]: () => {
      throw new Error('broken');
    },
    [OP.STATFS]: () => undefined,
    [OP.READLINK]: (r) => r.error(-2),
    [OP.DESTROY]: (r) => r.error(512),
    [OP.LISTXATTR]: (r) => r.ok(r.out.capacity + 1),
    [OP.FLUSH]: (r) => {
      r.ok();
      r.ok();
    },
  });
  for (let i = 0; i < 2; i++) {
    expect((await w.call(OP.FSYNC, 4n, fsync)).errno).toBe(E.IO);
    expect((await w.call(OP.STATFS, 6n)).errno).toBe(E.IO);
    expect((await w.call(OP.READLINK, 8n)).errno).toBe(E.IO);
    expect((await w.call(OP.DESTROY, 10n)).errno).toBe(E.IO);
    expect((await w.call(OP.LISTXATTR, 12n, Buffer.alloc(8))).errno).toBe(E.IO);
    expect((await w.call(OP.FLUSH, 14n, Buffer.alloc(24))).errno).toBe(0);
  }
  expect(w.reports).toHaveLength(6);
  expect(w.reports[0]).toBe('the handler of FSYNC threw broken');
  expect(w.reports[1]).toBe('the handler of STATFS did not reply');
  expect(w.take()).toEqual([]);
});

test('a parked request is a copy that is answered later, once, among others', async () => {
  const parked: Request[] = [];
  const w = await start({
    [OP.WRITE]: (r) => parked.push(r.park()),
    [OP.STATFS]: (r) => r.ok(),
  });
  w.send(OP.WRITE, 4n, struct('write_in', { size: 5 }, Buffer.from('first')));
  w.send(OP.WRITE, 6n, struct('write_in', { size: 6 }, Buffer.from('second')));
  await w.call(OP.STATFS, 8n);
  expect(w.session.parkedCount).toBe(2);
  expect(parked.map((r) => String(r.bytes.subarray(r.body + 40, r.end)))).toEqual(['first', 'second']);
  expect(parked[0].address).not.toBe(parked[1].address);
  parked[1].error(E.TXTBSY);
  parked[0].out.bytes.write('done', parked[0].out.start);
  parked[0].ok(4);
  const replies = await w.replies(2);
  expect(replies.map((r) => [r.unique, r.errno, String(r.payload)])).toEqual([
    [6n, E.TXTBSY, ''],
    [4n, 0, 'done'],
  ]);
  expect(() => parked[0].ok()).toThrow('answered twice');
  expect(w.session.parkedCount).toBe(0);
});

test('a parked request goes through its handler again, and may be parked again', async () => {
  const seen: Request[] = [];
  const w = await start({
    [OP.FSYNC]: (r) => {
      seen.push(r);
      if (seen.length < 3) seen[seen.length - 1] = r.park();
      else r.ok();
    },
  });
  w.send(OP.FSYNC, 4n, fsync);
  await until('parked', 2000, () => seen.length === 1);
  w.session.redispatch(seen[0]);
  expect(seen).toHaveLength(2);
  expect(seen[1]).toBe(seen[0]);
  expect(w.session.parkedCount).toBe(1);
  w.session.redispatch(seen[0]);
  expect((await w.replies(1))[0]).toMatchObject({ unique: 4n, errno: 0 });
  expect(w.session.parkedCount).toBe(0);
});

test('INTERRUPT ends the wait it names, once', async () => {
  let calls = 0;
  const w = await start({
    [OP.SETLKW]: (r) => {
      const waiting = r.park();
      waiting.onInterrupt = () => {
        calls++;
        waiting.error(E.INTR);
      };
    },
  });
  w.send(OP.SETLKW, 4n, struct('lk_in', {}));
  w.send(OP.INTERRUPT, 5n, struct('interrupt_in', { unique: 4 }), 0);
  expect(await w.replies(1)).toMatchObject([{ unique: 4n, errno: E.INTR }]);
  expect(calls).toBe(1);
});

test('an INTERRUPT before its request is answered EAGAIN once, and remembered', async () => {
  const interrupted: boolean[] = [];
  const w = await start({
    [OP.SETLKW]: (r) => {
      interrupted.push(r.interrupted);
      const waiting = r.park();
      waiting.onInterrupt = () => waiting.error(E.INTR);
    },
  });
  const about = (n: number) => struct('interrupt_in', { unique: n });
  expect(await w.call(OP.INTERRUPT, 11n, about(10), 0)).toMatchObject({ unique: 11n, errno: E.AGAIN });
  w.send(OP.INTERRUPT, 11n, about(10), 0);
  expect(await w.call(OP.SETLKW, 10n, struct('lk_in', {}))).toMatchObject({ unique: 10n, errno: E.INTR });
  w.send(OP.SETLKW, 12n, struct('lk_in', {}));
  await until('parked', 2000, () => w.session.parkedCount === 1);
  expect(interrupted).toEqual([true, false]);
  w.send(OP.INTERRUPT, 13n, about(12), 0);
  await w.replies(1);
});

test('all 64 bits of the id come back; the resend bit is told', async () => {
  const seen: [number, number, boolean][] = [];
  const w = await start({
    [OP.STATFS]: (r) => {
      seen.push([r.unique, r.uniqueHigh, r.resent]);
      r.ok();
    },
  });
  for (const unique of [2n ** 63n + 8n, 2n ** 53n + 2n, 2n ** 64n - 2n]) {
    expect((await w.call(OP.STATFS, unique)).unique).toBe(unique);
  }
  expect(seen).toEqual([
    [8, 0, true],
    [2, 1, false],
    [2 ** 53 - 2, 1023, true],
  ]);
});

test('what precedes a reply sees its bytes, and can turn it into EIO', async () => {
  const seen: string[] = [];
  const w = await start({
    [OP.READLINK]: (r) => {
      r.out.bytes.write('target', r.out.start);
      r.ok(6);
    },
  });
  w.session.beforeReply = (r, length) => {
    const reply = w.session.replyBytes(length);
    seen.push(`${r.opcode} ${reply.length} ${Buffer.from(reply.subarray(16))}`);
    if (seen.length === 2) throw new Error('log full');
  };
  expect(await w.call(OP.READLINK, 4n)).toMatchObject({ errno: 0, payload: Buffer.from('target') });
  expect(await w.call(OP.READLINK, 6n)).toMatchObject({ errno: E.IO, payload: Buffer.alloc(0) });
  expect(seen).toEqual([`${OP.READLINK} 22 target`, `${OP.READLINK} 22 target`]);
});

test('stop leaves the connection; hanging up ends the session', async () => {
  const w = await start({});
  let batches = 0;
  w.session.afterBatch = () => batches++;
  await w.call(OP.STATFS, 4n);
  await until('batch', 2000, () => batches > 0);
  w.session.stop();
  expect(await w.ended).toBe('stopped');
  const other = new Wire([]);
  expect(await other.close()).toBe('unmounted');
});

test('the trace is readable', async () => {
  const lines: string[] = [];
  const w = await start(
    { [OP.MKDIR]: (r) => r.error(E.EXIST), [OP.WRITE]: (r) => r.ok(8) },
    { trace: (line) => lines.push(line) },
  );
  await w.call(OP.MKDIR, 4n, struct('mkdir_in', { mode: 0o40755, umask: 0o22 }, 'a "name"\n'), 3);
  await w.call(OP.WRITE, 6n, struct('write_in', { fh: 7, offset: 4096, size: 3 }, Buffer.from('abc')), 3);
  expect(lines.slice(2)).toEqual([
    '-> #4 MKDIR node=3 uid=1000 gid=100 pid=4242 mode=040755 umask=022 "a \\"name\\"\\x0a"',
    '<- #4 MKDIR EEXIST',
    '-> #6 WRITE node=3 uid=1000 gid=100 pid=4242 fh=7 offset=4096 size=3 data=3',
    expect.stringMatching(/^<- #6 WRITE 8 bytes/),
  ]);
});
