import { describe, expect, test } from 'vitest';
import { E } from '../../src/system/errno.ts';
import { BLOCK, World } from './world.ts';

const NOBODY = { read: true, write: false, owner: false };

describe('preconditions and permission (leases.md section 2)', () => {
  function errnoOf(prepare: (w: World) => void, request: Parameters<World['ask']>[2], more = {}): unknown {
    const w = new World();
    prepare(w);
    const { result } = w.ask(1, 5, request, w.holder(1, more));
    return result?.ok ? 0 : [result?.errno, result && !result.ok && result.refusal.cause];
  }
  const file =
    (blocks: number, unwritten = false) =>
    (w: World) =>
      void w.create(5, blocks, unwritten);
  const holed = (w: World) => void w.create(5, 4).blocks.delete(2);

  test.each([
    ['no file', () => {}, { kind: 'direct' }, {}, [E.NOENT, 'not found']],
    ['whole file', file(4), { kind: 'direct' }, {}, 0],
    ['beyond EOF', file(4), { kind: 'direct', offset: 0, length: 8 * BLOCK }, {}, [E.INVAL, 'beyond end of file']],
    ['empty file', file(0), { kind: 'direct' }, {}, [E.INVAL, 'beyond end of file']],
    ['empty file, layout', file(0), { kind: 'layout' }, {}, 0],
    ['unaligned', file(4), { kind: 'direct', offset: 1, length: BLOCK }, {}, [E.INVAL, 'range']],
    ['empty range', file(4), { kind: 'direct', offset: 0, length: 0 }, {}, [E.INVAL, 'range']],
    ['negative range', file(4), { kind: 'direct', offset: -BLOCK, length: 2 * BLOCK }, {}, [E.INVAL, 'range']],
    ['align not a power of two', file(4), { kind: 'direct', align: 5000 }, {}, [E.INVAL, 'align']],
    ['align below a page', file(4), { kind: 'direct', align: 512 }, {}, [E.INVAL, 'align']],
    [
      'range not aligned so',
      file(4),
      { kind: 'direct', offset: BLOCK, length: BLOCK, align: 8192 },
      {},
      [E.INVAL, 'alignment'],
    ],
    ['hole', holed, { kind: 'direct' }, {}, [E.NXIO, 'hole']],
    ['hole outside the range', holed, { kind: 'direct', offset: 0, length: 2 * BLOCK }, {}, 0],
    ['hole under exclusive', holed, { kind: 'exclusive' }, {}, 0],
    ['unwritten', file(4, true), { kind: 'direct' }, {}, [E.NXIO, 'unwritten']],
    ['unwritten_ok', file(4, true), { kind: 'direct', unwrittenOk: true }, {}, 0],
    ['unwritten for swap', file(4, true), { kind: 'swap' }, { privileged: true }, 0],
    ['unbreakable by a user', file(4), { kind: 'direct', unbreakable: true }, {}, [E.PERM, 'privilege']],
    [
      'unbreakable layout',
      file(4),
      { kind: 'layout', unbreakable: true },
      { privileged: true },
      [E.INVAL, 'unbreakable'],
    ],
    ['swap by a user', file(4), { kind: 'swap' }, {}, [E.PERM, 'privilege']],
    ['frozen for writing', file(4), { kind: 'frozen', mode: 'rw' }, { privileged: true }, [E.INVAL, 'mode']],
    ['direct by another user', file(4), { kind: 'direct', access: NOBODY }, {}, [E.ACCES, 'permission']],
    ['direct by root', file(4), { kind: 'direct', access: NOBODY }, { privileged: true }, 0],
    [
      'layout rw without write',
      file(4),
      { kind: 'layout', mode: 'rw', access: { ...NOBODY, owner: true } },
      {},
      [E.ACCES, 'permission'],
    ],
    [
      'exclusive without write',
      file(4),
      { kind: 'exclusive', access: { ...NOBODY, owner: true } },
      {},
      [E.ACCES, 'permission'],
    ],
    ['timeout too long', file(4), { kind: 'direct', timeoutMs: 300_001 }, {}, [E.INVAL, 'timeout']],
    ['named without a name', file(4), { kind: 'direct', bind: 'named' }, {}, [E.INVAL, 'name']],
  ] as const)('%s', (_, prepare, request, more, expected) => {
    expect(errnoOf(prepare as (w: World) => void, request as Parameters<World['ask']>[2], more)).toEqual(expected);
  });

  test('limits: leases of a session and of the filesystem (ENOLCK)', () => {
    const w = new World({ leasesPerSession: 2, leasesPerFilesystem: 3 });
    w.create(5, 4);
    for (const n of [1, 1, 2]) w.take(n, 5, { kind: 'layout' });
    expect(w.ask(1, 5, { kind: 'layout' }).result).toMatchObject({ errno: E.NOLCK });
    expect(w.ask(3, 5, { kind: 'layout' }).result).toMatchObject({ errno: E.NOLCK });
  });
});

