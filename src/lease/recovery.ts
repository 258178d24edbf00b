/** Start and end of a mount: what the store remembers of leases, and what a stop leaves in it. */
import { E } from '../system/errno.ts';
import type { LeaseView } from './api.ts';
import { Ask } from './ask.ts';
import { act, watchProcess } from './bind.ts';
import type { Core } from './core.ts';
import { armTombstone, watchTombstone } from './fence.ts';
import { type Lease, leaseOf } from './lease.ts';
import { armRenewal } from './named.ts';
import { orphaned } from './orphan.ts';
import type { Quarantine } from './quarantine.ts';
import { setReach } from './reach.ts';
import { armDeadline, recall } from './recall.ts';
import { isLive } from './states.ts';
import { move } from './transitions.ts';
import { view } from './views.ts';

/**
 * After a crash or an ordinary mount every handle is gone: leases that never told device extents end (nothing can reach their
 * blocks but through this daemon), the others are orphans, and named ones may be reclaimed. With `adopted` (the daemon
 * alone died and another one took over its connection) open files and sessions went on, and so do the leases.
 */
export function recover(
  core: Core,
  quarantine: Quarantine,
  epoch: number,
  adopted: boolean,
): { orphaned: number; named: number } {
  core.epoch = epoch;
  const rows = core.ports.store.leases();
  const byId = new Map<number, Lease>();
  for (const row of rows) byId.set(row.id, leaseOf(row));
  const leases = [...byId.values()];
  rows.forEach((row, i) => {
    leases[i].parent = row.parent === null ? undefined : byId.get(row.parent);
    leases[i].grantedAt = core.now() - Math.max(0, core.wall() - row.granted_s) * 1000;
  });
  for (const row of core.ports.store.quarantine()) quarantine.put(row);
  for (const lease of leases) {
    if (!adopted && isLive(lease.state)) lease.holder.session = 0;
    if (!adopted) {
      lease.recall = undefined;
      lease.acting.clear();
    }
    core.enlist(lease);
    const { reach } = lease;
    lease.reach = [];
    setReach(core, lease, reach);
  }
  const count = { orphaned: 0, named: 0 };
  // Sub-leases before their parents.
  const live = leases.filter((lease) => isLive(lease.state));
  for (const lease of [...live.filter((l) => l.parent), ...live.filter((l) => !l.parent)]) {
    if (adopted) resume(core, lease);
    else orphan(core, lease, count);
  }
  for (const lease of leases) {
    if (lease.state !== 'REVOKED' || !core.leases.has(lease.id)) continue;
    if (lease.reach.length > 0) watchTombstone(core, quarantine, lease);
    armTombstone(core, quarantine, lease);
  }
  for (const lease of live) if (lease.terms.bind === 'process' && isLive(lease.state)) watchProcess(core, lease);
  return count;
}

function orphan(core: Core, lease: Lease, count: { orphaned: number; named: number }): void {
  const named = lease.terms.bind === 'named' && !lease.lapsed;
  if (named) {
    lease.graceUntil = core.now() + core.options.graceMs;
    count.named++;
  }
  if (!named && !lease.raw && (lease.state === 'GRANTED' || lease.state === 'RECALLED')) {
    move(core, lease, 'holder gone', { reason: 'remount', strength: 'strong' });
    return;
  }
  count.orphaned++;
  move(core, lease, 'holder lost', { reason: 'remount' });
}

function resume(core: Core, lease: Lease): void {
  const now = core.now();
  for (const fh of lease.acting) act(core, fh, lease);
  // Whether its holder has asked anew since he was told of a change is not known: rather once too often.
  lease.mapped = lease.raw;
  switch (lease.state) {
    case 'GRANTED':
      if (lease.terms.bind === 'named') armRenewal(core, lease);
      return;
    case 'RECALLED': {
      // The deadline that the holder was told; a clock that was set back does not move it beyond the break time.
      const breakMs = Math.min(lease.terms.timeoutMs ?? core.options.breakMs, core.options.maximumBreakMs);
      const { recall } = lease;
      const left = recall?.deadlineS === undefined ? breakMs : (recall.deadlineS - core.wall()) * 1000;
      lease.recall = {
        seq: lease.seq,
        offset: lease.offset,
        end: lease.end,
        target: undefined,
        reason: 'recalled before the daemon was replaced',
        breaker: { pid: 0, command: '', operation: '' },
        delays: 0,
        timer: undefined,
        ...recall,
        since: now,
        deadline: now + Math.min(Math.max(left, 0), core.options.maximumBreakMs),
      };
      armDeadline(core, lease);
      return;
    }
    case 'ORPHANED':
      // It was there at the mount: the time in which it may be reclaimed begins anew.
      if (lease.terms.bind === 'named' && !lease.lapsed && lease.epoch < core.epoch)
        lease.graceUntil = now + core.options.graceMs;
      orphaned(core, lease, { reason: 'daemon replaced' });
      return;
    default:
      move(core, lease, 'holder lost', { reason: 'daemon replaced' });
      lease.wanted = true;
  }
}

/** Row 27: recalls all, unbreakable ones too. Who did not return at the deadline is recorded as an orphan. */
export function stopAll(core: Core, done: (orphans: LeaseView[]) => void, deadlineMs: number): void {
  core.stopping = true;
  for (const item of [...core.parked]) if (item instanceof Ask) item.cancel(E.CANCELED);
  const live = () => [...core.leases.values()].filter((lease) => isLive(lease.state));
  for (const lease of live()) {
    if (lease.parent) continue;
    recall(core, lease, {
      reason: 'unmount',
      offset: lease.offset,
      end: lease.end,
      breaker: { pid: 0, command: 'layoutfs', operation: 'unmount' },
      cause: 'administrator',
      breakMs: deadlineMs,
    });
  }
  const finish = () => {
    core.onEnd = undefined;
    core.stop(timer);
    core.stopped = true;
    for (const lease of live()) {
      if (lease.state === 'GRANTED' || lease.state === 'RECALLED')
        move(core, lease, 'holder lost', { reason: 'unmount' });
    }
    done(live().map((lease) => view(core, lease)));
  };
  const timer = core.after(deadlineMs, finish);
  core.onEnd = () => {
    if (core.live === 0) finish();
  };
  core.afterwards(() => core.onEnd?.());
}
