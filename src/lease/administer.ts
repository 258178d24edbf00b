/** Verbs of others than the holder: break (write permission), revoke and expire (privilege), the loss of the device. */
import { E } from '../system/errno.ts';
import type { Access, Holder, Refused, VerbResult } from './api.ts';
import type { Core } from './core.ts';
import { noAccess, notFound, notPrivileged, refusalBy } from './explain.ts';
import { heldResult } from './hold.ts';
import type { Lease } from './lease.ts';
import { type Demand, recall } from './recall.ts';
import { isLive } from './states.ts';
import { move } from './transitions.ts';

function demandBy(by: Holder, reason: string, offset: number, end: number): Demand {
  return {
    reason,
    offset,
    end,
    breaker: { pid: by.pid, command: by.command, operation: reason },
    cause: 'administrator',
  };
}

export function breakFile(
  core: Core,
  ino: number,
  range: { offset?: number; length?: number },
  access: Access,
  by: Holder,
): { ok: true; recalled: number } | Refused {
  if (!access.write && !by.privileged) return core.refuse(noAccess('break needs write permission on the file'));
  const offset = range.offset ?? 0;
  const end = offset + (range.length ?? Number.POSITIVE_INFINITY);
  const leases = core.files.get(ino)?.index.overlapping(offset, end) ?? [];
  const pinned = leases.find((lease) => lease.facts.column === 'unbreakable' && lease.state === 'GRANTED');
  if (pinned) return core.refuse(refusalBy(core, pinned, E.TXTBSY, 'unbreakable'));
  let recalled = 0;
  for (const lease of leases) {
    if (lease.state === 'GRANTED' && recall(core, lease, demandBy(by, 'break', offset, end))) recalled++;
  }
  return { ok: true, recalled };
}

function target(core: Core, id: number, by: Holder): { lease: Lease } | Refused {
  if (!by.privileged) return core.refuse(notPrivileged());
  const lease = core.leases.get(id);
  return lease && isLive(lease.state) ? { lease } : core.refuse(notFound(`no live lease ${id}`));
}

/** With the ordinary break time; unbreakable ones too. */
export function revoke(core: Core, id: number, by: Holder, reason: string): VerbResult {
  const found = target(core, id, by);
  if ('ok' in found) return found;
  const { lease } = found;
  core.ports.store.audit(core.wall(), by.uid, by.pid, 'revoke', id, reason);
  recall(core, lease, demandBy(by, reason, lease.offset, lease.end));
  return heldResult(core, lease);
}

/** The deadline is now; with `force` not even a proof is waited for, and what is freed goes to quarantine. */
export function expire(core: Core, id: number, by: Holder, force: boolean): VerbResult {
  const found = target(core, id, by);
  if ('ok' in found) return found;
  const { lease } = found;
  core.ports.store.audit(core.wall(), by.uid, by.pid, force ? 'expire --force' : 'expire', id, `was ${lease.state}`);
  core.stats.expiries++;
  if (force) {
    for (const child of [...(lease.children ?? [])]) move(core, child, 'force', { reason: 'forced', strength: 'none' });
    move(core, lease, 'force', { reason: 'forced', strength: 'none' });
  } else if (lease.state === 'FENCE_FAILED') move(core, lease, 'fence retry', { reason: 'expire' });
  else if (lease.state !== 'FENCING') move(core, lease, 'deadline', { reason: 'expire' });
  return heldResult(core, lease);
}

/** Row 28. Nothing is proven; the flag on inodes stays. */
export function deviceLost(core: Core): void {
  for (const lease of [...core.leases.values()]) {
    if (isLive(lease.state)) move(core, lease, 'device lost', { reason: 'device', strength: 'none' });
  }
}
