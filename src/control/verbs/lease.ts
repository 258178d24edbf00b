import type { Bind, GetRequest, GetResult, Notify, ReturnResult, VerbResult } from '../../lease/api.ts';
import type { ReplyOf, RequestOf, VerbName } from '../grammar/verbs.ts';
import { durably, NEEDS_PRIVILEGE, notFlushed, type Outcome, settle, type VerbContext } from '../outcome.ts';
import type { Inode, Pending } from '../ports.ts';
import {
  accessOf,
  changedReply,
  failed,
  fileOf,
  fixedDenied,
  holderOf,
  isFailure,
  lengthOf,
  refOf,
  refused,
} from './shared.ts';

type Done<V extends VerbName> = (outcome: Outcome<V>) => void;

/** The verbs of a holder on his leases (leases.md section 4). */

export function get(context: VerbContext, values: RequestOf<'get'>, done: Done<'get'>): Pending | undefined {
  const inode = fileOf(context, values);
  if (isFailure(inode)) return void done(inode);
  return getOn(context, inode, values, values.path ?? Buffer.from(`ino:${inode.ino}`), done);
}

/** `get` on a file that was found already: also by ioctl, with the lease bound to the open file. */
export function getOn(
  context: VerbContext,
  inode: Inode,
  values: Omit<RequestOf<'get'>, 'path' | 'ino' | 'gen' | 'bind'> & { bind?: Bind },
  path: Uint8Array,
  done: Done<'get'>,
): Pending | undefined {
  const { mode, kind = 'direct' } = values;
  const fixed = inode.isFixed;
  if (fixed && (mode === 'rw' || kind === 'exclusive' || kind === 'swap')) return void done(fixedDenied);
  const access = accessOf(context, inode);
  const request: GetRequest = {
    ino: inode.ino,
    path: Buffer.from(path),
    kind,
    access: fixed ? { ...access, write: false } : access,
    mode,
    unbreakable: values.unbreakable,
    offset: values.offset,
    length: values.length,
    unwrittenOk: values.unwritten_ok,
    align: values.align,
    odp: values.odp,
    parent: values.parent,
    bind: values.bind ?? 'fd',
    fh: context.asker.handle || undefined,
    name: values.name,
    secret: values.secret,
    timeoutMs: values.timeout === undefined ? undefined : values.timeout * 1000,
    coherent: values.coherent,
    notify: values.notify as Notify | undefined,
    onExpire: values.on_expire,
    minFence: values.min_fence,
    acceptReadOnly: values.accept === 'ro' ? true : undefined,
    waitMs: values.wait === undefined ? undefined : values.wait * 1000,
    afterRecall: values.after_recall,
  };
  return context.ports.leases.get(
    request,
    holderOf(context),
    (result) => {
      if (!result.ok) done(refused(result.errno, result.refusal));
      else durably(context, granted(context, inode, result), done);
    },
    (result) => settle(context, granted(context, inode, result), done),
  );
}

function granted(context: VerbContext, inode: Inode, result: GetResult & { ok: true }): ReplyOf<'get'> {
  const { ports } = context;
  return {
    ...changedReply(result),
    gen: result.gen,
    offset: result.offset,
    length: lengthOf(result.length),
    extents: countExtents(context, inode, result.offset, result.length),
    epoch: ports.options.epoch,
    token: result.token,
    ...(result.secret === undefined ? {} : { secret: result.secret }),
  };
}

/** How many extents a byte range has; counting stops at a thousand. */
export function countExtents({ ports }: VerbContext, inode: Inode, offset: number, length: number): number {
  const { blockSize } = ports.device;
  const rows = ports.blocks.extents(inode.ino, Math.floor(offset / blockSize), 1000);
  return rows.filter((row) => row.fileBlock * blockSize < offset + length).length;
}

export function return_(context: VerbContext, values: RequestOf<'return'>, done: Done<'return'>): Pending | undefined {
  const { ports, windows } = context;
  const by = holderOf(context);
  const known = ports.leases.check(refOf(values), by, 'any');
  if (!known.ok) return void done(refused(known.errno, known.refusal));
  const view = ports.leases.find(values.id);
  const offset = values.offset ?? known.offset;
  const length = values.length ?? Number.POSITIVE_INFINITY;
  let waiting: Pending | undefined;
  let cancelled = 0;
  let late = false;
  const give = (): void => {
    if (cancelled !== 0) return done(failed(cancelled));
    const range = { offset: values.offset, length: values.length, cascade: values.cascade };
    waiting = ports.leases.return_(refOf(values), by, range, (result) => {
      // Windows show nothing of what is not leased any more.
      if (result.ok) windows.close(values.id, view?.ino ?? 0, offset, offset + length, () => {});
      if (!result.ok || !late || view === undefined) return returned(context, result, false, done);
      // A daemon that takes over knows nothing better of the pages.
      settle(context, returnReply(result, true), done);
      windows.coherence.drop(view.ino, offset, length, (busy) => returned(context, result, busy !== 0, done), [
        view.ino,
      ]);
    });
  };
  // What the holder stored is seen by every reader once this is answered: dirty pages of its windows are written
  // first, while the lease still protects the blocks, and stale pages of the file go.
  const wasLive = view !== undefined && known.mode === 'rw' && (view.raw || windows.nodesOf(values.id).length > 0);
  if (!wasLive) give();
  else {
    windows.flush(values.id, view.ino, offset, length, (errno) => {
      if (errno !== 0) return done(notFlushed(errno));
      windows.coherence.drop(
        view.ino,
        offset,
        length,
        (busy) => {
          // A write that waits for this very lease keeps its pages: it goes on when the lease is given back.
          late = busy !== 0;
          give();
        },
        [view.ino],
      );
    });
  }
  return {
    cancel(errno: number): void {
      cancelled = errno;
      waiting?.cancel(errno);
    },
  };
}

