import { WRITE } from '../../blockmap/extent.ts';
import { E } from '../../system/errno.ts';
import { addressOf } from '../../system/libc.ts';
import { mayWriteDevice } from '../access.ts';
import { admit } from '../admission.ts';
import type { Range } from '../grammar/fields.ts';
import type { ReplyOf, RequestOf, VerbName } from '../grammar/verbs.ts';
import { durably, durablyWithData, notFlushed, type Outcome, settle, type VerbContext } from '../outcome.ts';
import type { Change, ControlPorts, Inode, Pending } from '../ports.ts';
import {
  accessOf,
  actorOf,
  changedReply,
  dropPrivileges,
  failed,
  fileOf,
  fixedDenied,
  holderOf,
  isFailure,
  refOf,
  refused,
} from './shared.ts';

type Done<V extends VerbName> = (outcome: Outcome<V>) => void;
type Extent = ReplyOf<'map'>['extents'][number];

/** The verbs on a file's blocks that a holder uses: map, alloc, commit. */

const DEFAULT_LIMIT = 1000;
const MAX_LIMIT = 10_000;

export function map(context: VerbContext, values: RequestOf<'map'>, done: Done<'map'>): Pending | undefined {
  if (values.id === undefined) return void observe(context, values, done);
  const { ports } = context;
  const held = ports.leases.check(refOf({ ...values, id: values.id }), holderOf(context), 'live');
  if (!held.ok) return void done(refused(held.errno, held.refusal));
  const inode = ports.inodes.get(ports.leases.find(held.id)?.ino ?? 0);
  if (!inode) return void done(failed(E.STALE, 'the file of the lease is gone'));
  const from = values.offset ?? held.offset;
  const to = Math.min(held.offset + held.length, from + (values.length ?? Number.POSITIVE_INFINITY));
  if (from < held.offset || from >= to) return void done(failed(E.INVAL, 'the range is outside of the lease'));
  // From here on the holder may reach the blocks without us: only proofs against raw access count in a fence.
  ports.leases.told(held.id);
  flushThen(context, inode, from, to, () => {
    const reply = { id: held.id, ...extentsReply(context, inode, from, to, values.limit) };
    durablyWithData(context, reply, done);
  });
}

/** Without a lease: what the map was at this moment. It may be different when the answer is read. */
function observe(context: VerbContext, values: RequestOf<'map'>, done: Done<'map'>): void {
  const inode = fileOf(context, values);
  if (isFailure(inode)) return done(inode);
  if (!accessOf(context, inode).read) return done(failed(E.ACCES, 'read permission on the file is needed'));
  const from = values.offset ?? 0;
  const to = from + (values.length ?? Number.POSITIVE_INFINITY);
  flushThen(context, inode, from, to, () =>
    done({ reply: { observation: true, ...extentsReply(context, inode, from, to, values.limit) } }),
  );
}

/**
 * Dirty pages of the kernel reach the block map first: they may allocate nothing, but they convert. What an operation
 * that waits for a lease keeps has not happened yet, and is not in the map.
 */
function flushThen({ windows }: VerbContext, inode: Inode, from: number, to: number, then: () => void): void {
  windows.coherence.drop(inode.ino, from, to - from, then);
}

function extentsReply(
  { ports }: VerbContext,
  inode: Inode,
  from: number,
  to: number,
  limit = DEFAULT_LIMIT,
): Omit<ReplyOf<'map'>, 'id' | 'observation'> {
  const { device } = ports;
  const { extents, next } = listExtents(ports, inode, from, to, Math.min(Math.max(1, limit), MAX_LIMIT));
  return {
    gen: inode.gen,
    block_size: device.blockSize,
    size: inode.size,
    device: { uuid: device.uuid, path: device.path },
    next,
    extents,
  };
}

/** Extents of a byte range, holes included, the first and last clipped to it; `next` when there are more than `limit`. */
export function listExtents(
  { blocks, device }: Pick<VerbContext['ports'], 'blocks' | 'device'>,
  inode: Inode,
  from: number,
  to: number,
  limit: number,
): { extents: Extent[]; next: number | null } {
  const { blockSize } = device;
  const extents: Extent[] = [];
  let at = from;
  const rows = blocks.extents(inode.ino, Math.floor(from / blockSize), limit + 1);
  for (const row of rows) {
    const start = Math.max(from, row.fileBlock * blockSize);
    const end = Math.min(to, (row.fileBlock + row.length) * blockSize);
    if (start >= to) break;
    if (start > at) extents.push({ offset: at, device: null, length: start - at, state: 'hole' });
    const skipped = start - row.fileBlock * blockSize;
    const state = row.shared ? 'shared' : row.state === 0 ? 'unwritten' : 'written';
    extents.push({ offset: start, device: row.deviceBlock * blockSize + skipped, length: end - start, state });
    at = end;
    if (extents.length >= limit) break;
  }
  const end = Math.min(to, Math.max(inode.size, at));
  const complete = rows.length <= limit && (extents.length < limit || at >= end);
  if (complete && at < end) extents.push({ offset: at, device: null, length: end - at, state: 'hole' });
  return { extents, next: complete ? null : at };
}

