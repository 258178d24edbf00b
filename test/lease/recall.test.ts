import { describe, expect, test } from 'vitest';
import { E } from '../../src/system/errno.ts';
import { BLOCK, World } from './world.ts';

describe('an operation against a lease (leases.md sections 4 and 5)', () => {
  test('truncate under a direct lease: the holder hears who and why, returns, the truncate completes', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct' });
    const told = w.shrink(2, 5, 4);
    expect(told.errno).toBeUndefined();
    const [recall] = w.eventsOf(1, 'recall');
    expect(recall).toMatchObject({
      lease: lease.id,
      seq: lease.seq + 1,
      reason: 'truncate',
      target: 'none',
      deadlineMs: 45_000,
      offset: 4 * BLOCK,
      breaker: { pid: 2, command: 'p2', operation: 'shrink' },
    });
    expect(w.giveBack(1, lease.id, recall.seq)).toMatchObject({ ok: true, state: 'RELEASED' });
    expect(told.errno).toBe(0);
    expect(w.file(5).size).toBe(4);
    expect(w.leases.has(5)).toBe(false);
    w.checkSpace();
  });

  test('append under a direct lease: ETXTBSY, nobody is recalled, the refusal explains itself', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct' });
    w.clock.advance(3200);
    expect(w.append(2, 5).errno).toBe(E.TXTBSY);
    expect(w.eventsOf(1, 'recall')).toEqual([]);
    const verdict = w.judge(2, 5, 'write-append', 8 * BLOCK, BLOCK);
    expect(verdict).toMatchObject({
      refusal: {
        lease: lease.id,
        holder: { pid: 1, command: 'p1' },
        offset: 0,
        length: Number.POSITIVE_INFINITY,
        ageMs: 3200,
      },
    });
    expect(w.leases.why(5, ['write-append', 'shrink', 'read'])).toMatchObject([
      { row: 'write-append', verdict: 'refused', errno: E.TXTBSY },
      { row: 'shrink', verdict: 'waits', leases: [{ lease: lease.id }] },
      { row: 'read', verdict: 'allowed', leases: [] },
    ]);
  });

  test('the holder against itself: EDEADLK by process and by bound handle, writeback is nobody’s own', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct' });
    expect(w.shrink(1, 5, 4).errno).toBe(E.DEADLK);
    expect(w.judge(3, 5, 'shrink', 0, Number.POSITIVE_INFINITY, 77)).toMatchObject({ wait: true });
    expect(w.leases.bindHandle(77, { id: lease.id }, w.holder(1)).ok).toBe(true);
    expect(w.judge(3, 5, 'shrink', 0, Number.POSITIVE_INFINITY, 77)).toMatchObject({ errno: E.DEADLK });
    expect(w.judge(0, 5, 'shrink', 0)).toMatchObject({ wait: true });
    w.leases.fileClosed(77);
    expect(w.judge(3, 5, 'shrink', 0, Number.POSITIVE_INFINITY, 77)).toMatchObject({ wait: true });
  });

  test('all or nothing: one lease that refuses, and those that could be recalled hear nothing', () => {
    const w = new World();
    w.create(5, 8);
    w.take(1, 5, { kind: 'direct', offset: 0, length: 4 * BLOCK });
    w.take(
      2,
      5,
      { kind: 'direct', unbreakable: true, offset: 4 * BLOCK, length: 4 * BLOCK },
      w.holder(2, { privileged: true }),
    );
    expect(w.punch(3, 5, 0, 8).errno).toBe(E.TXTBSY);
    expect(w.eventsOf(1, 'recall')).toEqual([]);
    expect(w.file(5).blocks.size).toBe(8);
    // A part that touches only the first one waits for it alone.
    expect(w.punch(3, 5, 0, 4).errno).toBeUndefined();
    expect(w.eventsOf(1, 'recall')).toHaveLength(1);
  });

  test('ranges that do not overlap never conflict; a size change touches whoever covers EOF', () => {
    const w = new World();
    w.create(5, 8);
    w.take(1, 5, { kind: 'direct', offset: 0, length: 4 * BLOCK });
    expect(w.punch(2, 5, 4, 4).errno).toBe(0);
    expect(w.shrink(2, 5, 6).errno).toBe(0);
    expect(w.judge(2, 5, 'grow', 6 * BLOCK)).toEqual({ go: true });
    const other = w.create(6, 4);
    w.take(1, other.ino, { kind: 'direct', offset: 2 * BLOCK, length: 2 * BLOCK });
    expect(w.judge(2, 6, 'grow', 4 * BLOCK)).toMatchObject({ wait: true });
    expect(w.append(2, 6).errno).toBe(E.TXTBSY);
    // One behind the end is touched by a new size that reaches it, and by a smaller one, which frees what lies there.
    w.create(7, 8);
    w.take(1, 7, { kind: 'layout', offset: 10 * BLOCK, length: 2 * BLOCK });
    const grow = (blocks: number) =>
      w.leases.judge(7, [{ row: 'grow', offset: 8 * BLOCK, length: blocks * BLOCK }], w.actor(2), 'grow', false);
    expect(grow(2)).toEqual({ go: true });
    expect(grow(3)).toMatchObject({ wait: true });
    expect(w.append(2, 7).errno).toBe(0);
    expect(w.shrink(2, 7, 4).errno).toBeUndefined();
  });

  test('what is recalled is whole blocks, and a return of just that is enough', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct' });
    const told = w.operate(2, 5, [{ row: 'punch', offset: 2 * BLOCK + 10, length: BLOCK }], () => {});
    const [event] = w.eventsOf(1, 'recall');
    expect(event).toMatchObject({ offset: 2 * BLOCK, length: 2 * BLOCK });
    w.giveBack(1, lease.id, event.seq, { offset: event.offset, length: event.length });
    expect(told.errno).toBe(0);
    expect(w.state(lease.id)).toBe('GRANTED');
  });

  test('non-blocking: EAGAIN with the recall begun, and it never waits (I13)', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct' });
    const told = w.shrink(2, 5, 4, true);
    expect(told.errno).toBe(E.AGAIN);
    expect(w.leases.waiters()).toEqual([]);
    expect(w.eventsOf(1, 'recall')).toHaveLength(1);
    w.giveBack(1, lease.id);
    expect(w.shrink(2, 5, 4, true).errno).toBe(0);
  });

  test('one event per lease and seq, however many breakers; a wider demand is a new one', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct' });
    w.punch(2, 5, 0, 2);
    w.punch(3, 5, 1, 1);
    expect(w.eventsOf(1, 'recall')).toHaveLength(1);
    w.punch(4, 5, 0, 6);
    const recalls = w.eventsOf(1, 'recall');
    expect(recalls.map((e) => e.length / BLOCK)).toEqual([2, 6]);
    expect(recalls[1].seq).toBeGreaterThan(recalls[0].seq);
    expect(w.giveBack(1, lease.id, recalls[0].seq)).toMatchObject({ errno: E.STALE, refusal: { seq: recalls[1].seq } });
    expect(w.giveBack(1, lease.id, recalls[1].seq).ok).toBe(true);
    expect(w.leases.waiters()).toEqual([]);
  });

  test('a recall is never cancelled: the breaker gives up (EINTR, ETIMEDOUT), the holder still has to go', () => {
    const w = new World({ patienceMs: 10_000 });
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct' });
    const interrupted = w.shrink(2, 5, 4);
    interrupted.waiter?.cancel(E.INTR);
    expect(interrupted.errno).toBe(E.INTR);
    expect(w.state(lease.id)).toBe('RECALLED');
    const impatient = w.shrink(3, 5, 4);
    w.clock.advance(10_000);
    expect(impatient.errno).toBe(E.TIMEDOUT);
    expect(w.file(5).size).toBe(8);
    expect(w.state(lease.id)).toBe('RECALLED');
    w.clock.advance(35_000);
    expect(w.state(lease.id)).toBe('REVOKED');
  });

  test('delay: a bounded number of times, never beyond the maximum', () => {
    const w = new World({ patienceMs: Number.POSITIVE_INFINITY, delaysPerRecall: 3 });
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct' });
    w.shrink(2, 5, 4);
    expect(w.leases.delay({ id: lease.id }, w.holder(1), 60_000).ok).toBe(true);
    expect(w.leases.list({ id: lease.id })[0].deadlineMs).toBe(105_000);
    expect(w.leases.delay({ id: lease.id }, w.holder(1), 10_000_000).ok).toBe(true);
    expect(w.leases.list({ id: lease.id })[0].deadlineMs).toBe(300_000);
    expect(w.leases.delay({ id: lease.id }, w.holder(1), 1)).toMatchObject({ errno: E.TIMEDOUT });
    w.clock.advance(299_999);
    expect(w.state(lease.id)).toBe('RECALLED');
    w.clock.advance(1);
    expect(w.state(lease.id)).toBe('REVOKED');
  });

  test('partial return: a trim, a middle split, and a recall met by the part it asked for', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', offset: 0, length: 8 * BLOCK });
    const told = w.punch(2, 5, 3, 2);
    const split = w.giveBack(1, lease.id, undefined, { offset: 3 * BLOCK, length: 2 * BLOCK });
    expect(split).toMatchObject({ ok: true, offset: 0, length: 3 * BLOCK, state: 'GRANTED' });
    expect(split.rest).toMatchObject({ offset: 5 * BLOCK, length: 3 * BLOCK });
    expect(told.errno).toBe(0);
    expect(w.leases.list({ ino: 5 }).map((v) => [v.offset / BLOCK, v.length / BLOCK, v.state])).toEqual([
      [0, 3, 'GRANTED'],
      [5, 3, 'GRANTED'],
    ]);
    expect(w.store.leaseRows.size).toBe(2);
    expect(w.giveBack(1, lease.id, undefined, { offset: 100 }).errno).toBe(E.INVAL);
    expect(w.giveBack(1, split.rest?.id as number, undefined, { offset: 5 * BLOCK, length: BLOCK })).toMatchObject({
      offset: 6 * BLOCK,
    });
  });

  test('breakers of different files never wait for one another; others are served meanwhile', () => {
    const w = new World();
    w.create(5, 4);
    w.create(6, 4);
    w.take(1, 5, { kind: 'direct' });
    const six = w.take(1, 6, { kind: 'direct' });
    const a = w.shrink(2, 5, 0);
    const b = w.shrink(3, 6, 0);
    w.giveBack(1, six.id);
    expect([a.errno, b.errno]).toEqual([undefined, 0]);
  });

  test('a coherent direct lease is recalled by an in-place write, an ordinary one is not', () => {
    const w = new World();
    w.create(5, 4);
    const lease = w.take(1, 5, { kind: 'direct' });
    expect(w.judge(2, 5, 'write-in-place', 0, BLOCK)).toEqual({ go: true });
    w.giveBack(1, lease.id);
    w.take(1, 5, { kind: 'direct', coherent: true });
    expect(w.judge(2, 5, 'write-in-place', 0, BLOCK)).toMatchObject({ wait: true });
  });

  test('notify=signal:N sends signal N with the recall', () => {
    const w = new World();
    w.create(5, 4);
    w.take(1, 5, { kind: 'direct', notify: 'signal:10' });
    w.shrink(2, 5, 0);
    expect(w.killed).toEqual([{ pid: 1, signal: 10 }]);
  });

  test('waiters of one user are limited: ENOLCK, and the others are served', () => {
    const w = new World({ waitersPerUid: 2 });
    w.create(5, 8);
    w.take(1, 5, { kind: 'direct' });
    expect([w.shrink(2, 5, 1), w.shrink(3, 5, 1), w.shrink(4, 5, 1)].map((t) => t.errno)).toEqual([
      undefined,
      undefined,
      E.NOLCK,
    ]);
  });
});

