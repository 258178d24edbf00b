/** The verb `get`: checks the request, then asks (ask.ts). */
import { E } from '../system/errno.ts';
import type { GetRequest, GetResult, Holder, Refusal, Waiting } from './api.ts';
import { Ask } from './ask.ts';
import { watchProcess } from './bind.ts';
import type { Core } from './core.ts';
import { emit } from './emit.ts';
import { invalid, notFound, refusalBy } from './explain.ts';
import { hashOf, heldResult, isHolder } from './hold.ts';
import { KIND_NAMES, KINDS } from './kinds.ts';
import { Lease, type LeaseTerms } from './lease.ts';
import { armRenewal } from './named.ts';
import { geometry, permission } from './preconditions.ts';
import { move } from './transitions.ts';

interface Plan {
  terms: LeaseTerms;
  offset: number;
  end: number;
  parent: Lease | undefined;
}

export function get(
  core: Core,
  request: GetRequest,
  holder: Holder,
  done: (result: GetResult) => void,
  settled?: (result: GetResult & { ok: true }) => void,
): Waiting | undefined {
  const plan = planOf(core, request, holder);
  if ('errno' in plan) {
    done(core.refuse(plan));
    return undefined;
  }
  const { terms, offset, end, parent } = plan;
  const secrets: { token: string; secret?: string } = { token: hex(core, 16) };
  if (terms.bind === 'named') secrets.secret = request.secret ?? hex(core, 16);
  const ask = new Ask(
    core,
    {
      what: 'get',
      ino: request.ino,
      terms,
      offset,
      end,
      holder,
      parent,
      minFence: request.minFence,
      acceptReadOnly: request.acceptReadOnly ?? false,
      waitMs: request.waitMs ?? (request.afterRecall ? Number.POSITIVE_INFINITY : 0),
      afterRecall: request.afterRecall ?? false,
    },
    {
      mayGrant: () => still(core, plan, holder),
      grant: () => install(core, request, plan, holder, secrets),
      granted: (lease) => done({ ...heldResult(core, lease), ...secrets }),
      settled: settled && ((lease) => settled({ ...heldResult(core, lease), ...secrets })),
      refused: (refusal) => done(core.refuse(refusal)),
    },
  );
  return ask.start() ? { waiting: true, cancel: (errno) => ask.cancel(errno) } : undefined;
}

function hex(core: Core, bytes: number): string {
  return Buffer.from(core.ports.random(bytes)).toString('hex');
}

function planOf(core: Core, request: GetRequest, holder: Holder): Plan | Refusal {
  if (core.stopping) return { errno: E.AGAIN, cause: 'stopping', hint: 'the filesystem is being unmounted' };
  if (!KIND_NAMES.includes(request.kind)) return invalid('kind', `a kind is one of ${KIND_NAMES.join(', ')}`);
  const rule = KINDS[request.kind];
  const bind = request.bind ?? (request.name !== undefined ? 'named' : 'fd');
  const unbreakable = (request.unbreakable ?? false) || rule.unbreakable;
  if (unbreakable && request.kind !== 'direct' && !rule.unbreakable)
    return invalid('unbreakable', 'only direct leases can be unbreakable');
  if (request.kind === 'frozen' && request.mode === 'rw') return invalid('mode', 'a frozen lease is for reading');
  if (bind === 'named' && !request.name) return invalid('name', 'bind=named needs a name');
  if (bind === 'file' && !request.fh) return invalid('bind', 'bind=file needs an open file');
  const mode = request.mode ?? (request.kind === 'direct' && !request.access.write ? 'ro' : rule.defaultMode);
  const terms: LeaseTerms = {
    kind: request.kind,
    mode,
    unbreakable,
    unwrittenOk: request.unwrittenOk ?? false,
    coherent: request.coherent ?? rule.coherent,
    align: request.align ?? 0,
    odp: request.odp ?? false,
    bind,
    fh: bind === 'file' ? (request.fh ?? 0) : 0,
    name: bind === 'named' ? request.name : undefined,
    timeoutMs: request.timeoutMs,
    notify: request.notify ?? 'event',
    onExpire: request.onExpire ?? core.options.onExpire,
    access: request.access,
  };
  if (terms.timeoutMs !== undefined && !(terms.timeoutMs > 0 && terms.timeoutMs <= core.options.maximumBreakMs)) {
    return invalid('timeout', `a break time is above 0 and at most ${core.options.maximumBreakMs / 1000} s`);
  }
  const offset = request.offset ?? 0;
  const end = offset + (request.length ?? Number.POSITIVE_INFINITY);
  const refusal =
    permission(terms, request.access, holder) ?? geometry(core, offset, end, terms.align) ?? limits(core, holder);
  if (refusal) return refusal;
  const taken = nameTaken(core, terms);
  if (taken) return taken;
  if (request.parent === undefined) return { terms, offset, end, parent: undefined };
  const parent = core.leases.get(request.parent);
  if (!parent) return notFound(`no lease ${request.parent} to be under`);
  return parentRefusal(core, parent, request, holder, offset, end) ?? { terms, offset, end, parent };
}

