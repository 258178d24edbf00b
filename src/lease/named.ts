/** Leases with a name and a secret: renewed within a period, and to be had again after a crash of holder or daemon. */
import { E } from '../system/errno.ts';
import type { GetResult, Holder, LeaseRef, VerbResult } from './api.ts';
import type { Core } from './core.ts';
import { noAccess, notFound, refusalBy } from './explain.ts';
import { hashOf, held, heldResult, sameSecret } from './hold.ts';
import type { Lease } from './lease.ts';
import { loseHolder } from './orphan.ts';
import { unwatch } from './scan.ts';
import { move } from './transitions.ts';

export function armRenewal(core: Core, lease: Lease): void {
  core.stop(lease.renewTimer);
  lease.renewTimer = core.after(core.options.renewMs, () => {
    lease.renewTimer = undefined;
    if (lease.state === 'GRANTED') loseHolder(core, lease, 'not renewed');
  });
}

/** Not while it is being recalled: a recall is answered, not put off. */
export function renew(core: Core, ref: LeaseRef, by: Holder): VerbResult {
  const found = held(core, ref, by);
  if ('refusal' in found) return core.refuse(found.refusal);
  const { lease } = found;
  if (lease.state === 'REVOKED' || lease.state === 'ORPHANED')
    return core.refuse(refusalBy(core, lease, E.STALE, 'over', 'reclaim it'));
  if (lease.state !== 'GRANTED') return core.refuse(refusalBy(core, lease, E.AGAIN, 'recallconflict'));
  if (lease.terms.bind === 'named') armRenewal(core, lease);
  return heldResult(core, lease);
}

/** Same answer for a wrong name and a wrong secret: names are not to be found out by trying. */
export function reclaim(core: Core, name: string, secret: string, by: Holder): GetResult {
  const lease = core.byName.get(name);
  if (!lease) return core.refuse(notFound('no lease of that name'));
  if (!sameSecret(lease.secretHash, secret)) return core.refuse(noAccess('wrong secret'));
  if (lease.state === 'REVOKED' || lease.lapsed) {
    return core.refuse(refusalBy(core, lease, E.STALE, 'over', 'the lease was taken away: get a new one'));
  }
  core.rehome(lease, by.session);
  lease.holder = { ...by };
  lease.epoch = core.epoch;
  const token = Buffer.from(core.ports.random(16)).toString('hex');
  lease.tokenHash = hashOf(token).toString('hex');
  if (lease.state === 'ORPHANED') {
    unwatch(core, lease);
    lease.graceUntil = 0;
    lease.renewTimer = core.stop(lease.renewTimer);
    move(core, lease, 'reclaim', { reason: 'reclaim' });
  } else move(core, lease, 'change', { reason: 'reclaim' });
  if (lease.state === 'GRANTED') armRenewal(core, lease);
  return { ...heldResult(core, lease), token };
}
