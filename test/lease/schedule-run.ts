import { expect } from 'vitest';
import { MemoryStore } from '../../src/lease/memory-store.ts';
import type { LeaseRow } from '../../src/lease/store.ts';
import { E } from '../../src/system/errno.ts';
import { FILES, PEOPLE, type Step } from './schedule-steps.ts';
import { BLOCK, type Told, World } from './world.ts';

const LIVE = ['GRANTED', 'RECALLED', 'FENCING', 'FENCE_FAILED', 'ORPHANED'];
const ENDING = ['RECALLED', 'FENCING', 'FENCE_FAILED', 'ORPHANED'];

interface Pending {
  told: Told & { waiter?: { cancel(errno: number): void } };
  nonblocking: boolean;
}

/** Steps from state to state that the store was told of, in all schedules. */
export const steps = new Set<string>();

/** Sees the steps from state to state. */
class Watched extends MemoryStore {
  private readonly states = new Map<number, string>();

  override insert(row: LeaseRow): void {
    super.insert(row);
    this.saw(row.id, row.state);
  }

  override update(row: LeaseRow): void {
    super.update(row);
    this.saw(row.id, row.state);
  }

  override remove(id: number): void {
    super.remove(id);
    this.saw(id, 'RELEASED');
  }

  private saw(id: number, state: string): void {
    steps.add(`${this.states.get(id) ?? 'PENDING'} ${state}`);
    this.states.set(id, state);
  }
}

/** One schedule: takes its steps in a world of its own, and checks the invariants after each. */
export class Run {
  world: World;
  operations: Pending[] = [];
  asks: { result: unknown; cancel(errno: number): void }[] = [];
  secrets = new Map<number, { name: string; secret: string }>();
  /** Map of a direct range at the grant, by lease and epoch (I2). */
  promised = new Map<number, { from: number; to: number; ino: number; map: string }>();
  names = 0;

  constructor(expired: 'quarantine' | 'hold') {
    this.world = new World({ expired }, 256, new Watched());
    for (const file of FILES) this.world.create(file, 8);
  }

  private mapText(file: number, from: number, to: number): string {
    const entry = this.world.files.get(file);
    if (!entry) return '';
    return [...entry.blocks]
      .filter(([block]) => block >= from && block < to)
      .sort((a, b) => a[0] - b[0])
      .map(([block, b]) => `${block}:${b.device}`)
      .join(' ');
  }

  private lease(n: number) {
    const all = this.world.leases.list();
    return all.length === 0 ? undefined : all[n % all.length];
  }

