/** The only place where a lease changes its state: looks the step up in the table, keeps tables and store, runs the effect. */
import type { Core, Detail } from './core.ts';
import { emit } from './emit.ts';
import { type Lease, rowOf } from './lease.ts';
import { isLive, type State, type StateEvent, transition } from './states.ts';

/** Throws when the table has no such step: callers ask `may` where the caller of a verb decides. */
export function move(core: Core, lease: Lease, event: StateEvent, detail: Detail): void {
  const step = transition(lease.state, event);
  if (!step) throw new Error(`lease ${lease.id}: no "${event}" in state ${lease.state}`);
  const was = lease.state;
  lease.state = step.to;
  lease.seq++;
  if (was === 'PENDING') {
    core.enlist(lease);
    core.ports.store.insert(rowOf(lease));
  } else if (isLive(was) && !isLive(step.to)) end(core, lease, detail);
  else if (isLive(step.to)) {
    core.remark(lease);
    core.touch(lease.ino);
  } else bury(core, lease);
  core.effects[step.effect](core, lease, detail);
  if (core.leases.get(lease.id) === lease && was !== 'PENDING') core.save(lease);
}

export function may(state: State, event: StateEvent): boolean {
  return transition(state, event) !== undefined;
}

/** The range is covered no longer. */
function end(core: Core, lease: Lease, detail: Detail): void {
  stopTimers(core, lease);
  lease.invalidate = undefined;
  lease.forgotten = undefined;
  core.forgetful.delete(lease);
  core.delist(lease);
  // Whatever the proof, the window must not serve the range any more.
  core.ports.windows.close(lease.id, lease.ino, lease.offset, lease.end, () => {});
  // A return has seen to it before: whoever has raw access stores behind the pages of those who read the file.
  if (lease.raw && lease.terms.mode === 'rw' && detail.reason !== 'return')
    core.ports.windows.abandoned?.(lease.ino, lease.offset, lease.end);
  if (lease.state === 'RELEASED') {
    core.forget(lease);
    core.ports.store.remove(lease.id);
    emit(core, lease, 'released', detail.reason, {}, detail.reason === 'return' ? 'stream' : 'holder');
    return;
  }
  lease.endedS = core.wall();
  const buried = core.tombstones.get(lease.ino);
  if (buried) buried.add(lease);
  else core.tombstones.set(lease.ino, new Set([lease]));
  emit(core, lease, 'revoked', detail.reason, { strength: detail.strength });
}

/** A tombstone is gone. */
function bury(core: Core, lease: Lease): void {
  stopTimers(core, lease);
  core.forget(lease);
  core.ports.store.remove(lease.id);
  core.touch(lease.ino);
}

function stopTimers(core: Core, lease: Lease): void {
  if (lease.recall) lease.recall.timer = core.stop(lease.recall.timer);
  if (lease.fence) lease.fence.timer = core.stop(lease.fence.timer);
  if (lease.invalidate) lease.invalidate.timer = core.stop(lease.invalidate.timer);
  lease.renewTimer = core.stop(lease.renewTimer);
  lease.tombstoneTimer = core.stop(lease.tombstoneTimer);
}
