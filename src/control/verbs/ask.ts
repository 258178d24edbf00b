import type { LeaseView, Refusal } from '../../lease/api.ts';
import { cellText } from '../../lease/cell.ts';
import { MATRICES } from '../../lease/policies.ts';
import { ROW_NAMES } from '../../lease/rows.ts';
import { E, errnoName } from '../../system/errno.ts';
import type { ReplyOf, RequestOf, VerbName } from '../grammar/verbs.ts';
import { durably, NEEDS_PRIVILEGE, type Outcome, type VerbContext } from '../outcome.ts';
import type { ControlPorts } from '../ports.ts';
import { visibleTo } from '../visibility.ts';
import { accessOf, actorOf, failed, fileOf, holderOf, isFailure, lengthOf, refused } from './shared.ts';

type Done<V extends VerbName> = (outcome: Outcome<V>) => void;

/** Questions (ls, why, policy, quarantine), and the verbs of everybody and of administrators that change no file. */

const DEFAULT_LIMIT = 1000;
const MAX_LIMIT = 10_000;

export function ls(context: VerbContext, values: RequestOf<'ls'>, done: Done<'ls'>): undefined {
  const { ports, asker } = context;
  const byFile = values.path !== undefined || values.ino !== undefined;
  const inode = byFile ? fileOf(context, values) : undefined;
  if (inode && isFailure(inode)) return done(inode) as undefined;
  const limit = Math.min(values.limit ?? DEFAULT_LIMIT, MAX_LIMIT);
  const isVisible = visibleTo(ports, asker.caller);
  const leases: ReplyOf<'ls'>['leases'] = [];
  let next: number | null = null;
  const views = ports.leases.list({ ino: inode?.ino, id: values.id }).sort((a, b) => a.id - b.id);
  for (const view of views) {
    if (view.id <= (values.after ?? 0)) continue;
    if (!values.all && (view.state === 'REVOKED' || view.state === 'RELEASED')) continue;
    if (values.pid !== undefined && view.holder.tgid !== values.pid && view.holder.pid !== values.pid) continue;
    if (!isVisible({ ino: view.ino, path: view.path, uid: view.holder.uid })) continue;
    if (leases.length === limit) {
      next = leases.at(-1)?.id ?? null;
      break;
    }
    leases.push(leaseItem(view));
  }
  done({ reply: { count: leases.length, next, leases } });
}

export function leaseItem(view: LeaseView): ReplyOf<'ls'>['leases'][number] {
  const { id, seq, state, kind, mode, path, ino, offset, length, bind, holder, unbreakable, ageMs, parent } = view;
  return {
    id,
    seq,
    state: state.toLowerCase() as Lowercase<LeaseView['state']>,
    kind,
    mode,
    path,
    ino,
    offset,
    length: lengthOf(length),
    bind,
    holder: { pid: holder.tgid, command: holder.command },
    uid: holder.uid,
    unbreakable: unbreakable || undefined,
    age_ms: ageMs,
    deadline_ms: view.deadlineMs ?? null,
    parent: parent || undefined,
  };
}

export function why(context: VerbContext, values: RequestOf<'why'>, done: Done<'why'>): undefined {
  const inode = fileOf(context, values);
  if (isFailure(inode)) return done(inode) as undefined;
  const operation = values.operation ?? 'write-in-place';
  const range = { offset: values.offset, length: values.length };
  const [answer] = context.ports.leases.why(inode.ino, [operation], range, actorOf(context));
  if (!answer) return done(failed(E.INVAL, 'there is no such operation')) as undefined;
  done({
    reply: {
      operation,
      number: answer.number,
      answer: answer.verdict,
      errno: answer.errno === 0 ? undefined : errnoName(answer.errno),
      blockers: answer.leases.map(blockerItem),
    },
  });
}

