import { WRITE } from '../../blockmap/extent.ts';
import { E } from '../../system/errno.ts';
import { admit, patienceOf, type Work } from '../admission.ts';
import type { ReplyOf, RequestOf, VerbName } from '../grammar/verbs.ts';
import {
  durably,
  NEEDS_PRIVILEGE,
  notFlushed,
  type Outcome,
  settle,
  stillCached,
  type VerbContext,
} from '../outcome.ts';
import type { Inode, Pending } from '../ports.ts';
import { countExtents } from './lease.ts';
import {
  accessOf,
  actorOf,
  dropPrivileges,
  failed,
  fileOf,
  fixedDenied,
  holderOf,
  isFailure,
  refused,
  spanOf,
  writeDenied,
} from './shared.ts';

type Done<V extends VerbName> = (outcome: Outcome<V>) => void;
type Span = { offset: number; length: number };

/** What the kernel does not pass to a FUSE server (clone, collapse, insert), seals, and moving blocks about. */

export function seal(context: VerbContext, values: RequestOf<'seal'>, done: Done<'seal'>): Pending | undefined {
  const inode = writable(context, values);
  if (isFailure(inode)) return void done(inode);
  const options = { unwrittenOk: values.unwritten_ok, waitMs: patienceOf(values.wait) };
  return context.ports.leases.seal(inode.ino, options, holderOf(context), (result) => {
    if (!result.ok) done(refused(result.errno, result.refusal));
    else durably(context, { gen: inode.gen, sealed: true }, done);
  });
}

export function unseal(context: VerbContext, values: RequestOf<'unseal'>, done: Done<'unseal'>): undefined {
  const inode = writable(context, values);
  if (isFailure(inode)) return done(inode) as undefined;
  const result = context.ports.leases.unseal(inode.ino, holderOf(context));
  if (!result.ok) done(refused(result.errno, result.refusal));
  else durably(context, { gen: inode.gen, sealed: false }, done);
}

/** The file of a verb that changes it, on a mount where it may be changed by the asker. */
function writable(context: VerbContext, values: Parameters<typeof fileOf>[1]): Inode | ReturnType<typeof failed> {
  if (context.ports.options.readOnly) return failed(E.ROFS);
  const inode = fileOf(context, values);
  if (isFailure(inode)) return inode;
  if (inode.isFixed) return fixedDenied;
  return accessOf(context, inode).write ? inode : writeDenied;
}

/** Runs a change under the guard and answers once it is durable and the kernel's pages of `stale` are gone. */
function change<V extends VerbName>(
  context: VerbContext,
  inode: Inode,
  work: Pick<Work, 'touches' | 'operation' | 'change'> & { wait: number | undefined; stale: Span },
  reply: () => ReplyOf<V>,
  done: Done<V>,
): Pending | undefined {
  const { ports, windows } = context;
  const { wait, stale, ...rest } = work;
  let waiting: Pending | undefined;
  let cancelled = 0;
  const drop = (then: () => void, otherwise: typeof stillCached): void =>
    windows.coherence.drop(inode.ino, stale.offset, stale.length, (errno) =>
      errno === 0 ? then() : done(otherwise(errno)),
    );
  // Dirty pages are stores from before the change: written after it they would land in what has moved there.
  const flushed = (): void => {
    if (cancelled !== 0) return done(failed(cancelled));
    waiting = admit(ports.leases, ports.clock, {
      ...rest,
      actor: actorOf(context),
      patienceMs: patienceOf(wait),
      done: (errno, refusal) => {
        if (errno !== 0) return done(refused(errno, refusal));
        const made = reply();
        settle(context, made, done);
        drop(() => durably(context, made, done), stillCached);
      },
    });
  };
  drop(flushed, notFlushed);
  return {
    cancel(errno: number): void {
      cancelled = errno;
      waiting?.cancel(errno);
    },
  };
}

export function clone(context: VerbContext, values: RequestOf<'clone'>, done: Done<'clone'>): Pending | undefined {
  const { ports } = context;
  const { blockSize } = ports.device;
  const source = fileOf(context, values);
  if (isFailure(source)) return void done(source);
  if (!accessOf(context, source).read) return void done(failed(E.ACCES, 'read permission on the source is needed'));
  const destination = writable(context, { path: values.to });
  if (isFailure(destination)) return void done(destination);
  const { offset, length } = spanOf(values, source.size);
  const to = values.to_offset ?? 0;
  const errno = checkClone(source, destination, { offset, length }, to, blockSize);
  if (errno !== undefined) return void done(errno);
  // Before the contents change: the kernel has heard of it by then.
  dropPrivileges(context, destination);
  const work = {
    touches: () => {
      const allocates = (ports.blocks.classifyWrite(destination, to, length) & WRITE.HOLE) !== 0;
      const row = allocates ? ('clone-destination-allocating' as const) : ('clone-destination' as const);
      const grows = to + length > destination.size;
      return [
        { inode: source, changes: [{ row: 'clone-source' as const, offset, length }] },
        {
          inode: destination,
          changes: [
            { row, offset: to, length },
            ...(grows
              ? [{ row: 'grow' as const, offset: destination.size, length: to + length - destination.size }]
              : []),
          ],
        },
      ];
    },
    operation: 'clone',
    change: () => {
      const failure = ports.blocks.share(source, offset, destination, to, length);
      if (failure !== 0) return failure;
      ports.inodes.moveEnd(destination, Math.max(destination.size, to + length));
      ports.inodes.touchChange(destination);
      return 0;
    },
    wait: values.wait,
    stale: { offset: to, length },
  };
  const reply = (): ReplyOf<'clone'> => ({ gen: destination.gen, size: destination.size });
  let waiting: Pending | undefined;
  let cancelled = 0;
  context.windows.coherence.drop(source.ino, offset, length, (busy) => {
    if (busy !== 0 || cancelled !== 0) done(busy !== 0 ? notFlushed(busy) : failed(cancelled));
    else waiting = change(context, destination, work, reply, done);
  });
  return {
    cancel(interrupted: number): void {
      cancelled = interrupted;
      waiting?.cancel(interrupted);
    },
  };
}

