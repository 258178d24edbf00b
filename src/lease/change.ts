/** downgrade and upgrade: one lease becomes another without ever being none. */
import { E } from '../system/errno.ts';
import type { Holder, LeaseRef, Refusal, Target, VerbResult, Waiting } from './api.ts';
import { Ask } from './ask.ts';
import type { Slot } from './compatibility.ts';
import { slotOf } from './compatibility.ts';
import type { Core } from './core.ts';
import { invalid, refusalBy, staleRefusal } from './explain.ts';
import { held, heldResult } from './hold.ts';
import { KIND_NAMES, KINDS } from './kinds.ts';
import type { Lease, LeaseTerms } from './lease.ts';
import { mapState, permission } from './preconditions.ts';
import { move } from './transitions.ts';

/** What each may come down to: it promises less, and stands in nobody's way who was not in its way. */
const DOWNGRADES: Readonly<Record<Slot, readonly Slot[]>> = {
  exclusive: ['swap', 'frozen', 'unbreakable', 'direct', 'layout rw', 'layout ro'],
  swap: ['unbreakable', 'frozen', 'direct', 'layout ro'],
  frozen: ['unbreakable', 'direct', 'layout ro'],
  unbreakable: ['direct', 'layout ro'],
  direct: ['layout ro'],
  'layout rw': ['layout ro'],
  'layout ro': [],
};

function termsOf(lease: Lease, target: Target): LeaseTerms | Refusal {
  if (!KIND_NAMES.includes(target.kind)) return invalid('kind', `a kind is one of ${KIND_NAMES.join(', ')}`);
  const rule = KINDS[target.kind];
  const unbreakable = (target.unbreakable ?? false) || rule.unbreakable;
  if (unbreakable && target.kind !== 'direct' && !rule.unbreakable)
    return invalid('unbreakable', 'only direct leases can be unbreakable');
  const mode = target.mode ?? (target.kind === 'direct' ? lease.terms.mode : rule.defaultMode);
  return { ...lease.terms, kind: target.kind, mode, unbreakable, coherent: lease.terms.coherent || rule.coherent };
}

function become(core: Core, lease: Lease, terms: LeaseTerms): void {
  lease.terms = { ...terms };
  lease.reshape();
  core.remark(lease);
}

export function downgrade(core: Core, ref: LeaseRef, by: Holder, target: Target): VerbResult {
  const found = held(core, ref, by);
  if ('refusal' in found) return core.refuse(found.refusal);
  const { lease } = found;
  const terms = termsOf(lease, target);
  if ('errno' in terms) return core.refuse(terms);
  const slot = slotOf(terms.kind, terms.mode, terms.unbreakable);
  if (lease.state === 'REVOKED') return core.refuse(staleRefusal(core, lease));
  if (lease.state !== 'GRANTED' && lease.state !== 'RECALLED') {
    return core.refuse(refusalBy(core, lease, E.AGAIN, 'over', 'the time is over: return the whole lease'));
  }
  if (slot === lease.slot) return heldResult(core, lease);
  if (!DOWNGRADES[lease.slot].includes(slot))
    return core.refuse(invalid('target', `${lease.slot} does not come down to ${slot}: upgrade`));
  const enough = lease.recall?.target;
  if (lease.state === 'RECALLED' && (!enough || slotOf(enough.kind, enough.mode, false) !== slot)) {
    return core.refuse(
      refusalBy(
        core,
        lease,
        E.AGAIN,
        'recallconflict',
        enough ? `come down to ${enough.kind} ${enough.mode}` : 'return it',
      ),
    );
  }
  if (lease.children?.size)
    return core.refuse(refusalBy(core, lease, E.BUSY, 'sub-leases', 'return its sub-leases first'));
  const refusal =
    permission(terms, terms.access, lease.holder) ?? mapState(core, lease.ino, terms, lease.offset, lease.end);
  if (refusal) return core.refuse(refusal);
  become(core, lease, terms);
  move(core, lease, lease.state === 'RECALLED' ? 'recall met' : 'change', { reason: 'downgrade' });
  return heldResult(core, lease);
}

/** Never lets go of what is held: EAGAIN, or EDEADLK where two wait for each other. */
export function upgrade(
  core: Core,
  ref: LeaseRef,
  by: Holder,
  target: Target,
  waitMs: number,
  done: (result: VerbResult) => void,
): Waiting | undefined {
  const refuse = (refusal: Refusal) => {
    done(core.refuse(refusal));
    return undefined;
  };
  const found = held(core, ref, by);
  if ('refusal' in found) return refuse(found.refusal);
  const { lease } = found;
  if (lease.state === 'REVOKED') return refuse(staleRefusal(core, lease));
  const terms = termsOf(lease, target);
  if ('errno' in terms) return refuse(terms);
  const slot = slotOf(terms.kind, terms.mode, terms.unbreakable);
  if (slot === lease.slot) {
    done(heldResult(core, lease));
    return undefined;
  }
  const denied = permission(terms, terms.access, lease.holder);
  if (denied) return refuse(denied);
  const ask = new Ask(
    core,
    {
      what: 'upgrade',
      ino: lease.ino,
      terms,
      offset: lease.offset,
      end: lease.end,
      holder: lease.holder,
      self: lease,
      acceptReadOnly: false,
      waitMs: lease.state === 'GRANTED' ? waitMs : 0,
      afterRecall: false,
    },
    {
      mayGrant: () =>
        lease.state === 'GRANTED'
          ? undefined
          : refusalBy(core, lease, E.AGAIN, 'recallconflict', 'the lease itself is being recalled'),
      grant: () => {
        become(core, lease, terms);
        move(core, lease, 'change', { reason: 'upgrade' });
        return lease;
      },
      granted: () => done(heldResult(core, lease)),
      refused: (refusal) => done(core.refuse(refusal)),
    },
  );
  return ask.start() ? { waiting: true, cancel: (errno) => ask.cancel(errno) } : undefined;
}
