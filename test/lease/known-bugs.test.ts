/** Bugs of other layout managers (the end of leases.md), each looked for here. */
import { expect, test } from 'vitest';
import { E } from '../../src/system/errno.ts';
import { BLOCK, World } from './world.ts';

test('grants during a recall (chimera#1378)', () => {
  const w = new World();
  w.create(5, 8);
  w.take(1, 5, { kind: 'direct' });
  w.shrink(2, 5, 4);
  for (const kind of ['layout', 'direct', 'exclusive'] as const) {
    expect(w.ask(3, 5, { kind }).result).toMatchObject({ errno: E.AGAIN, refusal: { cause: 'recallconflict' } });
  }
  // Nor while the breaker waits for another lease and this part is free already.
  const v = new World();
  v.create(5, 8);
  const low = v.take(1, 5, { kind: 'direct', offset: 0, length: 4 * BLOCK });
  v.take(2, 5, { kind: 'direct', offset: 4 * BLOCK, length: 4 * BLOCK });
  v.shrink(3, 5, 0);
  v.giveBack(1, low.id);
  expect(v.ask(4, 5, { kind: 'direct', offset: 0, length: 4 * BLOCK }).result).toMatchObject({ errno: E.AGAIN });
});

test('unlink that does not free or recall (chimera#1094)', () => {
  const w = new World();
  w.create(5, 8);
  const lease = w.take(1, 5, { kind: 'direct' });
  w.unlink(2, 5);
  expect(w.files.has(5)).toBe(true);
  w.giveBack(1, lease.id);
  expect(w.files.has(5)).toBe(false);
  expect(w.used.size).toBe(0);
});

test('commit that truncates: commit is an extending row, and refused to third parties under a direct lease (chimera#1053)', () => {
  const w = new World();
  w.create(5, 8);
  w.take(1, 5, { kind: 'layout', mode: 'rw' });
  expect(w.judge(1, 5, 'commit', 8 * BLOCK)).toEqual({ go: true });
  expect(w.judge(1, 5, 'shrink', 4 * BLOCK)).toMatchObject({ errno: E.DEADLK });
  expect(w.judge(2, 5, 'commit', 8 * BLOCK)).toMatchObject({ wait: true });
});

test('release-all that does nothing', () => {
  const w = new World();
  for (let ino = 5; ino < 10; ino++) {
    w.create(ino, 2);
    w.take(1, ino, { kind: 'direct' });
    w.take(1, ino, { kind: 'layout' });
  }
  w.leases.sessionClosed(1);
  expect(w.leases.list()).toEqual([]);
  expect(w.store.leaseRows.size).toBe(0);
  for (let ino = 5; ino < 10; ino++) expect(w.leases.has(ino)).toBe(false);
});

test('no fence after the timeout', () => {
  const w = new World();
  w.create(5, 8);
  const lease = w.take(1, 5, { kind: 'direct' });
  w.expose(lease.id, 1);
  w.shrink(2, 5, 4);
  w.clock.advance(45_000);
  expect(w.store.fenceAttempts).toMatchObject([{ lease: lease.id, method: 'relocate' }]);
});

test('a recall that carries the wrong kind', () => {
  const w = new World();
  const kinds = [
    ['layout', { mode: 'ro' }, 'layout ro'],
    ['layout', { mode: 'rw' }, 'layout rw'],
    ['direct', {}, 'direct'],
  ] as const;
  kinds.forEach(([kind, more, text], i) => {
    w.create(5 + i, 4);
    w.take(10 + i, 5 + i, { kind, ...more });
    w.shrink(2, 5 + i, 0);
    expect(w.eventsOf(10 + i, 'recall')).toMatchObject([{ kind: text, ino: 5 + i }]);
  });
});

test('a recall wired only to truncate and not to the other mutations (chimera#1425)', () => {
  const rows = [
    'shrink',
    'grow',
    'punch',
    'zero',
    'collapse-insert',
    'prepare',
    'clone-source',
    'clone-destination',
    'relocate',
    'drain',
  ] as const;
  for (const row of rows) {
    const w = new World();
    w.create(5, 8);
    w.take(1, 5, { kind: 'direct' });
    const told = w.operate(2, 5, [{ row, offset: 0, length: 8 * BLOCK }], () => {});
    expect(told.errno, row).toBeUndefined();
    expect(w.eventsOf(1, 'recall'), row).toHaveLength(1);
  }
});

test('a lease installed before its record is listed: a break then sees nothing to recall', () => {
  const w = new World();
  w.create(5, 8);
  w.slowFlush = true;
  const ask = w.ask(1, 5, { kind: 'direct' });
  // The truncate comes while the request is pending: it is done, and the grant looks again.
  expect(w.shrink(2, 5, 4).errno).toBe(0);
  w.pendingFlushes.shift()?.();
  expect(ask.result).toMatchObject({ ok: true });
  expect(w.store.leaseRows.size).toBe(1);
  // From the moment the answer is there, a break finds it.
  expect(w.shrink(2, 5, 2).errno).toBeUndefined();
  expect(w.eventsOf(1, 'recall')).toHaveLength(1);
});
