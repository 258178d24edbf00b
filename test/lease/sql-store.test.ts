import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { MemoryStore } from '../../src/lease/memory-store.ts';
import { sqlStore } from '../../src/lease/sql-store.ts';
import type { LeaseRow, QuarantineRow, Store } from '../../src/lease/store.ts';
import { Volume } from '../../src/volume/volume.ts';
import { World } from './world.ts';

const folders: string[] = [];
const volumes: Volume[] = [];

afterEach(() => {
  for (const volume of volumes.splice(0)) volume.close();
  for (const folder of folders.splice(0)) fs.rmSync(folder, { recursive: true, force: true });
});

function image(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'layoutfs-lease-'));
  folders.push(folder);
  const file = path.join(folder, 'v.img');
  Volume.make(file, { size: 64 << 20 });
  return file;
}

function open(file: string): Volume {
  const volume = Volume.open(file);
  volumes.push(volume);
  return volume;
}

function reopen(file: string): Volume {
  volumes.pop()?.close();
  return open(file);
}

/** Rows as the engine writes them: taken from a real life of leases in memory. */
function rows(): { leases: LeaseRow[]; quarantine: QuarantineRow[] } {
  const w = new World();
  w.create(5, 8);
  const named = w.take(2, 5, { kind: 'direct', bind: 'named', name: 'db', secret: 's', onExpire: 'none' });
  w.expose(named.id, 2);
  const parent = w.take(3, 5, { kind: 'layout', offset: 0, length: 4096 });
  w.take(3, 5, { kind: 'layout', offset: 0, length: 4096, parent: parent.id });
  w.shrink(4, 5, 2);
  w.clock.advance(45_000);
  return { leases: w.store.leases(), quarantine: w.store.quarantine() };
}

describe('the store in the metadata database (schema/lease.sql)', () => {
  test('every row comes back as it was, also after a remount', () => {
    const file = image();
    const { leases, quarantine } = rows();
    expect(quarantine.length).toBeGreaterThan(0);
    let store: Store = sqlStore(open(file).database);
    for (const row of leases) store.insert({ ...row, state: 'GRANTED', seq: 0, options: '{}' });
    for (const row of leases) store.update(row);
    for (const row of quarantine) store.addQuarantine(row);
    store.fenceAttempt(1, 2.5, 'relocate', 'no space');
    store.audit(2.5, 0, 9, 'expire --force', 1, 'was FENCING');
    expect(store.leases()).toEqual(leases);
    store = sqlStore(reopen(file).database);
    expect(store.leases()).toEqual(leases);
    expect(store.quarantine()).toEqual(quarantine);
    store.remove(leases[0].id);
    store.removeQuarantine(quarantine[0].device_block);
    expect(store.leases()).toHaveLength(leases.length - 1);
    expect(store.quarantine()).toHaveLength(quarantine.length - 1);
    const { database } = volumes[0];
    expect(database.query('SELECT lease, at_s, method, result FROM fence_attempt').all()).toEqual([
      { lease: 1, at_s: 2.5, method: 'relocate', result: 'no space' },
    ]);
    expect(database.query('SELECT uid, pid, verb, lease, detail FROM audit').all()).toEqual([
      { uid: 0, pid: 9, verb: 'expire --force', lease: 1, detail: 'was FENCING' },
    ]);
  });

  test('ids are never used twice, across remounts', () => {
    const file = image();
    let store = sqlStore(open(file).database);
    const first = [store.nextId(), store.nextId(), store.nextId()];
    store = sqlStore(reopen(file).database);
    const second = [store.nextId(), store.nextId()];
    expect(new Set([...first, ...second]).size).toBe(5);
    expect(Math.min(...second)).toBeGreaterThan(Math.max(...first));
  });

  test('a whole life of leases leaves the same rows as the store in memory', () => {
    const run = (store: Store) => {
      const w = new World({}, 256, store);
      w.create(5, 8);
      w.create(6, 8);
      const a = w.take(2, 5, { kind: 'direct', onExpire: 'none' });
      w.expose(a.id, 2);
      const b = w.take(3, 6, { kind: 'exclusive' });
      w.leases.downgrade({ id: b.id }, w.holder(3), { kind: 'direct' });
      w.giveBack(3, b.id, undefined, { offset: 4096, length: 4096 });
      w.shrink(4, 5, 1);
      w.clock.advance(50_000);
      return { leases: store.leases(), quarantine: store.quarantine() };
    };
    expect(run(sqlStore(open(image()).database))).toEqual(run(new MemoryStore()));
  });
});