/** The live lease of a verb that changes a file under it, with its inode; or why not. */
function heldFile(
  context: VerbContext,
  values: { id: number; seq?: number; token?: string },
  kinds: readonly string[],
): { held: ReturnType<typeof changedReply> & { offset: number; end: number }; inode: Inode } | { failure: object } {
  const { ports } = context;
  if (ports.options.readOnly) return failed(E.ROFS);
  const held = ports.leases.check(refOf(values), holderOf(context), 'live');
  if (!held.ok) return refused(held.errno, held.refusal);
  const inode = ports.inodes.get(ports.leases.find(held.id)?.ino ?? 0);
  if (!inode) return failed(E.STALE, 'the file of the lease is gone');
  if (held.mode !== 'rw' || !kinds.includes(held.kind))
    return failed(E.ACCES, `the lease is ${held.kind} ${held.mode}; this takes ${kinds.join(' or ')} in mode rw`);
  if (inode.isFixed) return fixedDenied;
  dropPrivileges(context, inode);
  return { held: { ...changedReply(held), offset: held.offset, end: held.offset + held.length }, inode };
}

export function alloc(context: VerbContext, values: RequestOf<'alloc'>, done: Done<'alloc'>): Pending | undefined {
  const found = heldFile(context, values, ['layout', 'exclusive']);
  if (!('held' in found)) return void done(found as ReturnType<typeof failed>);
  const { held, inode } = found;
  const { ports } = context;
  const { blockSize } = ports.device;
  const from = values.offset ?? held.offset;
  const to = Math.min(held.end, from + (values.length ?? Math.max(0, inode.size - from)));
  if (from < held.offset || from >= to) return void done(failed(E.INVAL, 'the range is outside of the lease'));
  const grows = !values.keep_size && to > inode.size;
  return admit(ports.leases, ports.clock, {
    touches: () => [
      {
        inode,
        changes: [
          { row: 'fallocate', offset: from, length: to - from },
          ...(grows ? [{ row: 'commit', offset: inode.size, length: to - inode.size } satisfies Change] : []),
        ],
      },
    ],
    actor: actorOf(context),
    operation: 'alloc',
    patienceMs: 0,
    change: () => {
      const errno = ports.blocks.allocate(inode, Math.floor(from / blockSize), Math.ceil(to / blockSize));
      if (errno === 0 && grows) ports.inodes.moveEnd(inode, Math.max(inode.size, to));
      if (errno === 0) ports.inodes.touchChange(inode);
      return errno;
    },
    done: (errno, refusal) => {
      if (errno !== 0) return done(refused(errno, refusal));
      if (grows) void ports.notifier.invalInode(inode.ino, -1, 0);
      const { offset: _offset, end: _end, ...changed } = held;
      durably(context, { ...changed, gen: inode.gen, size: inode.size }, done);
    },
  });
}

export function commit(context: VerbContext, values: RequestOf<'commit'>, done: Done<'commit'>): Pending | undefined {
  const found = heldFile(context, values, ['direct', 'layout', 'exclusive', 'swap']);
  if (!('held' in found)) return void done(found as ReturnType<typeof failed>);
  const { held, inode } = found;
  const { ports, windows } = context;
  const size = Math.max(values.size ?? 0, inode.size);
  const ranges = committed(values, held, size);
  if (typeof ranges === 'string') return void done(failed(E.INVAL, ranges));
  if (hasHole(context, inode, inode.size, size)) {
    return void done(failed(E.NXIO, 'the file cannot grow over a hole: alloc or prepare the range first'));
  }
  let waiting: Pending | undefined;
  let cancelled = 0;
  const flushed = (errno: number): void => {
    if (errno !== 0 || cancelled !== 0) return done(errno !== 0 ? notFlushed(errno) : failed(cancelled));
    waiting = admit(ports.leases, ports.clock, {
      touches: () => [{ inode, changes: growth(inode, size) }],
      actor: actorOf(context),
      operation: 'commit',
      patienceMs: 0,
      change: () => writeOff(context, held.id, inode, ranges, size),
      done: (errno, refusal) => {
        if (errno !== 0) return done(refused(errno, refusal));
        const { offset: _offset, end: _end, ...changed } = held;
        const reply = { ...changed, gen: inode.gen, size: inode.size };
        settle(context, reply, done);
        const first = Math.min(...ranges.map((range) => range.from));
        const last = Math.max(...ranges.map((range) => range.to));
        windows.coherence.drop(inode.ino, first, last - first, (busy) =>
          busy === 0 ? durablyWithData(context, reply, done) : done(STALE_PAGES),
        );
      },
    });
  };
  // Stores through a guarded window may still be dirty pages: they are written first.
  windows.flush(held.id, inode.ino, held.offset, held.end - held.offset, flushed);
  return {
    cancel(errno: number): void {
      cancelled = errno;
      waiting?.cancel(errno);
    },
  };
}

