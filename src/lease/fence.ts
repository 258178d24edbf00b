/** Fences (leases.md section 7): making sure that a holder who does not answer can reach the blocks no longer. */
import { E, errnoName } from '../system/errno.ts';
import type { Strength } from './api.ts';
import type { Core, Detail } from './core.ts';
import { emit } from './emit.ts';
import type { Lease } from './lease.ts';
import type { Quarantine } from './quarantine.ts';
import { releaseReach } from './quarantine.ts';
import { takeReach } from './reach.ts';
import { signallerOf } from './recall.ts';
import { askMappers, hurry, subjectOf, unwatch, watch } from './scan.ts';
import { may, move } from './transitions.ts';

const SIGKILL = 9;

interface Outcome {
  ok: boolean;
  strength?: Strength;
  /** The data is safe, but the holder may still reach the old place. */
  keepReach?: boolean;
  result: string;
}

/** Effect of `deadline` and `fence retry`. What waits and may go on without the proof goes first: it may free the blocks. */
export function startFence(core: Core, lease: Lease, detail: Detail): void {
  if (!lease.fence) {
    takeReach(core, lease);
    lease.lapsed = true;
    lease.fence = {
      method: methodOf(core, lease),
      attempts: 0,
      ticket: 0,
      result: 'begun',
      retryMs: core.options.fenceRetryMs,
      timer: undefined,
      warned: false,
      outdated: false,
    };
    core.stats.fences++;
    emit(core, lease, 'fence', detail.reason, { method: lease.fence.method, result: 'begun' });
  }
  if (lease.recall) lease.recall.timer = core.stop(lease.recall.timer);
  lease.fence.timer = core.stop(lease.fence.timer);
  for (const child of [...(lease.children ?? [])]) {
    if (may(child.state, 'deadline')) move(core, child, 'deadline', detail);
  }
  core.afterwards(() => attempt(core, lease));
}

function methodOf(core: Core, lease: Lease): string {
  if (!lease.raw) return 'window';
  return core.ports.fenceCommand ? 'command' : lease.terms.onExpire;
}

function attempt(core: Core, lease: Lease): void {
  const { fence } = lease;
  if (lease.state !== 'FENCING' || !fence) return;
  const ticket = ++fence.ticket;
  fence.attempts++;
  const settle = (outcome: Outcome) =>
    core.enter(() => {
      if (lease.state === 'FENCING' && fence.ticket === ticket) conclude(core, lease, outcome);
    });
  // An attempt that never answers must not be the last one.
  fence.timer = core.after(core.options.breakMs, () => settle({ ok: false, result: 'no answer' }));
  if (core.injected('fail-fence', lease.id)) {
    settle({ ok: false, result: 'failed on request' });
    return;
  }
  core.ports.windows.close(lease.id, lease.ino, lease.offset, lease.end, (errno) => {
    if (errno !== 0) settle({ ok: false, result: `window: ${errnoName(errno)}` });
    else if (!lease.raw) settle({ ok: true, strength: 'strong', result: 'window closed' });
    else core.enter(() => cutOff(core, lease, settle));
  });
}

function cutOff(core: Core, lease: Lease, settle: (outcome: Outcome) => void): void {
  const { fenceCommand, processes, map } = core.ports;
  if (fenceCommand) {
    fenceCommand(subjectOf(lease), (status) =>
      settle(
        status === 0 ? { ok: true, strength: 'configured', result: 'exit 0' } : { ok: false, result: `exit ${status}` },
      ),
    );
    return;
  }
  if (lease.terms.onExpire === 'relocate') {
    const inTheWay = othersOn(core, lease);
    if (inTheWay) {
      settle({ ok: false, result: `lease ${inTheWay.id} keeps the blocks where they are` });
      return;
    }
    map.relocate(lease.ino, lease.offset, lease.end, (errno) =>
      settle(
        errno === 0
          ? { ok: true, strength: 'strong', keepReach: true, result: 'blocks moved away' }
          : { ok: false, result: `relocate: ${errnoName(errno)}` },
      ),
    );
    return;
  }
  if (lease.terms.onExpire === 'kill') {
    const { tgid, start } = lease.holder;
    const errno = tgid > 1 ? processes.kill(tgid, start, SIGKILL, signallerOf(lease)) : E.SRCH;
    if (errno !== 0 && errno !== E.SRCH) {
      settle({ ok: false, result: `kill: ${errnoName(errno)}` });
      return;
    }
    if (processes.alive(tgid, start)) {
      settle({ ok: false, result: 'killed, not dead yet' });
      return;
    }
  }
  askMappers(core, lease, (mappers) => {
    if (typeof mappers === 'number') settle({ ok: false, result: `mappings: ${errnoName(mappers)}` });
    else if (mappers.length > 0)
      settle({ ok: false, result: `still mapped by ${mappers[0].pid} (${mappers[0].command})` });
    else settle({ ok: true, strength: 'medium', result: 'no mapping left' });
  });
}

/** A live lease of somebody else over the range: its blocks may not be moved to get rid of this holder. */
function othersOn(core: Core, lease: Lease): Lease | undefined {
  let found: Lease | undefined;
  core.files.get(lease.ino)?.index.each(lease.offset, lease.end, (other) => {
    if (other === lease || other.state === 'FENCING' || other.state === 'FENCE_FAILED') return false;
    found = other;
    return true;
  });
  return found;
}

