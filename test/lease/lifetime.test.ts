import { describe, expect, test } from 'vitest';
import type { Change } from '../../src/lease/api.ts';
import { E } from '../../src/system/errno.ts';
import { BLOCK, World } from './world.ts';

describe('bindings (leases.md section 2)', () => {
  test('fd: the end of the session ends the lease at once, and the waiter goes on (SIGKILL)', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct' });
    w.expose(lease.id, 1);
    const told = w.shrink(2, 5, 0);
    w.die(1);
    expect(told.errno).toBe(0);
    expect(w.state(lease.id)).toBe('gone');
    expect(w.quarantined()).toEqual([]);
    w.checkSpace();
  });

  test('fd, raw, and another process maps the blocks: an orphan that protects them until that one is gone', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', onExpire: 'none' });
    w.expose(lease.id, 1);
    w.expose(lease.id, 7);
    w.die(1);
    expect(w.state(lease.id)).toBe('ORPHANED');
    expect(w.append(2, 5).errno).toBe(E.TXTBSY);
    const told = w.shrink(2, 5, 4);
    // Nobody is left to be asked: the fence begins, and the truncate goes on with its blocks in quarantine.
    expect(told.errno).toBe(0);
    expect(w.quarantined()).toHaveLength(4);
    w.maps.delete(lease.id);
    w.clock.advance(10_000);
    expect(w.quarantined()).toEqual([]);
    w.checkSpace();
  });

  test('an orphan that nobody disturbs ends by itself when its mappings are gone', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct' });
    w.expose(lease.id, 7);
    w.die(1);
    w.clock.advance(500_000);
    expect(w.state(lease.id)).toBe('ORPHANED');
    w.maps.clear();
    w.clock.advance(180_000);
    expect(w.state(lease.id)).toBe('gone');
  });

  test('file: lives until the open file is gone, whatever happens to the session', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', bind: 'file', fh: 33 });
    w.leases.sessionClosed(1);
    expect(w.state(lease.id)).toBe('GRANTED');
    w.leases.fileClosed(34);
    expect(w.state(lease.id)).toBe('GRANTED');
    w.leases.fileClosed(33);
    expect(w.state(lease.id)).toBe('gone');
  });

  test('process: ends with the process, found by looking, and a recall of a dead one waits for nobody', () => {
    const w = new World();
    w.create(5, 8);
    w.create(6, 8);
    const five = w.take(1, 5, { kind: 'direct', bind: 'process' });
    const six = w.take(3, 6, { kind: 'direct', bind: 'process' });
    w.leases.sessionClosed(1);
    w.clock.advance(5000);
    expect(w.state(five.id)).toBe('GRANTED');
    w.dead.add(3);
    expect(w.shrink(2, 6, 0).errno).toBe(0);
    expect(w.state(six.id)).toBe('gone');
    w.dead.add(1);
    w.clock.advance(1000);
    expect(w.state(five.id)).toBe('gone');
    expect(w.clock.pending).toBe(0);
  });

  test('named: renewed, or an orphan that its secret brings back; names are unique', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', bind: 'named', name: 'db' });
    expect(lease.secret).toMatch(/^[0-9a-f]{32}$/);
    expect(w.ask(2, 5, { kind: 'direct', bind: 'named', name: 'db' }).result).toMatchObject({ errno: E.BUSY });
    w.clock.advance(29_000);
    expect(w.leases.renew({ id: lease.id }, w.holder(1)).ok).toBe(true);
    w.die(1);
    w.clock.advance(29_000);
    expect(w.state(lease.id)).toBe('GRANTED');
    w.clock.advance(1000);
    expect(w.state(lease.id)).toBe('ORPHANED');
    w.clock.advance(1e6);
    expect(w.state(lease.id)).toBe('ORPHANED');
    expect(w.leases.reclaim('db', 'wrong', w.holder(2))).toMatchObject({ errno: E.ACCES });
    expect(w.leases.reclaim('nothing', 'wrong', w.holder(2))).toMatchObject({ errno: E.NOENT });
    const again = w.leases.reclaim('db', lease.secret as string, w.holder(2));
    expect(again).toMatchObject({ ok: true, id: lease.id, state: 'GRANTED' });
    expect(w.giveBack(1, lease.id, lease.seq).errno).toBe(E.PERM);
    expect(w.giveBack(2, lease.id).ok).toBe(true);
  });

  test('named, given back in the middle: both parts keep the binding, each reclaimed by a name of its own', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', bind: 'named', name: 'db', offset: 0, length: 8 * BLOCK });
    const { rest } = w.giveBack(1, lease.id, undefined, { offset: 3 * BLOCK, length: 2 * BLOCK });
    const { id, name } = rest as { id: number; name: string };
    expect(name).toBe(`db.${id}`);
    w.clock.advance(29_000);
    expect(w.leases.renew({ id }, w.holder(1)).ok).toBe(true);
    w.clock.advance(1000);
    expect([w.state(lease.id), w.state(id)]).toEqual(['ORPHANED', 'GRANTED']);
    w.crash();
    expect(w.state(id)).toBe('ORPHANED');
    expect(w.leases.reclaim(name, 'wrong', w.holder(2))).toMatchObject({ errno: E.ACCES });
    expect(w.leases.reclaim(name, lease.secret as string, w.holder(2))).toMatchObject({ ok: true, id });
    expect(w.leases.reclaim('db', lease.secret as string, w.holder(2))).toMatchObject({ ok: true, id: lease.id });
    expect(w.leases.list({ ino: 5 }).map((v) => [v.offset / BLOCK, v.length / BLOCK, v.bind])).toEqual([
      [0, 3, 'named'],
      [5, 3, 'named'],
    ]);
  });

  test('no renewal while it is being recalled', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', bind: 'named', name: 'db' });
    w.shrink(2, 5, 0);
    expect(w.leases.renew({ id: lease.id }, w.holder(1))).toMatchObject({ errno: E.AGAIN });
    w.clock.advance(44_000);
    expect(w.state(lease.id)).toBe('RECALLED');
  });

  test('last unlink: the blocks are freed when the leases end, not before (row 18)', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct' });
    expect(w.unlink(2, 5).errno).toBe(0);
    expect(w.used.size).toBe(8);
    w.giveBack(1, lease.id);
    expect(w.used.size).toBe(0);
    expect(w.reaped).toEqual([5]);
  });
});