/** Of a commit whose bytes some readers would not see: never said to be done. */
const STALE_PAGES = failed(
  E.BUSY,
  'it is stored, but a write that waits for this lease keeps older pages: return the lease, or commit again',
);

function growth(inode: Inode, size: number): Change[] {
  return size > inode.size ? [{ row: 'commit', offset: inode.size, length: size - inode.size }] : [];
}

/** Ranges of a commit as [from, to) inside the lease and the file to be; or what is wrong with them. */
function committed(
  values: RequestOf<'commit'>,
  held: { offset: number; end: number },
  size: number,
): { from: number; to: number }[] | string {
  const single: Range = { offset: values.offset ?? held.offset, length: values.length ?? null };
  if (values.ranges && (values.offset !== undefined || values.length !== undefined)) return 'range or ranges, not both';
  const spans = (values.ranges ?? [single]).map(({ offset, length }) => ({
    from: offset,
    to: Math.min(length === null ? Number.POSITIVE_INFINITY : offset + length, held.end, size),
    asked: length === null ? offset : offset + length,
  }));
  for (const { from, asked } of spans) {
    if (from < held.offset || asked > held.end) return 'a range is outside of the lease';
    if (asked > size) return 'a range is beyond the end of the file: say size= to grow it';
  }
  return spans.filter(({ from, to }) => from < to);
}

function hasHole({ ports }: VerbContext, inode: Inode, from: number, to: number): boolean {
  if (from >= to) return false;
  const { extents, next } = listExtents(ports, inode, from, to, MAX_LIMIT);
  const end = extents.reduce((last, extent) => (extent.state === 'hole' ? last : extent.offset + extent.length), from);
  return next !== null || end < to || extents.some((extent) => extent.state === 'hole');
}

/**
 * The blocks become written of a holder who can have stored into them by himself. Who has no way there but the mount and
 * a guarded window has made written what he stored; the rest would show him what it held for its last owner.
 */
function writeOff(
  { ports, windows, asker }: VerbContext,
  lease: number,
  inode: Inode,
  ranges: { from: number; to: number }[],
  size: number,
): number {
  const { blockSize, path } = ports.device;
  ports.commits.orderedData();
  const stored = windows.isBared(lease) || mayWriteDevice(path, asker.caller) ? ranges : [];
  for (const { from, to } of stored) {
    const errno = ports.blocks.markWritten(inode, Math.floor(from / blockSize), Math.ceil(to / blockSize));
    if (errno !== 0) return errno;
  }
  const errno = closeGap(ports, inode, stored, size);
  if (errno !== 0) return errno;
  ports.inodes.moveEnd(inode, Math.max(inode.size, size));
  ports.inodes.touchChange(inode);
  return 0;
}

/**
 * What lies in the block of the old end, between that and the first byte committed, becomes zeros: it may be what was
 * there before the file was shrunk. 0 or errno.
 */
function closeGap(ports: ControlPorts, inode: Inode, ranges: { from: number; to: number }[], size: number): number {
  const { blockSize } = ports.device;
  const begin = inode.size;
  if (ranges.some(({ from, to }) => from <= begin && to > begin)) return 0;
  const starts = ranges.map(({ from }) => from).filter((from) => from > begin);
  const length = Math.min(size, Math.ceil(begin / blockSize) * blockSize, ...starts) - begin;
  if (length <= 0 || ports.blocks.classifyWrite(inode, begin, length) !== WRITE.INPLACE) return 0;
  const r = ports.blocks.write(inode, begin, length, addressOf(Buffer.alloc(length)));
  return r < 0 ? -r : 0;
}
