import { E } from '../../system/errno.ts';
import { admit } from '../admission.ts';
import type { RequestOf } from '../grammar/verbs.ts';
import { durablyWithData, type Outcome, type VerbContext } from '../outcome.ts';
import type { Change, ExtentRow, Inode, Pending } from '../ports.ts';
import { countExtents } from './lease.ts';
import {
  accessOf,
  actorOf,
  dropPrivileges,
  failed,
  fileOf,
  fixedDenied,
  isFailure,
  refused,
  writeDenied,
} from './shared.ts';

/** Blocks that are zeroed in one turn: between two turns the daemon serves everybody else. */
const ZERO_BYTES = 8 * 2 ** 20;

/** What a range lacks. */
interface Needs {
  blocks: boolean;
  zeros: boolean;
  ownership: boolean;
  place: boolean;
}

/**
 * `prepare`: allocated, zeroed or left unwritten, unshared, aligned, contiguous, extended and durable. The map is made
 * in one transaction; blocks are unwritten in it and become written zeros afterwards, piece by piece, which no reader
 * can tell. Somebody else's change of the map in between ends it with EAGAIN.
 */
export function prepare(
  context: VerbContext,
  values: RequestOf<'prepare'>,
  done: (outcome: Outcome<'prepare'>) => void,
): Pending | undefined {
  const { ports } = context;
  if (ports.options.readOnly) return void done(failed(E.ROFS));
  const inode = fileOf(context, values);
  if (isFailure(inode)) return void done(inode);
  if (!accessOf(context, inode).write) return void done(writeDenied);
  const { blockSize } = ports.device;
  const offset = values.offset ?? 0;
  const end = offset + (values.length ?? Math.max(0, inode.size - offset));
  const align = values.align ?? 0;
  if (end <= offset) return void done(failed(E.INVAL, 'the range is empty: the file has no bytes there; say range='));
  if (end > inode.size && !values.extend)
    return void done(failed(E.INVAL, `the range ends beyond the file (${inode.size} bytes): say extend`));
  if (align !== 0 && (align < blockSize || !isPowerOfTwo(align)))
    return void done(failed(E.INVAL, `align must be a power of two from ${blockSize} on`));
  if (align !== 0 && (offset % align !== 0 || (end % align !== 0 && end < inode.size)))
    return void done(failed(E.INVAL, 'the range itself must be aligned'));
  const from = Math.floor(offset / blockSize);
  const to = Math.ceil(end / blockSize);
  const place = { align: align / blockSize || undefined, contiguous: values.contiguous };
  let needs = whatLacks(context, inode, from, to, values);
  const changed = needs.blocks || needs.zeros || needs.ownership || needs.place || end > inode.size;
  if (changed) {
    // Blocks for an append-only file are what fallocate(2) gives it too.
    if (inode.isImmutable) return void done(fixedDenied);
    dropPrivileges(context, inode);
  }
  let over = false;
  let triedFences = false;
  const finish = (errno: number): void => {
    over = true;
    if (errno !== 0)
      return done(failed(errno, errno === E.AGAIN ? 'the file changed meanwhile: prepare it again' : placeHint(errno)));
    const extents = countExtents(context, inode, offset, end - offset);
    durablyWithData(context, { gen: inode.gen, size: inode.size, extents, changed }, done);
  };
  let cancelled = 0;
  const waiting = admit(ports.leases, ports.clock, {
    touches: () => {
      needs = whatLacks(context, inode, from, to, values);
      return [{ inode, changes: changesOf(needs, inode, offset, end) }];
    },
    actor: actorOf(context),
    operation: 'prepare',
    patienceMs: 0,
    change: () => makeMap(context, inode, needs, { from, to, end, place }),
    done: (errno, refusal) => {
      if (errno !== 0) return done(errno === E.NOSPC ? failed(errno, placeHint(errno)) : refused(errno, refusal));
      void ports.notifier.invalInode(inode.ino, changed ? 0 : -1, 0);
      const zero = (at: number, gen: number): void => {
        if (over) return;
        if (cancelled !== 0 || inode.gen !== gen) return finish(cancelled || E.AGAIN);
        if (at >= to) return finish(0);
        const next = Math.min(to, at + Math.max(1, Math.floor(ZERO_BYTES / blockSize)));
        const failure = ports.blocks.allocate(inode, at, next, { zero: true });
        if (failure === E.NOSPC && !triedFences && ports.leases.holdsSpace()) {
          triedFences = true;
          const { gen: now } = inode;
          return ports.leases.retryFences(() => zero(at, now));
        }
        if (failure !== 0) return finish(failure);
        if (next >= to) finish(0);
        else setImmediate(() => zero(next, inode.gen));
      };
      if (values.unwritten || !(needs.zeros || needs.blocks)) finish(0);
      else zero(from, inode.gen);
    },
  });
  return {
    cancel(errno: number): void {
      cancelled = errno;
      waiting?.cancel(errno);
    },
  };
}