describe('crash, remount, unmount (leases.md section 4, "any")', () => {
  test('fd-bound leases do not survive their handle; a mapped device keeps an orphan, and its blocks safe (I10)', () => {
    const w = new World();
    w.create(5, 8);
    w.create(6, 8);
    const guarded = w.take(1, 5, { kind: 'direct' });
    const raw = w.take(1, 6, { kind: 'direct', onExpire: 'none' });
    w.expose(raw.id, 1);
    w.crash();
    expect(w.state(guarded.id)).toBe('gone');
    expect(w.state(raw.id)).toBe('ORPHANED');
    expect(w.store.leaseRows.get(raw.id)).toMatchObject({ state: 'ORPHANED' });
    expect(w.leases.check({ id: raw.id, seq: raw.seq, token: raw.token }, w.holder(1), 'any')).toMatchObject({
      errno: E.STALE,
    });
    expect(w.append(2, 6).errno).toBe(E.TXTBSY);
    expect(w.shrink(2, 6, 0).errno).toBe(0);
    expect(w.quarantined()).toHaveLength(8);
    w.crash();
    expect(w.quarantined()).toHaveLength(8);
    w.maps.clear();
    w.clock.advance(600_000);
    expect(w.quarantined()).toEqual([]);
    expect(w.leases.list()).toEqual([]);
    w.checkSpace();
  });

  test('what a late holder reaches is remembered by blocks: the map moved them before the crash', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', onExpire: 'none', offset: 0, length: 4 * BLOCK });
    w.expose(lease.id, 1);
    const reached = [...w.file(5).blocks].filter(([i]) => i < 4).map(([, b]) => b.device);
    w.insert(2, 5, 0, 16);
    w.clock.advance(45_000);
    w.crash();
    w.punch(2, 5, 16, 4);
    expect(w.quarantined().sort()).toEqual(reached.sort());
    w.checkSpace();
  });

  test('named leases are reclaimable in the grace period, and conflicting requests wait for it', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', bind: 'named', name: 'db', secret: 'open sesame' });
    w.expose(lease.id, 1);
    w.crash();
    expect(w.state(lease.id)).toBe('ORPHANED');
    expect(w.ask(2, 5, { kind: 'exclusive' }).result).toMatchObject({ errno: E.AGAIN });
    const told = w.shrink(2, 5, 0);
    expect(told.errno).toBeUndefined();
    expect(w.leases.reclaim('db', 'open sesame', w.holder(3))).toMatchObject({ ok: true, state: 'GRANTED' });
    // The truncate that waited asks the holder who is back.
    expect(w.eventsOf(3, 'recall')).toHaveLength(1);
    w.giveBack(3, lease.id);
    expect(told.errno).toBe(0);
    w.checkSpace();
  });

  test('a named lease whose break time was over before the crash is not to be had again', () => {
    const w = new World({ patienceMs: Number.POSITIVE_INFINITY });
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', bind: 'named', name: 'db', secret: 's', onExpire: 'none' });
    w.expose(lease.id, 1);
    const told = w.shrink(2, 5, 4);
    w.clock.advance(45_000);
    expect(told.errno, 'went on without it').toBe(0);
    w.crash();
    expect(w.leases.reclaim('db', 's', w.holder(3))).toMatchObject({ errno: E.STALE });
    expect(w.leases.quarantineList()).toHaveLength(4);
    w.die(1);
    w.clock.advance(600_000);
    expect(w.leases.quarantineList()).toEqual([]);
    w.checkSpace();
  });

  test('a name that nobody reclaims: over with the grace period, by proof', () => {
    const w = new World({ patienceMs: Number.POSITIVE_INFINITY });
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', bind: 'named', name: 'db', secret: 's' });
    w.expose(lease.id, 1);
    w.crash();
    const told = w.shrink(2, 5, 4);
    w.clock.advance(89_000);
    expect(told.errno).toBeUndefined();
    w.clock.advance(1000);
    expect(told.errno).toBe(0);
    expect(w.state(lease.id)).toBe('REVOKED');
    expect(w.quarantined()).toHaveLength(8);
    w.checkSpace();
  });

  test('a daemon that took over the connection of a dead one: leases go on', () => {
    const w = new World();
    w.create(5, 8);
    w.create(6, 8);
    const granted = w.take(1, 5, { kind: 'direct' });
    const recalled = w.take(1, 6, { kind: 'direct' });
    w.shrink(2, 6, 0);
    w.clock.advance(30_000);
    w.crash(true);
    expect(w.giveBack(1, granted.id, granted.seq).ok).toBe(true);
    w.clock.advance(13_000);
    expect(w.state(recalled.id), 'the deadline is the one that the holder was told').toBe('RECALLED');
    w.clock.advance(3_000);
    expect(w.state(recalled.id)).toBe('REVOKED');
  });

  test('the grace period of a named lease does not end with a daemon that is taken over from', () => {
    const w = new World({ patienceMs: Number.POSITIVE_INFINITY });
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', bind: 'named', name: 'db', secret: 's' });
    w.crash();
    w.clock.advance(30_000);
    w.crash(true);
    const told = w.shrink(2, 5, 4);
    w.clock.advance(59_000);
    expect(told.errno).toBeUndefined();
    expect(w.state(lease.id)).toBe('ORPHANED');
    expect(w.leases.reclaim('db', 's', w.holder(3)).ok).toBe(true);
  });

  test('what a verb has bound to a lease acts for it in the next daemon, until it is closed', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'exclusive' });
    const change: Change = { row: 'grow', offset: 8 * BLOCK, length: BLOCK };
    const through = (fh: number) => w.leases.judge(5, [change], w.actor(2, fh), 'write', true).go;
    expect(w.leases.bindHandle(77, { id: lease.id }, w.holder(1), true).ok).toBe(true);
    expect(w.leases.bindHandle(78, { id: lease.id }, w.holder(1)).ok).toBe(true);
    w.crash(true);
    expect([through(77), through(78)]).toEqual([true, false]);
    w.leases.fileClosed(77);
    expect(through(77)).toBe(false);
    w.crash(true);
    expect(through(77)).toBe(false);
  });

  test('a holder who knows the map hears of its change from the next daemon too', () => {
    const w = new World();
    w.create(5, 8);
    const knows = w.take(1, 5, { kind: 'layout' });
    const other = w.take(2, 5, { kind: 'layout' });
    w.leases.told(knows.id);
    w.crash(true);
    w.leases.mapMoved(5, 12);
    w.leases.mapMoved(5, 13);
    const told = (lease: number) =>
      w.events.filter(({ event }) => event.event === 'gen' && event.lease === lease).length;
    expect([told(knows.id), told(other.id)]).toEqual([1, 0]);
  });

  test('a tombstone outlives a crash, and is acknowledged after it', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct' });
    w.expose(lease.id, 1);
    w.leases.expire(lease.id, w.root(), false);
    expect(w.quarantined()).toHaveLength(8);
    w.crash();
    expect(w.state(lease.id)).toBe('REVOKED');
    expect(w.leases.ack({ id: lease.id }, w.holder(1)).ok).toBe(true);
    expect(w.quarantined()).toEqual([]);
    w.checkSpace();
  });

  test('ids are never used twice', () => {
    const w = new World();
    w.create(5, 8);
    const first = w.take(1, 5, { kind: 'layout' });
    w.giveBack(1, first.id);
    w.crash();
    expect(w.take(1, 5, { kind: 'layout' }).id).toBeGreaterThan(first.id);
  });

  test('unmount: all are recalled, unbreakable ones too; at the deadline the rest is recorded as orphans (row 27)', () => {
    const w = new World();
    w.create(5, 8);
    w.create(6, 8);
    const one = w.take(1, 5, { kind: 'direct' });
    const two = w.take(2, 6, { kind: 'direct', unbreakable: true }, w.holder(2, { privileged: true }));
    w.expose(two.id, 2);
    let orphans: number[] | undefined;
    w.leases.stopAll((views) => {
      orphans = views.map((v) => v.id);
    });
    expect(w.events.filter((e) => e.event.event === 'recall').map((e) => e.event.reason)).toEqual([
      'unmount',
      'unmount',
    ]);
    expect(w.ask(3, 5, { kind: 'layout' }).result).toMatchObject({ errno: E.AGAIN, refusal: { cause: 'stopping' } });
    w.giveBack(1, one.id);
    expect(orphans).toBeUndefined();
    w.clock.advance(45_000);
    expect(orphans).toEqual([two.id]);
    expect(w.store.leaseRows.get(two.id)).toBeDefined();
  });

  test('unmount with nothing to wait for is done at once', () => {
    const w = new World();
    let done = false;
    w.leases.stopAll(() => {
      done = true;
    });
    expect(done).toBe(true);
    expect(w.clock.pending).toBe(0);
  });
});