function nameTaken(core: Core, terms: LeaseTerms): Refusal | undefined {
  const other = terms.name === undefined ? undefined : core.byName.get(terms.name);
  return other && refusalBy(core, other, E.BUSY, 'name', 'the name is taken: reclaim it with its secret');
}

/** What may have changed while the request waited. */
function still(core: Core, plan: Plan, holder: Holder): Refusal | undefined {
  const { parent } = plan;
  if (parent && parent.state !== 'GRANTED') return breaking(core, parent);
  return nameTaken(core, plan.terms) ?? limits(core, holder);
}

function breaking(core: Core, parent: Lease): Refusal {
  return refusalBy(core, parent, E.NXIO, 'breaking', 'the parent is being recalled');
}

function limits(core: Core, holder: Holder): Refusal | undefined {
  const { leasesPerSession, leasesPerFilesystem, leasesPerUid } = core.options;
  const ofUser = holder.uid === 0 ? 0 : (core.liveByUid.get(holder.uid) ?? 0);
  const limit = (count: number, whose: string) => ({
    errno: E.NOLCK,
    cause: 'limit',
    hint: `${whose} may have ${count} leases`,
  });
  if ((core.bySession.get(holder.session)?.size ?? 0) >= leasesPerSession) return limit(leasesPerSession, 'a session');
  if (ofUser >= leasesPerUid) return limit(leasesPerUid, 'a user');
  if (core.live >= leasesPerFilesystem) return limit(leasesPerFilesystem, 'a filesystem');
  return undefined;
}

/** A sub-lease is of its parent's kind, holder and range, and is not given while the parent is being taken away. */
function parentRefusal(
  core: Core,
  parent: Lease,
  request: GetRequest,
  holder: Holder,
  offset: number,
  end: number,
): Refusal | undefined {
  if (!isHolder(parent, { id: parent.id }, holder))
    return refusalBy(core, parent, E.PERM, 'not the holder', 'a sub-lease is for the holder of its parent');
  if (parent.state !== 'GRANTED') return breaking(core, parent);
  if (parent.ino !== request.ino || parent.terms.kind !== request.kind)
    return invalid('parent', 'a sub-lease is of the same file and kind as its parent');
  if (offset < parent.offset || end > parent.end) return invalid('parent', 'a sub-lease lies inside its parent');
  return undefined;
}

function install(
  core: Core,
  request: GetRequest,
  plan: Plan,
  holder: Holder,
  secrets: { token: string; secret?: string },
): Lease {
  const { terms, offset, end } = plan;
  const id = core.ports.store.nextId();
  const token = hashOf(secrets.token).toString('hex');
  const lease = new Lease(
    id,
    request.ino,
    Buffer.from(request.path),
    { ...terms },
    { ...holder },
    offset,
    end,
    token,
    core.epoch,
  );
  lease.parent = plan.parent;
  lease.grantedAt = core.now();
  lease.grantedS = core.wall();
  if (secrets.secret !== undefined) lease.secretHash = hashOf(secrets.secret);
  move(core, lease, 'grant', { reason: 'get' });
  core.stats.granted++;
  if (terms.bind === 'named') armRenewal(core, lease);
  if (terms.bind === 'process') watchProcess(core, lease);
  emit(core, lease, 'granted', 'get', {}, 'stream');
  return lease;
}
