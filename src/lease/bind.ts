/** What ends with what: handles, open files, processes; and whose operations count as the holder's (leases.md section 2). */

import { E } from '../system/errno.ts';
import type { Holder, LeaseRef, VerbResult } from './api.ts';
import { Ask } from './ask.ts';
import { type Core, processKey } from './core.ts';
import { held, heldResult } from './hold.ts';
import type { Lease } from './lease.ts';
import { loseHolder } from './orphan.ts';
import { hurry } from './scan.ts';
import { isLive } from './states.ts';

/** `bind`: operations through `fh` are the holder's own until it is closed; with `kept` also those that the next daemon gets. */
export function bindHandle(core: Core, fh: number, ref: LeaseRef, by: Holder, kept: boolean): VerbResult {
  const found = held(core, ref, by);
  if ('refusal' in found) return core.refuse(found.refusal);
  const { lease } = found;
  act(core, fh, lease);
  if (kept && !lease.acting.has(fh)) {
    lease.acting.add(fh);
    core.save(lease);
  }
  return heldResult(core, lease);
}

/** Operations through `fh` are those of the lease's holder. */
export function act(core: Core, fh: number, lease: Lease): void {
  const set = core.bound.get(fh);
  if (set) set.add(lease.id);
  else core.bound.set(fh, new Set([lease.id]));
}

/** The last descriptor of the control handle is gone: by close(2), exit or SIGKILL. */
export function sessionClosed(core: Core, session: number): void {
  for (const item of [...core.parked]) {
    if (item instanceof Ask && item.ask.holder.session === session) item.cancel(E.CANCELED);
  }
  for (const lease of [...(core.bySession.get(session) ?? [])]) {
    if (lease.terms.bind === 'fd' && isLive(lease.state)) loseAll(core, lease, 'session closed');
    // Others live on without a session, until somebody reclaims them or what they are bound to goes.
    if (core.leases.has(lease.id)) core.rehome(lease, 0);
  }
  hurry(core);
}

/** Sub-leases go with their parent, and before it. */
function loseAll(core: Core, lease: Lease, reason: string): void {
  for (const child of [...(lease.children ?? [])]) loseAll(core, child, reason);
  if (isLive(lease.state)) loseHolder(core, lease, reason);
}

export function fileClosed(core: Core, fh: number): void {
  for (const id of core.bound.get(fh) ?? []) {
    const lease = core.leases.get(id);
    if (lease?.acting.delete(fh)) core.save(lease);
  }
  core.bound.delete(fh);
  for (const lease of [...(core.byHandle.get(fh) ?? [])]) {
    if (isLive(lease.state)) loseAll(core, lease, 'file closed');
  }
  hurry(core);
}

export function processDied(core: Core, pid: number, start: number): void {
  for (const lease of [...(core.byProcess.get(`${pid} ${start}`) ?? [])]) {
    if (isLive(lease.state)) loseAll(core, lease, 'process ended');
  }
  hurry(core);
}

/** Somebody's lease lives with its process: its end is an event where it can be watched; the others are looked at. */
export function watchProcess(core: Core, lease: Lease): void {
  const key = processKey(lease);
  if (core.watches.has(key)) return;
  const { tgid, start } = lease.holder;
  const stop = core.ports.processes.watch(tgid, start, () => {
    core.watches.delete(key);
    core.enter(() => processDied(core, tgid, start));
  });
  if (stop) core.watches.set(key, stop);
  else lookAtProcesses(core);
}

/** Once a process, however many leases. */
function lookAtProcesses(core: Core): void {
  if (core.processTimer !== undefined || core.byProcess.size === core.watches.size) return;
  core.processTimer = core.after(core.options.processCheckMs, () => {
    core.processTimer = undefined;
    for (const [key, leases] of [...core.byProcess]) {
      if (core.watches.has(key)) continue;
      const { tgid, start } = (leases.values().next().value as Lease).holder;
      if (!core.ports.processes.alive(tgid, start)) processDied(core, tgid, start);
    }
    lookAtProcesses(core);
  });
}