/** The rules of ioctl_ficlonerange(2). */
function checkClone(
  source: Inode,
  destination: Inode,
  { offset, length }: Span,
  to: number,
  blockSize: number,
): ReturnType<typeof failed> | undefined {
  const end = offset + length;
  if (end > source.size) return failed(E.INVAL, 'the range ends beyond the source file');
  if (length === 0) return failed(E.INVAL, 'nothing to clone: the range is empty');
  if (offset % blockSize !== 0 || to % blockSize !== 0 || (length % blockSize !== 0 && end !== source.size))
    return failed(
      E.INVAL,
      `offsets and length must be multiples of ${blockSize}; the length may end at the end of the file`,
    );
  if (length % blockSize !== 0 && to + length < destination.size)
    return failed(E.INVAL, 'a piece of a block can only be cloned to the end of the destination');
  if (source === destination && offset < to + length && to < end) return failed(E.INVAL, 'the ranges overlap');
  return undefined;
}

export function collapse(
  context: VerbContext,
  values: RequestOf<'collapse'>,
  done: Done<'collapse'>,
): Pending | undefined {
  const inode = writable(context, values);
  if (isFailure(inode)) return void done(inode);
  const { blockSize } = context.ports.device;
  const { offset, length } = spanOf(values, inode.size);
  if (offset % blockSize !== 0 || length % blockSize !== 0)
    return void done(failed(E.INVAL, `offset and length must be multiples of ${blockSize}`));
  // As fallocate(2): a range that reaches the end of the file is a truncate.
  if (offset + length >= inode.size)
    return void done(failed(E.INVAL, 'the range reaches the end of the file: truncate it'));
  return shift(context, inode, 'collapse', { offset, length }, values.wait, done);
}

export function insert(context: VerbContext, values: RequestOf<'insert'>, done: Done<'insert'>): Pending | undefined {
  const inode = writable(context, values);
  if (isFailure(inode)) return void done(inode);
  const { blockSize } = context.ports.device;
  const { offset = 0, length } = values;
  if (length === undefined) return void done(failed(E.INVAL, 'say how much: range=a-b, or length='));
  if (offset % blockSize !== 0 || length % blockSize !== 0)
    return void done(failed(E.INVAL, `offset and length must be multiples of ${blockSize}`));
  if (offset >= inode.size) return void done(failed(E.INVAL, 'the place is at or beyond the end of the file'));
  if (inode.size + length > 2 ** 52) return void done(failed(E.FBIG));
  return shift(context, inode, 'insert', { offset, length }, values.wait, done);
}

function shift(
  context: VerbContext,
  inode: Inode,
  verb: 'collapse' | 'insert',
  { offset, length }: Span,
  wait: number | undefined,
  done: Done<'collapse'> & Done<'insert'>,
): Pending | undefined {
  const { ports } = context;
  const toEnd = { offset, length: Number.POSITIVE_INFINITY };
  dropPrivileges(context, inode);
  const work = {
    touches: () => [{ inode, changes: [{ row: 'collapse-insert' as const, ...toEnd }] }],
    operation: verb,
    change: () => {
      const failure = ports.blocks[verb](inode, offset, length);
      if (failure !== 0) return failure;
      ports.inodes.moveEnd(inode, inode.size + (verb === 'insert' ? length : -length));
      ports.inodes.touchChange(inode);
      return 0;
    },
    wait,
    stale: toEnd,
  };
  return change<'collapse'>(context, inode, work, () => ({ gen: inode.gen, size: inode.size }), done);
}