describe('grants and conflicts (leases.md sections 3 and 4)', () => {
  test('direct against layout rw: recalled to ro, and a downgrade to that is enough', () => {
    const w = new World();
    w.create(5, 4);
    const layout = w.take(1, 5, { kind: 'layout', mode: 'rw' });
    const ask = w.ask(2, 5, { kind: 'direct', waitMs: 10_000 });
    expect(w.eventsOf(1, 'recall')).toMatchObject([
      { target: 'layout ro', reason: 'get', breaker: { pid: 2, operation: 'get direct' } },
    ]);
    expect(ask.result).toBeUndefined();
    expect(w.leases.downgrade({ id: layout.id }, w.holder(1), { kind: 'layout', mode: 'ro' })).toMatchObject({
      ok: true,
      state: 'GRANTED',
      mode: 'ro',
    });
    expect(ask.result).toMatchObject({ ok: true, state: 'GRANTED', seq: 1 });
    expect(w.flushes).toBe(1);
  });

  test('without wait: EAGAIN with the recall begun, then recallconflict for every kind until it is over (I5)', () => {
    const w = new World();
    w.create(5, 4);
    const layout = w.take(1, 5, { kind: 'layout' });
    expect(w.ask(2, 5, { kind: 'exclusive' }).result).toMatchObject({
      errno: E.AGAIN,
      refusal: { cause: 'recallconflict', lease: layout.id },
    });
    expect(w.state(layout.id)).toBe('RECALLED');
    for (const kind of ['layout', 'direct', 'exclusive'] as const) {
      expect(w.ask(3, 5, { kind }).result, kind).toMatchObject({
        errno: E.AGAIN,
        refusal: { cause: 'recallconflict' },
      });
    }
    w.giveBack(1, layout.id);
    expect(w.ask(2, 5, { kind: 'exclusive' }).result?.ok).toBe(true);
  });

  test('layout rw over direct: EAGAIN without a recall; accept=ro takes layout ro', () => {
    const w = new World();
    w.create(5, 4);
    w.take(1, 5, { kind: 'direct' });
    expect(w.ask(2, 5, { kind: 'layout', mode: 'rw' }).result).toMatchObject({ errno: E.AGAIN });
    expect(w.eventsOf(1, 'recall')).toEqual([]);
    expect(w.take(2, 5, { kind: 'layout', mode: 'rw', acceptReadOnly: true })).toMatchObject({ mode: 'ro' });
  });

  test('sealed: layout rw and exclusive are ETXTBSY, direct is fine; swap beside a pin is EBUSY', () => {
    const w = new World();
    w.create(5, 4).sealed = 1;
    expect(w.ask(1, 5, { kind: 'layout', mode: 'rw' }).result).toMatchObject({ errno: E.TXTBSY });
    expect(w.ask(1, 5, { kind: 'exclusive' }).result).toMatchObject({ errno: E.TXTBSY });
    w.take(1, 5, { kind: 'direct' });
    w.take(2, 5, { kind: 'frozen' }, w.holder(2, { privileged: true }));
    expect(w.ask(3, 5, { kind: 'swap' }, w.holder(3, { privileged: true })).result).toMatchObject({ errno: E.BUSY });
  });

  test('exclusive: others wait, oldest first, and nobody who came later overtakes', () => {
    const w = new World();
    w.create(5, 4);
    const first = w.take(1, 5, { kind: 'exclusive' });
    const order: number[] = [];
    const asks = [2, 3, 4].map((n) => ({
      n,
      ask: w.ask(n, 5, { kind: n === 4 ? 'layout' : 'exclusive', waitMs: 1e6 }),
    }));
    expect(w.ask(9, 5, { kind: 'layout' }).result).toMatchObject({ errno: E.AGAIN });
    let holder = { n: 1, id: first.id };
    for (let i = 0; i < 3; i++) {
      w.giveBack(holder.n, holder.id);
      const done = asks.filter((a) => a.ask.result?.ok && !order.includes(a.n));
      expect(done).toHaveLength(1);
      order.push(done[0].n);
      holder = { n: done[0].n, id: (done[0].ask.result as { id: number }).id };
    }
    expect(order).toEqual([2, 3, 4]);
  });

  test('a wait ends by its time (ETIMEDOUT), by cancel (ECANCELED, EINTR) and by the end of the session', () => {
    const w = new World();
    w.create(5, 4);
    w.take(1, 5, { kind: 'exclusive' });
    const a = w.ask(2, 5, { kind: 'direct', waitMs: 5000 });
    const b = w.ask(3, 5, { kind: 'direct', waitMs: 5000 });
    const c = w.ask(4, 5, { kind: 'direct', waitMs: 5000 });
    b.cancel(E.INTR);
    w.die(4);
    w.clock.advance(5000);
    expect([a, b, c].map((x) => (x.result?.ok === false ? x.result.errno : 0))).toEqual([
      E.TIMEDOUT,
      E.INTR,
      E.CANCELED,
    ]);
    expect(w.leases.waiters()).toEqual([]);
  });

  test('preconditions are looked at again in the step that grants', () => {
    const w = new World();
    const file = w.create(5, 4);
    const lease = w.take(1, 5, { kind: 'exclusive' });
    const ask = w.ask(2, 5, { kind: 'direct', waitMs: 5000 });
    file.blocks.delete(3);
    w.giveBack(1, lease.id);
    expect(ask.result).toMatchObject({ errno: E.NXIO, refusal: { cause: 'hole' } });
  });

  test('a conflict that slips in while the cache is flushed is seen before the grant', () => {
    const w = new World();
    w.create(5, 4);
    w.slowFlush = true;
    const ask = w.ask(2, 5, { kind: 'direct' });
    expect(ask.result).toBeUndefined();
    w.take(1, 5, { kind: 'layout', mode: 'ro' });
    w.file(5).sealed = 0;
    w.file(5).blocks.delete(1);
    w.pendingFlushes.shift()?.();
    expect(ask.result).toMatchObject({ errno: E.NXIO });
    w.flushErrno = E.IO;
    const again = w.ask(2, 5, { kind: 'direct', offset: 0, length: BLOCK });
    w.pendingFlushes.shift()?.();
    expect(again.result).toMatchObject({ errno: E.IO });
  });

  test('after_recall: granted with the end of the breaker’s change, before anybody else', () => {
    const w = new World();
    w.create(5, 4);
    const lease = w.take(1, 5, { kind: 'direct' });
    const told = w.shrink(2, 5, 2);
    const back = w.ask(1, 5, { kind: 'direct', afterRecall: true });
    const late = w.ask(3, 5, { kind: 'exclusive', waitMs: 1e5 });
    expect(back.result).toBeUndefined();
    w.giveBack(1, lease.id);
    expect(told.errno).toBe(0);
    expect(back.result).toMatchObject({ ok: true, state: 'GRANTED', gen: 2 });
    expect(late.result).toBeUndefined();
    expect(w.eventsOf(1, 'recall').at(-1)).toMatchObject({ reason: 'get' });
  });

  test('downgrade is atomic, keeps the preconditions of the target, and lets the waiting in', () => {
    const w = new World();
    const file = w.create(5, 4);
    const lease = w.take(1, 5, { kind: 'exclusive' });
    const waiting = w.ask(2, 5, { kind: 'direct', waitMs: 1e5 });
    const entry = file.blocks.get(0);
    file.blocks.delete(0);
    expect(w.leases.downgrade({ id: lease.id }, w.holder(1), { kind: 'direct' })).toMatchObject({ errno: E.NXIO });
    file.blocks.set(0, entry as never);
    expect(w.leases.downgrade({ id: lease.id, seq: 1 }, w.holder(1), { kind: 'direct' })).toMatchObject({
      ok: true,
      kind: 'direct',
      seq: 2,
    });
    expect(waiting.result?.ok).toBe(true);
    expect(w.leases.downgrade({ id: lease.id }, w.holder(1), { kind: 'layout', mode: 'rw' })).toMatchObject({
      errno: E.INVAL,
    });
    expect(w.store.leaseRows.get(lease.id)).toMatchObject({ kind: 'direct', state: 'GRANTED', seq: 2 });
  });

  test('two upgraders never hang: the second one is told EDEADLK (I14)', () => {
    const w = new World();
    w.create(5, 4);
    const a = w.take(1, 5, { kind: 'layout' });
    const b = w.take(2, 5, { kind: 'layout' });
    const results: unknown[] = [];
    w.leases.upgrade({ id: a.id }, w.holder(1), { kind: 'exclusive' }, 1e5, (r) =>
      results.push(['a', r.ok || r.errno]),
    );
    w.leases.upgrade({ id: b.id }, w.holder(2), { kind: 'exclusive' }, 1e5, (r) =>
      results.push(['b', r.ok || r.errno]),
    );
    expect(results).toEqual([['b', E.DEADLK]]);
    expect(w.state(a.id)).toBe('GRANTED');
    w.giveBack(2, b.id);
    expect(results).toEqual([
      ['b', E.DEADLK],
      ['a', true],
    ]);
    expect(w.leases.find(a.id)).toMatchObject({ kind: 'exclusive', state: 'GRANTED' });
  });

  test('an upgrade without wait is EAGAIN and drops nothing', () => {
    const w = new World();
    w.create(5, 4);
    const a = w.take(1, 5, { kind: 'layout' });
    w.take(2, 5, { kind: 'direct' });
    let errno: number | undefined;
    w.leases.upgrade({ id: a.id }, w.holder(1), { kind: 'layout', mode: 'rw' }, 0, (r) => {
      errno = r.ok ? 0 : r.errno;
    });
    expect(errno).toBe(E.AGAIN);
    expect(w.leases.find(a.id)).toMatchObject({ kind: 'layout', mode: 'ro', state: 'GRANTED', seq: 1 });
  });

  test('who is not the holder may do nothing; the token makes one a holder', () => {
    const w = new World();
    w.create(5, 4);
    const lease = w.take(1, 5, { kind: 'direct' });
    expect(w.giveBack(2, lease.id).errno).toBe(E.PERM);
    expect(w.leases.check({ id: lease.id, token: 'guess' }, w.holder(2), 'any')).toMatchObject({ errno: E.PERM });
    expect(w.leases.check({ id: lease.id, token: lease.token }, w.holder(2), 'granted').ok).toBe(true);
    expect(w.leases.check({ id: lease.id, seq: 7 }, w.holder(1), 'any')).toMatchObject({ errno: E.STALE });
    expect(w.leases.check({ id: 999 }, w.holder(1), 'any')).toMatchObject({ errno: E.NOENT });
  });

  test('min_fence: not where somebody’s lease ended with a weaker proof', () => {
    const w = new World();
    w.create(5, 4);
    const lease = w.take(1, 5, { kind: 'direct' });
    w.expose(lease.id, 1);
    w.leases.expire(lease.id, w.root(), true);
    expect(w.ask(2, 5, { kind: 'direct', minFence: 'strong' }).result).toMatchObject({ errno: E.AGAIN });
    expect(w.ask(2, 5, { kind: 'direct' }).result?.ok).toBe(true);
    w.leases.ack({ id: lease.id }, w.holder(1));
    expect(w.ask(3, 5, { kind: 'direct', minFence: 'strong' }).result?.ok).toBe(true);
  });
});

