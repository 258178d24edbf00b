import { afterEach, expect, test } from 'vitest';
import { ConnectionInfo, maxPagesLimit, type SavedInfo } from '../../src/fuse/init.ts';
import { INIT_FLAG_BITS, type InitFlag, NOTIFY, OP } from '../../src/fuse/protocol.ts';
import type { Handler, SessionOptions } from '../../src/fuse/session.ts';
import { decode } from '../../src/fuse/structs.ts';
import { E } from '../../src/system/errno.ts';
import { type Reply, struct, Wire } from './wire.ts';

let wire: Wire | undefined;
afterEach(async () => {
  await wire?.close();
  wire = undefined;
});

const ALL = Object.keys(INIT_FLAG_BITS) as InitFlag[];

function start(options: Partial<SessionOptions>, handlers: (Handler | undefined)[] = []): Wire {
  wire = new Wire(handlers, options);
  return wire;
}

function out(reply: Reply): Record<string, number> {
  expect(reply.errno).toBe(0);
  expect(reply.payload.length).toBe(64);
  return decode('init_out', new DataView(reply.payload.buffer, reply.payload.byteOffset), 0);
}

function names(reply: Record<string, number>): InitFlag[] {
  return ALL.filter((f) => {
    const bit = INIT_FLAG_BITS[f];
    return ((bit < 32 ? reply.flags >>> bit : reply.flags2 >>> (bit - 32)) & 1) === 1;
  });
}

test('a feature is used when both sides name it', async () => {
  const wanted: InitFlag[] = ['ASYNC_READ', 'POSIX_ACL', 'HAS_RESEND', 'PASSTHROUGH', 'REQUEST_TIMEOUT'];
  let heard: ConnectionInfo | undefined;
  const w = start({
    negotiate: { flags: wanted, maxWrite: 65536, maxStackDepth: 2, requestTimeout: 30, maxBackground: 100 },
    onInit: (info) => {
      heard = info;
    },
  });
  const bit = (f: InitFlag) => 2 ** (INIT_FLAG_BITS[f] % 32);
  const flags = bit('ASYNC_READ') + bit('DONT_MASK') + bit('MAX_PAGES') + bit('INIT_EXT');
  const reply = out(await w.init({ flags, flags2: bit('HAS_RESEND') + bit('PASSTHROUGH') + bit('ALLOW_IDMAP') }));
  expect(names(reply).sort()).toEqual(['ASYNC_READ', 'HAS_RESEND', 'INIT_EXT', 'MAX_PAGES', 'PASSTHROUGH']);
  expect(reply).toMatchObject({ major: 7, minor: 45, max_write: 65536, max_pages: 16, time_gran: 1 });
  expect(reply).toMatchObject({
    max_stack_depth: 2,
    request_timeout: 0,
    max_background: 100,
    congestion_threshold: 75,
  });
  expect(heard).toBe(w.session.info);
  expect([heard?.has('PASSTHROUGH'), heard?.has('POSIX_ACL')]).toEqual([true, false]);
});

test.each([
  [31, 31],
  [38, 38],
  [45, 45],
  [60, 45],
])('a kernel of 7.%i is answered 7.%i', async (minor, answered) => {
  const w = start({ negotiate: { flags: ALL, maxWrite: 8192 } });
  expect(out(await w.init({ minor })).minor).toBe(answered);
  expect(w.session.info.minor).toBe(answered);
});

test('a kernel before INIT_EXT sends 16 bytes and gets no second word of flags', async () => {
  const w = start({ negotiate: { flags: ALL, maxWrite: 8192 } });
  const body = struct('init_in_compat', { major: 7, minor: 31, max_readahead: 4096, flags: 0x7fffffff });
  const reply = out(await w.call(OP.INIT, 2n, body, 0));
  expect(reply.flags2).toBe(0);
  expect(names(reply)).not.toContain('INIT_EXT');
  expect(reply.max_readahead).toBe(4096);
});

test('a kernel older than 7.31 is refused, and that ends the session', async () => {
  const w = start({});
  expect((await w.init({ minor: 30 })).errno).toBe(E.PROTO);
  expect(await w.ended).toBe('aborted');
  expect(w.reports.join()).toContain('older than 7.31');
});

test('a kernel of the next major version is told ours and asks again', async () => {
  const w = start({});
  expect(out(await w.init({ major: 8, minor: 0 }))).toMatchObject({ major: 7, minor: 45 });
  expect(() => w.session.info).toThrow('not initialised');
  expect(out(await w.init())).toMatchObject({ major: 7, minor: 45 });
});

test('before INIT nothing is served; a second INIT is refused', async () => {
  const w = start({});
  expect((await w.call(OP.STATFS, 4n)).errno).toBe(E.INVAL);
  await w.init();
  expect((await w.init()).errno).toBe(E.INVAL);
});

test('without MAX_PAGES requests are 32 pages; with it, up to the limit of the system', async () => {
  const first = start({ negotiate: { flags: [] } });
  expect(out(await first.init({ flags: 0 }))).toMatchObject({ max_write: 32 * 4096 });
  await first.close();
  const second = start({ negotiate: { flags: [], maxWrite: 2 ** 30 } });
  const limit = maxPagesLimit();
  expect(out(await second.init())).toMatchObject({ max_write: limit * 4096, max_pages: limit });
  expect(second.session.out.capacity).toBeGreaterThanOrEqual(limit * 4096);
});

test('the agreement survives as JSON; a session that has it asks for what was not answered, and awaits no INIT', async () => {
  const first = start({ negotiate: { flags: ['HAS_RESEND', 'SETXATTR_EXT'], maxWrite: 65536 } });
  await first.init();
  const saved = JSON.parse(JSON.stringify(first.session.info)) as SavedInfo;
  await first.close();
  const second = start({ negotiate: { flags: [] }, saved });
  expect(second.session.info).toEqual(new ConnectionInfo(saved));
  expect(second.session.info.has('HAS_RESEND')).toBe(true);
  // A notification: unique 0, and its code where a reply has the errno.
  expect(await second.replies(1)).toEqual([{ unique: 0n, errno: -NOTIFY.RESEND, payload: Buffer.alloc(0) }]);
  expect((await second.call(OP.STATFS, 4n)).errno).toBe(E.NOSYS);
});