export function relocate(
  context: VerbContext,
  values: RequestOf<'relocate'>,
  done: Done<'relocate'>,
): Pending | undefined {
  const inode = writable(context, values);
  if (isFailure(inode)) return void done(inode);
  const { ports } = context;
  const { blockSize } = ports.device;
  const { offset, length } = spanOf(values, inode.size);
  const from = Math.floor(offset / blockSize);
  const count = Math.ceil((offset + length) / blockSize) - from;
  if (count <= 0) return void done(failed(E.INVAL, 'the range is empty'));
  const { align, contiguous } = values;
  if (align !== undefined && (align < blockSize || !Number.isInteger(Math.log2(align))))
    return void done(failed(E.INVAL, `align must be a power of two from ${blockSize} on`));
  const place = { align: align === undefined ? undefined : align / blockSize, contiguous };
  const gen = inode.gen;
  const work = {
    touches: () => [{ inode, changes: [{ row: 'relocate' as const, offset, length }] }],
    operation: 'relocate',
    change: () => ports.blocks.relocate(inode, from, count, place),
    wait: values.wait,
    stale: { offset, length },
  };
  const reply = (): ReplyOf<'relocate'> => ({
    gen: inode.gen,
    moved: inode.gen === gen ? 0 : length,
    extents: countExtents(context, inode, offset, length),
  });
  return change(context, inode, work, reply, done);
}

/** What nobody can move: freed blocks that a holder who did not answer may still reach. */
function listQuarantined({ ports }: VerbContext, start: number, end: number, reply: ReplyOf<'drain'>): void {
  const { blockSize } = ports.device;
  for (const row of ports.leases.quarantineList()) {
    const from = Math.max(row.deviceBlock, start);
    const length = (Math.min(row.deviceBlock + row.length, end) - from) * blockSize;
    if (length <= 0) continue;
    const lease = ports.leases.find(row.lease);
    reply.left += length;
    reply.blockers.push({
      lease: row.lease,
      kind: lease?.kind,
      state: lease?.state.toLowerCase(),
      holder: lease && { pid: lease.holder.tgid, command: lease.holder.command },
      offset: from * blockSize,
      length,
      age_ms: lease?.ageMs,
      deadline_ms: null,
      cause: 'quarantine',
      hint: `of the device, in quarantine: the holder's ack or end frees it, or quarantine release lease=${row.lease}`,
    });
  }
}

/**
 * Empties a range of the device, file by file. Files whose leases hold their blocks in place stay, and are listed; so
 * do those whose holders do not return in time.
 */
export function drain(context: VerbContext, values: RequestOf<'drain'>, done: Done<'drain'>): Pending | undefined {
  const { ports } = context;
  if (!context.asker.caller.privileged) return void done(NEEDS_PRIVILEGE);
  if (ports.options.readOnly) return void done(failed(E.ROFS));
  const { blockSize } = ports.device;
  const start = Math.floor((values.offset ?? 0) / blockSize);
  // A range to any end, or beyond it, ends with the device.
  const asked = (values.offset ?? 0) + (values.length ?? ports.device.size);
  const end = Math.floor(Math.min(Math.ceil(asked / blockSize) * blockSize, ports.device.size) / blockSize);
  if (end <= start) return void done(failed(E.INVAL, 'the range is empty, or beyond the device'));
  const avoid = { start, length: end - start };
  const reply: ReplyOf<'drain'> = { moved: 0, left: 0, blockers: [] };
  const todo = ports.blocks.owners(start, end - start);
  let left = todo.reduce((sum, { length }) => sum + length, 0);
  ports.blocks.toMove += left;
  const cameTo = (blocks: number): void => {
    left -= blocks;
    ports.blocks.toMove -= blocks;
  };
  let waiting: Pending | undefined;
  let cancelled = 0;
  const next = (): void => {
    const part = todo.pop();
    if (cancelled !== 0) {
      cameTo(left);
      return done(failed(cancelled));
    }
    if (!part) {
      listQuarantined(context, start, end, reply);
      return durably(context, reply, done);
    }
    const inode = ports.inodes.get(part.ino);
    const bytes = part.length * blockSize;
    if (!inode) {
      cameTo(part.length);
      return next();
    }
    const change = { row: 'drain' as const, offset: part.fileBlock * blockSize, length: bytes };
    waiting = admit(ports.leases, ports.clock, {
      touches: () => [{ inode, changes: [change] }],
      actor: actorOf(context),
      operation: 'drain',
      patienceMs: patienceOf(values.wait),
      change: () => ports.blocks.relocate(inode, part.fileBlock, part.length, { avoid }),
      done: (errno, refusal) => {
        cameTo(part.length);
        if (errno === 0) reply.moved += bytes;
        else {
          reply.left += bytes;
          reply.blockers.push({
            lease: refusal?.lease,
            kind: refusal?.kind,
            state: refusal?.state?.toLowerCase(),
            holder: refusal?.holder && { pid: refusal.holder.pid, command: refusal.holder.command },
            offset: change.offset,
            length: bytes,
            age_ms: refusal?.ageMs,
            deadline_ms: refusal?.deadlineMs ?? null,
            cause: refusal?.cause ?? 'failed',
            hint: refusal?.hint ?? `inode ${inode.ino} could not be moved (errno ${errno})`,
          });
        }
        // A turn of the loop between two files: draining is long, and everybody else is served meanwhile.
        setImmediate(next);
      },
    });
  };
  next();
  return {
    cancel(errno: number): void {
      cancelled = errno;
      waiting?.cancel(errno);
    },
  };
}
