import { describe, expect, test } from 'vitest';
import { E } from '../../src/system/errno.ts';
import { BLOCK, World } from './world.ts';

describe('sub-leases (leases.md section 6)', () => {
  function family() {
    const w = new World();
    w.create(5, 8);
    const parent = w.take(1, 5, { kind: 'direct' });
    const one = w.take(1, 5, { kind: 'direct', parent: parent.id, offset: 0, length: 4 * BLOCK });
    const two = w.take(1, 5, { kind: 'direct', parent: parent.id, offset: 4 * BLOCK, length: 4 * BLOCK });
    return { w, parent, one, two };
  }

  test('the parent is returned only when all of them are, or with cascade', () => {
    const { w, parent, one } = family();
    expect(w.giveBack(1, parent.id)).toMatchObject({ errno: E.BUSY });
    w.giveBack(1, one.id);
    expect(w.giveBack(1, parent.id)).toMatchObject({ errno: E.BUSY });
    expect(w.giveBack(1, parent.id, undefined, { cascade: true }).ok).toBe(true);
    expect(w.leases.list()).toEqual([]);
    expect(w.store.leaseRows.size).toBe(0);
  });

  test('recalled before the parent; none is given while the parent is being recalled (ENXIO)', () => {
    const { w, parent, one, two } = family();
    w.shrink(2, 5, 0);
    expect(w.eventsOf(1, 'recall').map((e) => e.lease)).toEqual([one.id, two.id, parent.id]);
    expect(w.ask(1, 5, { kind: 'direct', parent: parent.id, offset: 0, length: BLOCK }).result).toMatchObject({
      errno: E.NXIO,
    });
  });

  test('those beside the range that is asked back are not recalled, and do not hinder its return', () => {
    const { w, parent, one, two } = family();
    const cut = w.shrink(2, 5, 4);
    expect(w.eventsOf(1, 'recall').map((e) => e.lease)).toEqual([two.id, parent.id]);
    expect(w.state(one.id)).toBe('GRANTED');
    w.giveBack(1, two.id);
    expect(w.giveBack(1, parent.id, undefined, { offset: 4 * BLOCK }).ok).toBe(true);
    expect(cut.errno).toBe(0);
    expect([parent, one].map((l) => w.state(l.id))).toEqual(['GRANTED', 'GRANTED']);
    // What is asked for later, and wider, comes to the others, too.
    w.shrink(2, 5, 0);
    expect(w.eventsOf(1, 'recall').map((e) => e.lease)).toEqual([two.id, parent.id, one.id, parent.id]);
  });

  test('one registration is revoked without the others', () => {
    const { w, parent, one, two } = family();
    w.leases.revoke(one.id, w.root());
    expect([parent, one, two].map((l) => w.state(l.id))).toEqual(['GRANTED', 'RECALLED', 'GRANTED']);
    w.clock.advance(45_000);
    expect([parent, one, two].map((l) => w.state(l.id))).toEqual(['GRANTED', 'REVOKED', 'GRANTED']);
  });

  test('inside its parent, of its kind and holder', () => {
    const { w, parent } = family();
    w.create(6, 4);
    expect(w.ask(1, 6, { kind: 'direct', parent: parent.id }).result).toMatchObject({ errno: E.INVAL });
    expect(w.ask(1, 5, { kind: 'layout', parent: parent.id }).result).toMatchObject({ errno: E.INVAL });
    expect(w.ask(2, 5, { kind: 'direct', parent: parent.id }).result).toMatchObject({ errno: E.PERM });
    expect(w.ask(1, 5, { kind: 'direct', parent: 999 }).result).toMatchObject({ errno: E.NOENT });
  });
});