function returned(context: VerbContext, result: ReturnResult, stale: boolean, done: Done<'return'>): void {
  if (!result.ok) return done(refused(result.errno, result.refusal));
  durably(context, returnReply(result, stale), done);
}

function returnReply(result: ReturnResult & { ok: true }, stale: boolean): ReplyOf<'return'> {
  const rest = result.rest && { rest: result.rest.id, rest_seq: result.rest.seq, rest_name: result.rest.name };
  return { ...changedReply(result), ...rest, ...(stale ? { stale } : {}) };
}

/** A verb that changes a lease at once: its reply once the change is on disk. */
function changed<V extends 'ack' | 'renew' | 'bind' | 'revoke' | 'expire'>(
  context: VerbContext,
  result: VerbResult,
  done: Done<V>,
): void {
  if (!result.ok) done(refused(result.errno, result.refusal));
  else durably<V>(context, changedReply(result) as unknown as ReplyOf<V>, done);
}

export function ack(context: VerbContext, values: RequestOf<'ack'>, done: Done<'ack'>): undefined {
  changed(context, context.ports.leases.ack(refOf(values), holderOf(context)), done);
}

export function delay(context: VerbContext, values: RequestOf<'delay'>, done: Done<'delay'>): undefined {
  const { leases } = context.ports;
  const result = leases.delay(refOf(values), holderOf(context), values.for * 1000);
  if (!result.ok) return done(refused(result.errno, result.refusal)) as undefined;
  durably(context, { ...changedReply(result), deadline_ms: leases.find(values.id)?.deadlineMs ?? null }, done);
}

export function downgrade(context: VerbContext, values: RequestOf<'downgrade'>, done: Done<'downgrade'>): undefined {
  const { kind, mode } = values;
  const result = context.ports.leases.downgrade(refOf(values), holderOf(context), { kind, mode });
  if (!result.ok) return done(refused(result.errno, result.refusal)) as undefined;
  durably(context, { ...changedReply(result), gen: result.gen }, done);
}

export function upgrade(
  context: VerbContext,
  values: RequestOf<'upgrade'>,
  done: Done<'upgrade'>,
): Pending | undefined {
  const { kind, mode, wait } = values;
  return context.ports.leases.upgrade(
    refOf(values),
    holderOf(context),
    { kind, mode },
    (wait ?? 0) * 1000,
    (result) => {
      if (!result.ok) done(refused(result.errno, result.refusal));
      else durably(context, { ...changedReply(result), gen: result.gen }, done);
    },
  );
}

export function renew(context: VerbContext, values: RequestOf<'renew'>, done: Done<'renew'>): undefined {
  changed(
    context,
    context.ports.leases.renew({ ...refOf(values), token: values.secret ?? values.token }, holderOf(context)),
    done,
  );
}

export function reclaim(context: VerbContext, values: RequestOf<'reclaim'>, done: Done<'reclaim'>): undefined {
  const result = context.ports.leases.reclaim(values.name, values.secret, holderOf(context));
  if (!result.ok) return done(refused(result.errno, result.refusal)) as undefined;
  const { gen, offset, length, token } = result;
  const { epoch } = context.ports.options;
  durably(context, { ...changedReply(result), gen, offset, length: lengthOf(length), epoch, token }, done);
}

export function bind(context: VerbContext, values: RequestOf<'bind'>, done: Done<'bind'>): undefined {
  // A handle is a bare number: who could name any could make another's writes count as a holder's.
  if (!context.asker.caller.privileged) return done(NEEDS_PRIVILEGE) as undefined;
  changed(context, context.ports.leases.bindHandle(values.handle, refOf(values), holderOf(context), true), done);
}

export function revoke(context: VerbContext, values: RequestOf<'revoke'>, done: Done<'revoke'>): undefined {
  changed(context, context.ports.leases.revoke(values.id, holderOf(context), values.reason), done);
}

export function expire(context: VerbContext, values: RequestOf<'expire'>, done: Done<'expire'>): undefined {
  changed(context, context.ports.leases.expire(values.id, holderOf(context), values.force ?? false), done);
}