describe('odp holders (leases.md section 6)', () => {
  test('invalidate, ack, go: the lease is kept', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', odp: true });
    w.expose(lease.id, 1);
    const told = w.punch(2, 5, 0, 2);
    const [event] = w.eventsOf(1, 'invalidate');
    expect(event).toMatchObject({ deadlineMs: 2000, offset: 0, length: 2 * BLOCK });
    expect(w.leases.ack({ id: lease.id, seq: lease.seq }, w.holder(1))).toMatchObject({ errno: E.STALE });
    expect(w.leases.ack({ id: lease.id, seq: event.seq }, w.holder(1)).ok).toBe(true);
    expect(told.errno).toBe(0);
    expect(w.state(lease.id)).toBe('GRANTED');
    expect(w.quarantined()).toEqual([]);
    // The next one asks again.
    w.punch(2, 5, 0, 2);
    expect(w.eventsOf(1, 'invalidate')).toHaveLength(2);
    w.checkSpace();
  });

  test('a non-blocking breaker passes when it comes back after the ack, until the map is fetched again', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', odp: true });
    expect(w.punch(2, 5, 0, 2, true).errno).toBe(E.AGAIN);
    w.leases.ack({ id: lease.id }, w.holder(1));
    expect(w.punch(2, 5, 0, 2, true).errno).toBe(0);
    expect(w.punch(2, 5, 4, 2, true).errno).toBe(E.AGAIN);
    w.leases.ack({ id: lease.id }, w.holder(1));
    w.leases.told(lease.id);
    expect(w.punch(2, 5, 4, 2, true).errno).toBe(E.AGAIN);
  });

  test('two holders and a sub-lease: one that waits for all of them goes on when the last has forgotten', () => {
    const w = new World();
    w.create(5, 8);
    const one = w.take(1, 5, { kind: 'direct', odp: true });
    const two = w.take(2, 5, { kind: 'direct', odp: true });
    const under = w.take(1, 5, { kind: 'direct', odp: true, parent: one.id, offset: 0, length: 4 * BLOCK });
    const told = w.punch(3, 5, 0, 2);
    const asked = w.events.filter(({ event }) => event.event === 'invalidate').map(({ event }) => event.lease);
    expect([...asked].sort()).toEqual([one.id, two.id, under.id]);
    expect(asked.indexOf(under.id), 'before its parent').toBeLessThan(asked.indexOf(one.id));
    for (const [id, session] of [
      [one.id, 1],
      [under.id, 1],
      [two.id, 2],
    ] as const) {
      expect(told.errno).toBeUndefined();
      w.leases.ack({ id }, w.holder(session));
    }
    expect(told.errno).toBe(0);
    expect(w.events.filter(({ event }) => event.event === 'invalidate')).toHaveLength(3);
    // Their answers were for this one: the next one asks all of them again.
    expect(w.punch(3, 5, 4, 2).errno).toBeUndefined();
    expect(w.events.filter(({ event }) => event.event === 'invalidate')).toHaveLength(5);
    w.checkSpace();
  });

  test('holders that fetch the map again before the others have answered are recalled in the end', () => {
    const w = new World();
    w.create(5, 8);
    const ids = [1, 2].map((session) => w.take(session, 5, { kind: 'direct', odp: true }).id);
    const told = w.punch(3, 5, 0, 2);
    for (let round = 0; round < 20 && told.errno === undefined; round++) {
      const session = (round % 2) + 1;
      const id = ids[session - 1] as number;
      const recalled = w.eventsOf(session, 'recall').length > 0;
      if (recalled && w.state(id) === 'RECALLED') w.giveBack(session, id);
      else if (w.state(id) === 'GRANTED') {
        w.leases.ack({ id }, w.holder(session));
        w.leases.told(id);
      }
    }
    expect(told.errno).toBe(0);
  });

  test('a missed ack takes the normal path', () => {
    const w = new World();
    w.create(5, 8);
    const lease = w.take(1, 5, { kind: 'direct', odp: true });
    w.punch(2, 5, 0, 2);
    w.clock.advance(2000);
    expect(w.state(lease.id)).toBe('RECALLED');
    expect(w.eventsOf(1, 'recall')).toHaveLength(1);
  });

  test('fsync never recalls anyone', () => {
    const w = new World();
    w.create(5, 8);
    w.take(1, 5, { kind: 'direct', odp: true, coherent: true });
    expect(w.judge(2, 5, 'fsync')).toEqual({ go: true });
  });
});