  take(s: Step): void {
    const w = this.world;
    switch (s.do) {
      case 'get': {
        if (w.dead.has(s.who)) return;
        const privileged = s.kind === 'frozen' || s.kind === 'swap' || s.pin;
        const named = s.bind === 'named' ? { name: `n${this.names++}`, secret: 'secret' } : {};
        const waits = w.leases.waiters().length;
        const ask = w.ask(
          s.who,
          s.ino,
          {
            kind: s.kind,
            ...(s.kind === 'layout' ? { mode: s.rw ? ('rw' as const) : ('ro' as const) } : {}),
            unbreakable: s.kind === 'direct' && s.pin,
            ...(s.count > 0 ? { offset: s.from * BLOCK, length: s.count * BLOCK } : {}),
            waitMs: s.wait ? 30_000 : 0,
            odp: s.odp,
            onExpire: s.expire,
            bind: s.bind,
            ...named,
          },
          w.holder(s.who, { privileged }),
        );
        if (!s.wait) {
          // I13: whoever does not want to wait is answered.
          expect(ask.result, 'answered at once').toBeDefined();
          expect(w.leases.waiters().length).toBeLessThanOrEqual(waits);
        }
        if (ask.result?.ok) {
          if ('name' in named) this.secrets.set(ask.result.id, named as { name: string; secret: string });
          this.checkGrant(ask.result.id);
        }
        this.asks.push(ask);
        return;
      }
      case 'expose': {
        const lease = this.lease(s.which);
        if (lease && ['GRANTED', 'RECALLED'].includes(lease.state) && !w.dead.has(s.who)) w.expose(lease.id, s.who);
        return;
      }
      case 'unmap': {
        const lease = this.lease(s.which);
        if (lease) w.maps.delete(lease.id);
        return;
      }
      case 'return': {
        const lease = this.lease(s.which);
        if (!lease || lease.holder.session === 0) return;
        const part = s.part && lease.length >= 2 * BLOCK ? { offset: lease.offset, length: BLOCK } : { cascade: true };
        const before = lease.state;
        const seq = s.stale ? 0 : lease.seq;
        // An honest holder has stopped using what he returns.
        if (!s.stale && !part.length) w.maps.delete(lease.id);
        else if (!s.stale) this.reachable.delete(lease.id);
        const result = w.giveBack(lease.holder.session, lease.id, seq, part);
        if (s.stale) expect(result.errno, 'I8').toBe(E.STALE);
        else if (before === 'REVOKED') expect(result.errno, 'I15').toBe(E.STALE);
        else if (!part.length && result) expect(result.ok, `I15 in ${before}`).toBe(true);
        return;
      }
      case 'ack': {
        const lease = this.lease(s.which);
        if (!lease || lease.holder.session === 0) return;
        w.maps.delete(lease.id);
        w.leases.ack({ id: lease.id, seq: lease.seq }, w.holder(lease.holder.session));
        return;
      }
      case 'delay':
      case 'renew': {
        const lease = this.lease(s.which);
        if (!lease || lease.holder.session === 0) return;
        const by = w.holder(lease.holder.session);
        if (s.do === 'delay') w.leases.delay({ id: lease.id }, by, 10_000);
        else w.leases.renew({ id: lease.id }, by);
        return;
      }
      case 'downgrade': {
        const lease = this.lease(s.which);
        if (!lease || lease.holder.session === 0) return;
        w.leases.downgrade({ id: lease.id }, w.holder(lease.holder.session), { kind: 'layout', mode: 'ro' });
        return;
      }
      case 'upgrade': {
        const lease = this.lease(s.which);
        if (!lease || lease.holder.session === 0) return;
        const answer: { result: unknown; cancel(errno: number): void } = { result: undefined, cancel: () => {} };
        const waiting = w.leases.upgrade(
          { id: lease.id },
          w.holder(lease.holder.session),
          { kind: 'exclusive' },
          30_000,
          (r) => {
            expect(answer.result, 'one answer').toBeUndefined();
            answer.result = r;
          },
        );
        if (waiting) answer.cancel = (errno) => waiting.cancel(errno);
        this.asks.push(answer);
        return;
      }
      case 'revoke':
      case 'expire':
      case 'force': {
        const lease = this.lease(s.which);
        if (!lease) return;
        if (s.do === 'revoke') w.leases.revoke(lease.id, w.root());
        else w.leases.expire(lease.id, w.root(), s.do === 'force');
        return;
      }
      case 'reclaim': {
        const lease = this.lease(s.which);
        const known = lease && this.secrets.get(lease.id);
        if (known && !w.dead.has(s.who)) w.leases.reclaim(known.name, known.secret, w.holder(s.who));
        return;
      }
      case 'shrink':
      case 'punch':
      case 'append':
      case 'fallocate':
      case 'insert': {
        const before = this.snapshot();
        const told =
          s.do === 'shrink'
            ? w.shrink(s.who, s.ino, s.at, s.nonblocking)
            : s.do === 'punch'
              ? w.punch(s.who, s.ino, s.at, s.count, s.nonblocking)
              : s.do === 'append'
                ? w.append(s.who, s.ino, s.nonblocking)
                : s.do === 'fallocate'
                  ? w.fallocate(s.who, s.ino, s.at, s.count)
                  : w.file(s.ino).size > 40
                    ? { errno: 0 }
                    : w.insert(s.who, s.ino, s.at, s.count);
        if (told.errno === E.TXTBSY || told.errno === E.DEADLK) expect(this.snapshot(), 'I3').toBe(before);
        if (s.nonblocking && (s.do === 'shrink' || s.do === 'punch' || s.do === 'append'))
          expect(told.errno, 'I13').toBeDefined();
        this.operations.push({ told, nonblocking: s.nonblocking });
        return;
      }
      case 'interrupt': {
        const waiting = this.operations.filter((o) => o.told.errno === undefined);
        waiting[s.which % waiting.length]?.told.waiter?.cancel(E.INTR);
        return;
      }
      case 'wait':
        w.clock.advance(s.ms);
        return;
      case 'die':
        w.die(s.who);
        return;
      case 'lose event':
        w.leases.inject({ fault: 'lose-event' });
        return;
      case 'fail fence':
        w.leases.inject({ fault: 'fail-fence', count: 2 });
        return;
      case 'relocate fails':
        w.relocateErrno = w.relocateErrno ? 0 : E.NOSPC;
        return;
      case 'slow fences':
        w.windowDelayMs = w.windowDelayMs ? 0 : 10_000;
        return;
      case 'crash':
      case 'adopt':
        w.crash(s.do === 'adopt');
        this.operations = [];
        this.asks = [];
        return;
    }
  }

  /** I3: what a refused operation must not change. */
  private snapshot(): string {
    return JSON.stringify([
      FILES.map((file) => this.mapText(file, 0, 1e9)),
      this.world.leases.list().map((v) => [v.id, v.state, v.seq]),
    ]);
  }

  /** I5: what is granted lies over nobody who is on his way out. */
  private checkGrant(id: number): void {
    const lease = this.world.leases.find(id);
    if (!lease) return;
    for (const other of this.world.leases.list({ ino: lease.ino })) {
      if (other.id === id || !ENDING.includes(other.state) || other.epoch > lease.epoch) continue;
      const apart = other.offset >= lease.offset + lease.length || lease.offset >= other.offset + other.length;
      expect(apart, `I5: lease ${id} granted over ${other.id} in ${other.state}`).toBe(true);
    }
  }