describe('seal and unseal (rows 25 and 26)', () => {
  function sealed(w: World, n: number, options = {}, more = { privileged: true }) {
    const told: { result: unknown } = { result: undefined };
    w.leases.seal(5, options, w.holder(n, more), (r) => {
      told.result = r;
    });
    return told;
  }

  test('privilege, preconditions, idempotence, and what it then refuses', () => {
    const w = new World();
    const file = w.create(5, 4, true);
    expect(sealed(w, 1, {}, { privileged: false }).result).toMatchObject({ errno: E.PERM });
    expect(sealed(w, 1).result).toMatchObject({ errno: E.NXIO });
    expect(sealed(w, 1, { unwrittenOk: true }).result).toEqual({ ok: true, sealed: 2 });
    expect(sealed(w, 1).result).toEqual({ ok: true, sealed: 2 });
    expect(w.leases.has(5)).toBe(true);
    expect(w.shrink(2, 5, 0).errno).toBe(E.TXTBSY);
    expect(w.append(2, 5).errno).toBe(E.TXTBSY);
    expect(w.judge(2, 5, 'write-unwritten', 0, BLOCK)).toEqual({ go: true });
    w.crash();
    expect(file.sealed).toBe(2);
    expect(w.leases.unseal(5, w.root())).toEqual({ ok: true, sealed: 0 });
    expect(w.leases.unseal(5, w.root())).toEqual({ ok: true, sealed: 0 });
    expect(w.shrink(2, 5, 0).errno).toBe(0);
  });

  test('recalls rw layouts to ro and waits for them; unseal under a direct lease is EBUSY', () => {
    const w = new World();
    w.create(5, 4);
    const layout = w.take(1, 5, { kind: 'layout', mode: 'rw' });
    const told = sealed(w, 2, { waitMs: 1000 });
    expect(told.result).toBeUndefined();
    expect(w.eventsOf(1, 'recall')).toMatchObject([{ reason: 'seal', target: 'layout ro' }]);
    w.leases.downgrade({ id: layout.id }, w.holder(1), { kind: 'layout', mode: 'ro' });
    expect(told.result).toEqual({ ok: true, sealed: 1 });
    w.take(3, 5, { kind: 'direct' });
    expect(w.leases.unseal(5, w.root())).toMatchObject({ errno: E.BUSY });
  });
});