function conclude(core: Core, lease: Lease, outcome: Outcome): void {
  const { fence } = lease;
  if (!fence) return;
  fence.timer = core.stop(fence.timer);
  // What the attempt may still answer comes too late.
  fence.ticket++;
  fence.result = outcome.result;
  core.ports.store.fenceAttempt(lease.id, core.wall(), fence.method, outcome.result);
  const who = `lease ${lease.id} (pid ${lease.holder.pid}, ${lease.holder.command})`;
  const fields = { lease: lease.id, pid: lease.holder.pid, method: fence.method, attempts: fence.attempts };
  if (!outcome.ok) {
    core.stats.fenceFailures++;
    if (!fence.warned)
      core.log('warning', `fence of ${who} by ${fence.method} failed: ${outcome.result}; trying again`, fields);
    fence.warned = true;
    emit(core, lease, 'fence', 'failed', { method: fence.method, result: outcome.result });
    move(core, lease, 'fence failed', { reason: outcome.result });
    return;
  }
  core.log('notice', `fence of ${who} by ${fence.method}: ${outcome.result} after ${fence.attempts} attempts`, fields);
  emit(core, lease, 'fence', 'proven', { method: fence.method, result: outcome.result, strength: outcome.strength });
  move(core, lease, 'proof', { reason: 'fence', strength: outcome.strength, keepReach: outcome.keepReach });
}

/** May the holder of an ended lease still reach its blocks? On shared storage only the administrator's command can tell. */
function askReached(core: Core, lease: Lease, answer: (reached: boolean, strength: Strength) => void): void {
  const { fenceCommand } = core.ports;
  if (fenceCommand) fenceCommand(subjectOf(lease), (status) => core.enter(() => answer(status !== 0, 'configured')));
  else askMappers(core, lease, (mappers) => answer(typeof mappers === 'number' || mappers.length > 0, 'medium'));
}

/** Effect of `fence failed`: 1 s doubling to 180 s (mount options). */
export function retryLater(core: Core, lease: Lease): void {
  const { fence } = lease;
  if (!fence) return;
  if (fence.outdated) {
    fence.outdated = false;
    core.afterwards(() => retryFence(core, lease));
    return;
  }
  fence.timer = core.after(fence.retryMs, () => retryFence(core, lease));
  fence.retryMs = Math.min(fence.retryMs * 2, core.options.fenceRetryMaximumMs);
}

/** The holder let something go: an attempt under way may have seen it still held. */
export function retrySoon(core: Core, lease: Lease): void {
  if (lease.state === 'FENCING' && lease.fence) lease.fence.outdated = true;
  else retryFence(core, lease);
}

/** At once: something happened that may make it succeed (the holder died, space is short). */
export function retryFence(core: Core, lease: Lease): void {
  if (lease.state === 'FENCE_FAILED') move(core, lease, 'fence retry', { reason: 'retry' });
}

/** How long ENOSPC waits for fences, and how often it looks whether they are decided. Milliseconds. */
const SPACE_PATIENCE = 2000;
const SPACE_LOOK = 20;

/** LeaseEngine.retryFences: nobody's space is taken, so all that can be done is to ask again who still reaches it. */
export function retryFences(core: Core, done: () => void): void {
  const fenced = [...core.leases.values()].filter((lease) => lease.state === 'FENCE_FAILED');
  for (const lease of fenced) retryFence(core, lease);
  hurry(core);
  const until = core.now() + SPACE_PATIENCE;
  const look = (): void => {
    const undecided = core.scan.flying || core.scan.asked.size > 0 || fenced.some((l) => l.state === 'FENCING');
    if (undecided && core.now() < until) core.after(SPACE_LOOK, look);
    else done();
  };
  core.afterwards(look);
}

/** Effect of every proven end. */
export function endProven(core: Core, quarantine: Quarantine, lease: Lease, detail: Detail): void {
  lease.proof = detail.strength ?? 'strong';
  if (detail.keepReach && lease.reach.length > 0) watchTombstone(core, quarantine, lease);
  else releaseReach(core, quarantine, lease);
  if (lease.state === 'REVOKED') armTombstone(core, quarantine, lease);
}

/** Effect of an end by force or with the device. */
export function endUnproven(core: Core, quarantine: Quarantine, lease: Lease): void {
  lease.proof = 'none';
  if (!lease.fence) takeReach(core, lease);
  if (lease.reach.length > 0) watchTombstone(core, quarantine, lease);
  armTombstone(core, quarantine, lease);
}

/** The holder may still reach blocks: until nobody maps them. */
export function watchTombstone(core: Core, quarantine: Quarantine, lease: Lease): void {
  watch(core, lease, () => {
    if (lease.state !== 'REVOKED' || lease.reach.length === 0) {
      unwatch(core, lease);
      return;
    }
    askReached(core, lease, (reached, strength) => {
      if (reached || lease.state !== 'REVOKED' || lease.reach.length === 0) return;
      unwatch(core, lease);
      if (lease.proof === 'none') lease.proof = strength;
      releaseReach(core, quarantine, lease);
      core.save(lease);
      core.touch(lease.ino);
      if (lease.tombstoneTimer === undefined) move(core, lease, 'buried', { reason: 'age' });
    });
  });
}

/** Time alone is no proof: an old tombstone goes only when nothing is left that its holder may reach. */
export function armTombstone(core: Core, quarantine: Quarantine, lease: Lease): void {
  const age = lease.endedS === undefined ? 0 : Math.max(0, (core.wall() - lease.endedS) * 1000);
  lease.tombstoneTimer = core.after(Math.max(0, core.options.tombstoneMs - age), () => {
    lease.tombstoneTimer = undefined;
    if (lease.state !== 'REVOKED') return;
    if (lease.reach.length === 0) move(core, lease, 'buried', { reason: 'age' });
    else watchTombstone(core, quarantine, lease);
  });
}
