import { describe, expect, test } from 'vitest';
import { E } from '../../src/system/errno.ts';
import { BLOCK, World } from './world.ts';

const BREAK = 45_000;

function late(options: ConstructorParameters<typeof World>[0] = {}, request: object = {}) {
  const w = new World(options);
  w.create(5, 8);
  const lease = w.take(1, 5, { kind: 'direct', ...request });
  w.expose(lease.id, 1);
  return { w, lease };
}

describe('holders that do not answer (leases.md sections 4 and 7)', () => {
  test('guarded window only: closing it is the proof, nothing is quarantined', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct' });
    const told = w.shrink(2, 5, 0);
    w.clock.advance(BREAK);
    expect(told.errno).toBe(0);
    expect(w.closedWindows).toContain(lease.id);
    expect(w.leases.find(lease.id)).toMatchObject({ state: 'REVOKED', proof: 'strong' });
    expect(w.quarantined()).toEqual([]);
    w.checkSpace();
    w.clock.advance(600_000);
    expect(w.state(lease.id)).toBe('gone');
  });

  test('raw, expired=quarantine: the mutation goes on, its blocks are not given to anybody while the mapping lives', () => {
    const { w, lease } = late({}, { onExpire: 'none' });
    const blocks = [...w.file(5).blocks.values()].map((b) => b.device).sort((a, b) => a - b);
    const told = w.shrink(2, 5, 4);
    w.clock.advance(BREAK);
    expect(told.errno).toBe(0);
    expect(w.state(lease.id)).toBe('FENCE_FAILED');
    expect(w.quarantined()).toEqual(blocks.slice(4));
    w.checkSpace();
    w.clock.advance(3_600_000);
    expect(w.quarantined()).toEqual(blocks.slice(4));
    w.die(1);
    expect(w.state(lease.id)).toBe('REVOKED');
    expect(w.quarantined()).toEqual([]);
    w.checkSpace();
  });

  test('raw, expired=hold: the mutation waits for the proof', () => {
    const { w } = late({ expired: 'hold', patienceMs: Number.POSITIVE_INFINITY }, { onExpire: 'none' });
    const told = w.shrink(2, 5, 4);
    w.clock.advance(BREAK + 60_000);
    expect(told.errno).toBeUndefined();
    w.die(1);
    expect(told.errno).toBe(0);
    expect(w.quarantined()).toEqual([]);
  });

  test('relocate: what the breaker leaves is moved out from under the holder; the old place stays in quarantine', () => {
    const { w, lease } = late();
    const before = new Map([...w.file(5).blocks].map(([i, b]) => [i, b.device]));
    w.shrink(2, 5, 4);
    w.clock.advance(BREAK);
    expect(w.leases.find(lease.id)).toMatchObject({ state: 'REVOKED', proof: 'strong' });
    expect(w.quarantined().sort()).toEqual([...before.values()].sort());
    for (const [i, block] of w.file(5).blocks) expect(block.device).not.toBe(before.get(i));
    w.checkSpace();
    // Old age is no proof.
    w.clock.advance(3_600_000);
    expect(w.state(lease.id)).toBe('REVOKED');
    expect(w.quarantined()).toHaveLength(8);
    w.maps.delete(lease.id);
    w.clock.advance(180_000);
    expect(w.quarantined()).toEqual([]);
    expect(w.state(lease.id)).toBe('gone');
    w.checkSpace();
  });

  test('relocate does not move blocks from under another live lease', () => {
    const { w, lease } = late();
    const other = w.take(2, 5, { kind: 'direct' });
    w.leases.expire(lease.id, w.root(), false);
    expect(w.leases.find(lease.id)).toMatchObject({
      state: 'FENCE_FAILED',
      fence: { result: `lease ${other.id} keeps the blocks where they are` },
    });
    w.giveBack(2, other.id);
    w.clock.advance(1000);
    expect(w.state(lease.id)).toBe('REVOKED');
  });

  test('kill: SIGKILL by pid and start time, and no mapping left', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(3, 5, { kind: 'direct', onExpire: 'kill' });
    w.expose(lease.id, 3);
    w.expose(lease.id, 7);
    w.shrink(2, 5, 4);
    w.clock.advance(BREAK);
    expect(w.killed).toEqual([{ pid: 3, signal: 9 }]);
    expect(w.state(lease.id)).toBe('FENCE_FAILED');
    w.die(7);
    w.clock.advance(1000);
    expect(w.leases.find(lease.id)).toMatchObject({ state: 'REVOKED', proof: 'medium' });
    expect(w.quarantined()).toEqual([]);
  });

  test('fence-cmd: exit 0 is the proof, as configured', () => {
    const { w, lease } = late();
    let status = 1;
    w.fenceCommand = (_subject, done) => done(status);
    w.shrink(2, 5, 4);
    w.clock.advance(BREAK);
    expect(w.leases.find(lease.id)).toMatchObject({
      state: 'FENCE_FAILED',
      fence: { method: 'command', result: 'exit 1' },
    });
    status = 0;
    w.clock.advance(1000);
    expect(w.leases.find(lease.id)).toMatchObject({ state: 'REVOKED', proof: 'configured' });
  });

  test('fence-cmd: it alone tells that a lost holder, who may be on another host, is gone', () => {
    const { w, lease } = late();
    let status = 1;
    const asked: number[] = [];
    w.fenceCommand = (subject, done) => {
      asked.push(subject.id);
      done(status);
    };
    // Nobody maps the blocks on this host, which proves nothing.
    w.maps.delete(lease.id);
    w.leases.sessionClosed(w.leases.find(lease.id)!.holder.session);
    expect(w.state(lease.id)).toBe('FENCE_FAILED');
    w.shrink(2, 5, 4);
    w.clock.advance(5000);
    expect(w.leases.find(lease.id)).toMatchObject({ state: 'FENCE_FAILED', fence: { method: 'command' } });
    status = 0;
    w.clock.advance(180_000);
    expect(w.state(lease.id)).not.toBe('FENCE_FAILED');
    expect(w.quarantined()).toEqual([]);
    expect(asked.length).toBeGreaterThan(2);
    w.checkSpace();
  });

  test('fence-cmd: what an administrator forced is in quarantine until the command says that the holder is cut off', () => {
    const { w, lease } = late();
    let status = 1;
    w.fenceCommand = (_subject, done) => done(status);
    w.maps.delete(lease.id);
    w.leases.expire(lease.id, w.root(), true);
    w.shrink(2, 5, 4);
    w.clock.advance(3_600_000);
    expect(w.quarantined()).not.toEqual([]);
    status = 0;
    w.clock.advance(180_000);
    expect(w.quarantined()).toEqual([]);
    w.checkSpace();
  });

  test('failures are retried after 1 s doubling to 180 s, one warning, success logged, attempts recorded', () => {
    const { w, lease } = late({ patienceMs: Number.POSITIVE_INFINITY });
    w.relocateErrno = E.NOSPC;
    w.shrink(2, 5, 4);
    w.clock.advance(BREAK);
    const at: number[] = [];
    let seen = w.store.fenceAttempts.length;
    for (let s = 1; s <= 800; s++) {
      w.clock.advance(1000);
      if (w.store.fenceAttempts.length > seen) at.push(s);
      seen = w.store.fenceAttempts.length;
    }
    expect(at).toEqual([1, 3, 7, 15, 31, 63, 127, 255, 435, 615, 795]);
    expect(w.logs.filter((l) => l.startsWith('warning'))).toHaveLength(1);
    w.relocateErrno = 0;
    w.leases.retryFences();
    expect(w.state(lease.id)).toBe('REVOKED');
    expect(w.logs.at(-1)).toMatch(/^notice.*blocks moved away/);
    expect(w.store.fenceAttempts.at(-1)).toMatchObject({
      lease: lease.id,
      method: 'relocate',
      result: 'blocks moved away',
    });
  });

  test('a late return is accepted in FENCING, and is ESTALE in REVOKED (I15)', () => {
    const { w, lease } = late({}, { onExpire: 'none' });
    w.shrink(2, 5, 4);
    const recall = w.eventsOf(1, 'recall')[0];
    w.clock.advance(BREAK);
    expect(w.state(lease.id)).toBe('FENCE_FAILED');
    expect(w.giveBack(1, lease.id, 1)).toMatchObject({ errno: E.STALE });
    expect(w.giveBack(1, lease.id, recall.seq)).toMatchObject({ ok: true, state: 'RELEASED' });
    expect(w.quarantined()).toEqual([]);
    w.checkSpace();

    const second = w.take(1, 5, { kind: 'direct' });
    w.shrink(2, 5, 2);
    w.clock.advance(BREAK);
    expect(w.state(second.id)).toBe('REVOKED');
    expect(w.giveBack(1, second.id)).toMatchObject({ errno: E.STALE });
    expect(w.leases.ack({ id: second.id }, w.holder(1)).ok).toBe(true);
    expect(w.state(second.id)).toBe('gone');
  });

  test('a waiting grant goes on only with the proof', () => {
    const { w, lease } = late({}, { onExpire: 'none' });
    const ask = w.ask(2, 5, { kind: 'exclusive', waitMs: 1e6 });
    w.clock.advance(BREAK + 100_000);
    expect(w.state(lease.id)).toMatch(/FENC/);
    expect(ask.result).toBeUndefined();
    w.die(1);
    expect(ask.result?.ok).toBe(true);
  });

  test('expire --force: privilege, audit, tombstone; later freed blocks go to quarantine until the ack', () => {
    const { w, lease } = late({}, { onExpire: 'none', unbreakable: false });
    expect(w.leases.expire(lease.id, w.holder(2), true)).toMatchObject({ errno: E.PERM });
    expect(w.leases.expire(lease.id, w.root(), true)).toMatchObject({ ok: true, state: 'REVOKED' });
    expect(w.store.audits).toMatchObject([{ verb: 'expire --force', lease: lease.id, uid: 0 }]);
    expect(w.shrink(2, 5, 4).errno).toBe(0);
    expect(w.quarantined()).toHaveLength(4);
    w.leases.ack({ id: lease.id }, w.holder(1));
    expect(w.quarantined()).toEqual([]);
    w.checkSpace();
  });

  test('a tombstone that nobody acknowledges is there for 10 minutes', () => {
    const w = new World();
    w.create(5, 4);
    const lease = w.take(1, 5, { kind: 'direct' });
    w.shrink(2, 5, 0);
    w.clock.advance(45_000);
    expect(w.state(lease.id)).toBe('REVOKED');
    w.clock.advance(599_999);
    expect(w.giveBack(1, lease.id).errno).toBe(E.STALE);
    w.clock.advance(1);
    expect(w.giveBack(1, lease.id).errno).toBe(E.NOENT);
  });

  test('revoke reaches unbreakable leases, nothing else does', () => {
    const w = new World();
    w.create(5, 4);
    const lease = w.take(1, 5, { kind: 'direct', unbreakable: true }, w.holder(1, { privileged: true }));
    expect(w.shrink(2, 5, 0).errno).toBe(E.TXTBSY);
    expect(w.leases.breakFile(5, {}, { read: true, write: true, owner: true }, w.holder(2))).toMatchObject({
      errno: E.TXTBSY,
    });
    expect(w.leases.revoke(lease.id, w.holder(2))).toMatchObject({ errno: E.PERM });
    expect(w.leases.revoke(lease.id, w.root())).toMatchObject({ ok: true, state: 'RECALLED' });
    w.clock.advance(BREAK);
    expect(w.state(lease.id)).toBe('REVOKED');
  });

  test('quarantine: left only by ack, proof or audited force (I11); a block two holders reach waits for both', () => {
    const { w, lease } = late({}, { onExpire: 'none' });
    const second = w.take(2, 5, { kind: 'direct', onExpire: 'none' });
    w.expose(second.id, 2);
    w.shrink(3, 5, 4);
    w.clock.advance(BREAK);
    expect(w.quarantined()).toHaveLength(4);
    w.die(1);
    expect(w.quarantined()).toHaveLength(4);
    expect(new Set(w.leases.quarantineList().map((r) => r.lease))).toEqual(new Set([second.id]));
    expect(w.leases.quarantineRelease({ lease: second.id }, w.root())).toMatchObject({ errno: E.BUSY });
    w.leases.expire(second.id, w.root(), true);
    expect(w.leases.quarantineRelease({ lease: second.id }, w.holder(2))).toMatchObject({ errno: E.PERM });
    const [row] = w.leases.quarantineList();
    expect(w.leases.quarantineRelease({ deviceBlock: row.deviceBlock }, w.root())).toEqual({
      ok: true,
      released: row.length,
    });
    expect(w.leases.quarantineRelease({ lease: second.id }, w.root())).toEqual({ ok: true, released: 4 - row.length });
    expect(w.store.audits.map((a) => a.verb)).toContain('quarantine release');
    expect(w.leases.quarantineRelease({ lease: lease.id }, w.root())).toMatchObject({ errno: E.NOENT });
    w.checkSpace();
  });

  test('blocks that the map carried elsewhere meanwhile are still kept from everybody', () => {
    const { w } = late({}, { onExpire: 'none', offset: 0, length: 4 * BLOCK });
    const reached = [...w.file(5).blocks].filter(([i]) => i < 4).map(([, b]) => b.device);
    // The break time is over; an insert moves the leased blocks behind the leased range, and a punch frees them there.
    w.insert(2, 5, 0, 16);
    w.clock.advance(BREAK);
    expect(w.punch(2, 5, 16, 4).errno).toBe(0);
    expect(w.quarantined().sort()).toEqual(reached.sort());
    w.checkSpace();
  });

  test('device lost: everything live is revoked, reason=device', () => {
    const { w, lease } = late();
    w.leases.deviceLost();
    expect(w.state(lease.id)).toBe('REVOKED');
    expect(w.eventsOf(1, 'revoked')).toMatchObject([{ reason: 'device' }]);
  });

  test('injected faults: a lost event is visible by its seq; a failing fence fails as often as asked', () => {
    const { w, lease } = late();
    w.leases.inject({ fault: 'lose-event', lease: lease.id });
    w.leases.inject({ fault: 'fail-fence', count: 2 });
    w.shrink(2, 5, 4);
    expect(w.eventsOf(1, 'recall')).toEqual([]);
    expect(w.leases.check({ id: lease.id, seq: 1 }, w.holder(1), 'any')).toMatchObject({
      errno: E.STALE,
      refusal: { seq: 2 },
    });
    w.clock.advance(BREAK);
    expect(w.state(lease.id)).toBe('FENCE_FAILED');
    w.clock.advance(1000);
    expect(w.state(lease.id)).toBe('FENCE_FAILED');
    w.clock.advance(2000);
    expect(w.state(lease.id)).toBe('REVOKED');
  });
});
