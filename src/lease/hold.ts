/** Who may use a holder's verb on a lease, and which seq he must know. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { E } from '../system/errno.ts';
import type { Held, Holder, LeaseRef, Refusal } from './api.ts';
import type { Core } from './core.ts';
import { notFound, refusalBy, staleRefusal } from './explain.ts';
import type { Lease } from './lease.ts';

export function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

export function sameSecret(hash: Buffer | undefined, text: string): boolean {
  return hash !== undefined && timingSafeEqual(hash, hashOf(text));
}

/** The session, the process, or whoever shows the token. */
export function isHolder(lease: Lease, ref: LeaseRef, by: Holder): boolean {
  const { holder } = lease;
  if (by.session !== 0 && by.session === holder.session) return true;
  if (by.tgid === holder.tgid && by.start === holder.start && by.tgid !== 0) return true;
  if (by.fh && lease.terms.bind === 'file' && by.fh === lease.terms.fh) return true;
  return ref.token !== undefined && sameSecret(Buffer.from(lease.tokenHash, 'hex'), ref.token);
}

/**
 * The lease of a holder's verb, with a current seq. While a fence goes on, the seq of the recall that it follows is as good as the
 * current one: the holder was told that one, and a late return is welcome until the proof (I15).
 */
export function held(core: Core, ref: LeaseRef, by: Holder): { lease: Lease } | { refusal: Refusal } {
  const lease = core.leases.get(ref.id);
  if (!lease) return { refusal: notFound(`no lease ${ref.id}`) };
  if (!isHolder(lease, ref, by)) {
    return {
      refusal: refusalBy(core, lease, E.PERM, 'not the holder', 'only its holder may do that, or who shows its token'),
    };
  }
  if (ref.seq === undefined || ref.seq === lease.seq) return { lease };
  const fenced = lease.state === 'FENCING' || lease.state === 'FENCE_FAILED';
  if (fenced && lease.recall && ref.seq >= lease.recall.seq && ref.seq < lease.seq) return { lease };
  return { refusal: staleRefusal(core, lease) };
}

export function heldResult(core: Core, lease: Lease): Held {
  return {
    ok: true,
    id: lease.id,
    seq: lease.seq,
    state: lease.state,
    kind: lease.terms.kind,
    mode: lease.terms.mode,
    offset: lease.offset,
    length: lease.length,
    gen: core.ports.map.gen(lease.ino),
  };
}