function blockerItem(refusal: Refusal): ReplyOf<'why'>['blockers'][number] {
  const { lease, kind, state, holder, offset, length, ageMs, deadlineMs, cause, hint } = refusal;
  return {
    lease,
    kind,
    state: state?.toLowerCase(),
    holder: holder && { pid: holder.pid, command: holder.command },
    offset: offset ?? 0,
    length: lengthOf(length ?? Number.POSITIVE_INFINITY),
    age_ms: ageMs,
    deadline_ms: deadlineMs ?? null,
    cause,
    hint,
  };
}

export function policy({ ports }: VerbContext, _values: RequestOf<'policy'>, done: Done<'policy'>): undefined {
  const matrix = MATRICES[ports.options.policy];
  const rows = ROW_NAMES.map((name) => {
    const { number, title, layout, direct, unbreakable, exclusive, sealed, holder } = matrix[name];
    return {
      number,
      name,
      operation: title,
      layout: cellText(layout),
      direct: cellText(direct),
      unbreakable: cellText(unbreakable),
      exclusive: cellText(exclusive),
      sealed: cellText(sealed),
      holder: cellText(holder),
    };
  });
  done({ reply: { policy: ports.options.policy, rows } });
}

export function break_(context: VerbContext, values: RequestOf<'break'>, done: Done<'break'>): undefined {
  const inode = fileOf(context, values);
  if (isFailure(inode)) return done(inode) as undefined;
  const { offset, length } = values;
  const access = accessOf(context, inode);
  const result = context.ports.leases.breakFile(inode.ino, { offset, length }, access, holderOf(context));
  if (!result.ok) done(refused(result.errno, result.refusal));
  else durably(context, { recalled: result.recalled }, done);
}

export function quarantine(context: VerbContext, values: RequestOf<'quarantine'>, done: Done<'quarantine'>): undefined {
  const { ports, asker } = context;
  const { blockSize } = ports.device;
  const { lease, device } = values;
  let released = 0;
  if (values.action === 'release') {
    if (!asker.caller.privileged) return done(NEEDS_PRIVILEGE) as undefined;
    const deviceBlock = device === undefined ? undefined : Math.floor(device / blockSize);
    const result = ports.leases.quarantineRelease({ lease, deviceBlock }, holderOf(context));
    if (!result.ok) return done(refused(result.errno, result.refusal)) as undefined;
    released = result.released * blockSize;
  }
  durably(context, { ...quarantineList(ports, lease), released }, done);
}

/** The quarantine, of one lease or all. */
export function quarantineList(
  ports: ControlPorts,
  lease?: number,
): Pick<ReplyOf<'quarantine'>, 'bytes' | 'quarantine'> {
  const { blockSize } = ports.device;
  const now = { seconds: 0, nanoseconds: 0 };
  ports.clock.realtime(now);
  const rows = ports.leases.quarantineList().filter((row) => lease === undefined || row.lease === lease);
  return {
    bytes: rows.reduce((sum, row) => sum + row.length, 0) * blockSize,
    quarantine: rows.map((row) => ({
      device: row.deviceBlock * blockSize,
      length: row.length * blockSize,
      lease: row.lease,
      ino: row.ino,
      reason: row.reason,
      age_ms: Math.max(0, (now.seconds - row.sinceS) * 1000),
    })),
  };
}

export function inject(context: VerbContext, values: RequestOf<'inject'>, done: Done<'inject'>): undefined {
  const { ports, asker } = context;
  if (!ports.options.inject) return done(failed(E.OPNOTSUPP, 'only a mount with -o inject takes faults')) as undefined;
  if (!asker.caller.privileged) return done(NEEDS_PRIVILEGE) as undefined;
  const { fault, lease, count, by } = values;
  const delayMs = by === undefined ? undefined : by * 1000;
  if (fault === 'device-lost') ports.leases.deviceLost();
  else if (fault === 'lose-event' || fault === 'delay-ack' || fault === 'fail-fence')
    ports.leases.inject({ fault, lease, count, delayMs });
  else {
    const errno = ports.inject?.(values) ?? E.OPNOTSUPP;
    if (errno !== 0) return done(failed(errno, 'say by= how far the clock goes')) as undefined;
  }
  done({ reply: { fault } });
}
