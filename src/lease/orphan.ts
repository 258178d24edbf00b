/** Leases whose holder is lost: ended where that alone proves that it stopped, kept as orphans where it does not. */
import type { Core } from './core.ts';
import { emit } from './emit.ts';
import { retryFence } from './fence.ts';
import type { Lease } from './lease.ts';
import { takeReach } from './reach.ts';
import { askMappers, unwatch, watch } from './scan.ts';
import { move } from './transitions.ts';

/**
 * The handle is closed, the process is dead, or the renewal did not come. A guarded window ends with the lease, so nothing
 * is left to prove; device extents that were told may live on in a mapping.
 */
export function loseHolder(core: Core, lease: Lease, reason: string): void {
  switch (lease.state) {
    case 'GRANTED':
    case 'RECALLED':
      if (!lease.raw && lease.terms.bind !== 'named') move(core, lease, 'holder gone', { reason, strength: 'strong' });
      else move(core, lease, 'holder lost', { reason });
      return;
    case 'FENCING':
    case 'FENCE_FAILED':
      retryFence(core, lease);
      return;
    case 'ORPHANED':
      lookForOrphan(core, lease);
      return;
    default:
  }
}

/** Effect of `holder lost`. */
export function orphaned(core: Core, lease: Lease, detail: { reason: string }): void {
  if (lease.recall) {
    // Somebody waits, and nobody is left to answer.
    lease.recall.timer = core.stop(lease.recall.timer);
    lease.wanted = true;
  }
  lease.renewTimer = core.stop(lease.renewTimer);
  if (!lease.fence) takeReach(core, lease);
  emit(core, lease, 'orphaned', detail.reason);
  lookForOrphan(core, lease);
}

/** Is it gone? Then the lease ends. Not yet, and somebody waits: it is fenced. Else it is looked at again later. */
export function lookForOrphan(core: Core, lease: Lease): void {
  if (lease.state !== 'ORPHANED' || core.stopped) return;
  const grace = lease.graceUntil - core.now();
  if (grace > 0) {
    if (lease.renewTimer === undefined) {
      lease.renewTimer = core.after(grace, () => {
        lease.renewTimer = undefined;
        lookForOrphan(core, lease);
      });
    }
    return;
  }
  const mayComeBack = lease.terms.bind === 'named' && !lease.lapsed;
  if (mayComeBack && !lease.wanted && lease.graceUntil === 0) return;
  if (!lease.raw) {
    move(core, lease, 'proof', { reason: 'holder lost', strength: 'strong' });
    return;
  }
  // On shared storage the holder may reach the blocks from another host, of which no mapping here tells.
  if (core.ports.fenceCommand) {
    move(core, lease, 'deadline', { reason: 'holder lost' });
    return;
  }
  watch(core, lease, () => lookForOrphan(core, lease));
  askMappers(core, lease, (mappers) => {
    if (lease.state !== 'ORPHANED') {
      unwatch(core, lease);
      return;
    }
    if (typeof mappers !== 'number' && mappers.length === 0) {
      unwatch(core, lease);
      move(core, lease, 'proof', { reason: 'no mapping left', strength: 'medium' });
    } else if (lease.wanted) {
      unwatch(core, lease);
      move(core, lease, 'deadline', { reason: 'orphan in the way' });
    }
  });
}