function placeHint(errno: number): string | undefined {
  return errno === E.NOSPC
    ? 'no free run of the device is long and aligned enough: relocate other files, or ask for less'
    : undefined;
}

function isPowerOfTwo(n: number): boolean {
  return n > 0 && Number.isInteger(Math.log2(n));
}

function whatLacks(
  { ports }: VerbContext,
  inode: Inode,
  from: number,
  to: number,
  values: RequestOf<'prepare'>,
): Needs {
  const needs: Needs = { blocks: false, zeros: false, ownership: false, place: false };
  const align = (values.align ?? 0) / ports.device.blockSize;
  let at = from;
  let count = 0;
  for (const row of rowsBetween(ports.blocks, inode.ino, from, to)) {
    const start = Math.max(row.fileBlock, from);
    if (start > at) needs.blocks = true;
    if (row.shared) needs.ownership = true;
    if (row.state === 0 && !values.unwritten) needs.zeros = true;
    if (align > 0 && (row.deviceBlock + start - row.fileBlock) % align !== start % align) needs.place = true;
    at = row.fileBlock + row.length;
    count += 1;
  }
  if (at < to) needs.blocks = true;
  if (values.contiguous && count > 1) needs.place = true;
  return needs;
}

function* rowsBetween(
  blocks: VerbContext['ports']['blocks'],
  ino: number,
  from: number,
  to: number,
): Generator<ExtentRow> {
  for (let at = from; at < to; ) {
    const rows = blocks.extents(ino, at, 1000);
    for (const row of rows) {
      if (row.fileBlock >= to) return;
      yield row;
      at = row.fileBlock + row.length;
    }
    if (rows.length < 1000) return;
  }
}

function changesOf(needs: Needs, inode: Inode, offset: number, end: number): Change[] {
  const length = Math.min(end, Math.max(inode.size, offset)) - offset;
  const lacks = needs.blocks || needs.ownership || needs.place || needs.zeros;
  const changes: Change[] = [];
  // Nothing but zeros for unwritten blocks keeps every block where it is: a conversion, as a write would do it.
  const row = lacks
    ? needs.blocks || needs.ownership || needs.place
      ? 'prepare'
      : 'write-unwritten'
    : 'prepare-nothing';
  if (length > 0) changes.push({ row, offset, length });
  if (end > inode.size) changes.push({ row: 'grow', offset: inode.size, length: end - inode.size });
  return changes;
}

/** The map of the range, in this turn: every block there, unshared and in its place. Nothing has changed on ENOSPC. */
function makeMap(
  { ports }: VerbContext,
  inode: Inode,
  needs: Needs,
  work: { from: number; to: number; end: number; place: { align?: number; contiguous?: boolean } },
): number {
  const { blocks, device } = ports;
  const { from, to, end, place } = work;
  const whole = needs.place && (needs.blocks || place.contiguous === true);
  if (needs.blocks) {
    const errno = blocks.allocate(inode, from, to, whole ? {} : place);
    if (errno !== 0) return errno;
  }
  if (needs.ownership && !needs.place) {
    const errno = blocks.unshare(inode, from * device.blockSize, (to - from) * device.blockSize);
    if (errno !== 0) return errno;
  }
  if (needs.place || !isPlaced(blocks, inode, from, to, place)) {
    const errno = blocks.relocate(inode, from, to - from, place);
    if (errno !== 0) return errno;
  }
  ports.inodes.moveEnd(inode, Math.max(inode.size, end));
  ports.inodes.touchChange(inode);
  return 0;
}

function isPlaced(
  blocks: VerbContext['ports']['blocks'],
  inode: Inode,
  from: number,
  to: number,
  { align, contiguous }: { align?: number; contiguous?: boolean },
): boolean {
  let count = 0;
  for (const row of rowsBetween(blocks, inode.ino, from, to)) {
    const start = Math.max(row.fileBlock, from);
    if (align && (row.deviceBlock + start - row.fileBlock) % align !== start % align) return false;
    count += 1;
  }
  return !contiguous || count <= 1;
}