  check(): void {
    const w = this.world;
    w.checkSpace();
    const leases = w.leases.list();
    const files = new Map(FILES.map((file) => [file, w.files.get(file)]));
    // The store says what the engine says (I16: a crash now would find every grant).
    expect([...w.store.leaseRows.values()].map((r) => [r.id, r.state, r.seq]).sort()).toEqual(
      leases.map((l) => [l.id, l.state, l.seq]).sort(),
    );
    for (const row of w.leases.quarantineList()) {
      // I11: somebody is still to answer for it.
      const owner = leases.find((l) => l.id === row.lease);
      expect(owner, `quarantine of lease ${row.lease}`).toBeDefined();
      expect(owner?.raw).toBe(true);
    }
    for (const lease of leases) {
      const file = files.get(lease.ino);
      if (!LIVE.includes(lease.state) || !file) continue;
      const key = lease.id;
      const from = lease.offset / BLOCK;
      const to = Number.isFinite(lease.length) ? from + lease.length / BLOCK : Number.POSITIVE_INFINITY;
      // I2: while a direct lease is granted or its recall goes on, its map is the one it was given.
      if (
        ['direct', 'frozen', 'swap'].includes(lease.kind) &&
        ['GRANTED', 'RECALLED'].includes(lease.state) &&
        !lease.odp
      ) {
        const now = this.mapText(lease.ino, from, to);
        const promised = this.promised.get(key);
        if (promised && promised.from === from && promised.to === to)
          expect(now, `I2: lease ${key}`).toBe(promised.map);
        else this.promised.set(key, { from, to, ino: lease.ino, map: now });
      } else this.promised.delete(key);
    }
    for (const id of this.promised.keys()) if (!leases.some((l) => l.id === id)) this.promised.delete(id);
    // I6: nobody waits without a deadline, and every waiter that is listed waits for something that will end.
    for (const waiter of w.leases.waiters())
      expect(waiter.deadlineMs, `I6: ${waiter.operation}`).toBeGreaterThanOrEqual(0);
    // I7: seq of the events of one lease never goes back, and no recall has the seq of another one.
    const seen = new Map<number, number>();
    const recalls = new Set<string>();
    for (const { event } of w.events) {
      expect(event.seq).toBeGreaterThanOrEqual(seen.get(event.lease) ?? 0);
      seen.set(event.lease, event.seq);
      if (event.event !== 'recall') continue;
      const key = `${event.lease} ${event.seq}`;
      expect(recalls.has(key), `I7: ${key}`).toBe(false);
      recalls.add(key);
    }
    // I1 and two direct writers: blocks that a process maps under a lease's leave are in no other file and never free.
    for (const [id, pids] of w.maps) {
      if ([...pids].every((pid) => w.dead.has(pid))) continue;
      const lease = leases.find((l) => l.id === id);
      if (!lease?.raw) continue;
      const reached = this.reachable.get(id);
      if (!reached) continue;
      for (const [block, freed] of reached) {
        expect(
          w.freed.get(block) ?? 0,
          `block ${block}, mapped under lease ${id} (${lease.state}), was given back`,
        ).toBe(freed);
        const other = [...files.values()].find(
          (f) => f && f.ino !== lease.ino && [...f.blocks.values()].some((b) => b.device === block),
        );
        expect(other?.ino, `block ${block}, mapped under lease ${id}`).toBeUndefined();
        expect(w.used.has(block), `block ${block}, mapped under lease ${id}, is free`).toBe(true);
      }
    }
  }

  /** Blocks that were told under each lease while it was granted or recalled. */
  reachable = new Map<number, Map<number, number>>();
  note(): void {
    for (const lease of this.world.leases.list()) {
      if (!lease.raw || !['GRANTED', 'RECALLED'].includes(lease.state) || lease.odp) continue;
      const blocks = new Map<number, number>();
      const end = lease.offset + lease.length;
      for (const [block, entry] of this.world.files.get(lease.ino)?.blocks ?? []) {
        if (block * BLOCK >= lease.offset && block * BLOCK < end)
          blocks.set(entry.device, this.world.freed.get(entry.device) ?? 0);
      }
      this.reachable.set(lease.id, blocks);
    }
  }

  /** I4, I6: in the end everything that waited was answered, and nothing is left when all holders are gone. */
  finish(): void {
    const w = this.world;
    w.relocateErrno = 0;
    w.windowDelayMs = 0;
    w.clock.advance(70_000);
    for (const { told } of this.operations) expect(told.errno, 'I4: every operation ends').toBeDefined();
    for (const ask of this.asks) expect(ask.result, 'every request is answered').toBeDefined();
    expect(w.leases.waiters()).toEqual([]);
    for (const person of PEOPLE) w.die(person);
    for (const lease of w.leases.list()) {
      if (LIVE.includes(lease.state) && lease.bind === 'named') w.leases.expire(lease.id, w.root(), false);
    }
    w.clock.advance(2_000_000);
    expect(w.leases.list().map((v) => [v.id, v.kind, v.state, v.bind])).toEqual([]);
    expect(w.quarantined()).toEqual([]);
    expect(w.leases.has(FILES[0])).toBe(false);
    w.checkSpace();
  }
}
