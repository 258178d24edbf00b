import { putIoctl } from '../fuse/replies.ts';
import { E } from '../system/errno.ts';
import { isLive } from './deviceWindow.ts';
import type { RequestOf } from './grammar/verbs.ts';
import {
  IOCTL_EXTENT_STATES,
  IOCTL_KINDS,
  IOCTL_MODES,
  IOCTL_STATES,
  IOCTL_TYPE,
  IOCTLS,
  IoctlArgument,
  type IoctlName,
  MAX_EXTENTS,
} from './ioctlStructs.ts';
import type { Asker, Outcome, VerbContext } from './outcome.ts';
import type { Inode, Pending, Request } from './ports.ts';
import { commit, map } from './verbs/extents.ts';
import { seal, unseal } from './verbs/files.ts';
import { getOn, return_ } from './verbs/lease.ts';
import { prepare } from './verbs/prepare.ts';

/** Positions in fuse_ioctl_in; the argument's bytes follow at LENGTH. */
const IOCTL_IN = { CMD: 12, IN_SIZE: 24, OUT_SIZE: 28, LENGTH: 32 };
const HEAD_OUT = 16;

const NAMES = Object.keys(IOCTLS) as IoctlName[];
const BY_NUMBER = new Map<number, IoctlName>(NAMES.map((name) => [IOCTLS[name].number, name]));

type Done = (errno: number) => void;
type Call = (
  context: VerbContext,
  inode: Inode | undefined,
  argument: IoctlArgument,
  done: Done,
) => Pending | undefined;

/**
 * LAYOUT_IOC_*: the verbs without text and without paths, on the open file itself, or on `ctl` with a lease's id (or,
 * for administrators, an inode number). False when the request is none of ours.
 */
export function ioctl(context: VerbContext, request: Request, inode: Inode | undefined): boolean {
  const command = request.u32(IOCTL_IN.CMD);
  const name = BY_NUMBER.get(command & 0xff);
  if (((command >>> 8) & 0xff) !== IOCTL_TYPE || name === undefined) return false;
  const struct = IOCTLS[name];
  const given = Math.min(request.u32(IOCTL_IN.IN_SIZE), request.end - request.body - IOCTL_IN.LENGTH);
  const from = request.body + IOCTL_IN.LENGTH;
  const bytes = request.bytes.subarray(from, from + Math.max(0, given));
  const errno = checkSize(command, bytes, struct.size);
  if (errno !== 0) {
    request.error(errno);
    return true;
  }
  const argument = new IoctlArgument(struct, bytes);
  const file = inode ?? context.ports.inodes.get(inoOf(context, argument));
  let current = request;
  let over = false;
  let early = false;
  const finish = (result: number): void => {
    if (early) {
      // Kept for the next daemon, which must not do it again.
      context.ports.promise?.(current, fill(current, argument, bytes.length));
      return;
    }
    over = true;
    current.onInterrupt = undefined;
    if (result !== 0) current.error(result);
    else current.ok(fill(current, argument, bytes.length));
  };
  const settled: Asker['settled'] = (outcome, done) => {
    early = true;
    done(outcome);
    early = false;
  };
  const asker = context.ports.promise ? { ...context.asker, settled } : context.asker;
  const pending = context.ports.leases.turn(() => CALLS[name]({ ...context, asker }, file, argument, finish));
  if (over) return true;
  current = request.park();
  if (pending) current.onInterrupt = () => pending.cancel(E.INTR);
  return true;
}

/** The size is told three times: in the number, in the struct, and by the bytes that came. */
function checkSize(command: number, bytes: Uint8Array, known: number): number {
  const size = (command >>> 16) & 0x3fff;
  if (bytes.length < 8 || bytes.length !== size) return E.INVAL;
  if (Buffer.from(bytes).readUInt32LE(0) !== size) return E.INVAL;
  if (size > known && bytes.subarray(known).some((byte) => byte !== 0)) return E['2BIG'];
  return size < 16 ? E.INVAL : 0;
}

/** On `ctl` there is no file: it is that of the lease, or an inode by number for administrators. */
function inoOf({ ports, asker }: VerbContext, argument: IoctlArgument): number {
  const has = (name: string): boolean => argument.struct.fields.some((field) => field.name === name);
  const id = has('id') ? argument.get('id') : 0;
  if (id !== 0) return ports.leases.find(id)?.ino ?? 0;
  return has('ino') && asker.caller.privileged ? argument.get('ino') : 0;
}

/** Puts the answer into the reply area; its length in bytes. */
function fill(request: Request, argument: IoctlArgument, size: number): number {
  const { bytes, view, start } = request.out;
  putIoctl(view, start, 0);
  argument.set({ size });
  bytes.fill(0, start + HEAD_OUT, start + HEAD_OUT + size);
  bytes.set(argument.bytes.subarray(0, size), start + HEAD_OUT);
  return HEAD_OUT + size;
}

/** Puts a verb's reply into the struct. */
function into<R>(argument: IoctlArgument, done: Done, fill: (reply: R) => Record<string, number | string>) {
  return (outcome: { reply: R } | { failure: { errno: number } }): void => {
    if ('failure' in outcome) return done(outcome.failure.errno);
    argument.set(fill(outcome.reply));
    done(0);
  };
}

const stateNumber = (state: string): number => IOCTL_STATES.indexOf(state as (typeof IOCTL_STATES)[number]);
const optional = (value: number): number | undefined => (value === 0 ? undefined : value);

/** The lease that a request on a data file means when it names none: the one that was got on this open file. */
function leaseOf({ ports, asker }: VerbContext, inode: Inode | undefined, argument: IoctlArgument): number {
  const id = argument.get('id');
  if (id !== 0 || !inode || asker.handle === 0) return id;
  const { tgid } = asker.caller;
  const live = ports.leases.list({ ino: inode.ino }).filter((lease) => isLive(lease.state));
  const own = live.filter((lease) => lease.holder.tgid === tgid);
  const found = live.find((lease) => lease.fh === asker.handle) ?? own.find((lease) => lease.bind === 'file') ?? own[0];
  return found?.id ?? 0;
}

function idAndSeq(
  context: VerbContext,
  inode: Inode | undefined,
  argument: IoctlArgument,
): { id: number; seq?: number } {
  return { id: leaseOf(context, inode, argument), seq: optional(argument.get('seq')) };
}

/** The range of a struct: length 0 is "to any end". */
function spanIn(argument: IoctlArgument): { offset?: number; length?: number } {
  const length = optional(argument.get('length'));
  return { offset: length === undefined ? optional(argument.get('offset')) : argument.get('offset'), length };
}

/** Names the file to a verb that wants a path or a number: the kernel has checked the right to open it. */
function onFile<T extends object>(inode: Inode, values: T): T & { inode: Inode } {
  return { ...values, inode };
}

const CALLS: Record<IoctlName, Call> = {
  GET(context, inode, argument, done) {
    if (!inode) return void done(E.NOENT);
    if (!inode.isRegular) return void done(E.INVAL);
    const kind = IOCTL_KINDS[argument.get('kind')];
    const mode = IOCTL_MODES[argument.get('mode')];
    if (kind === undefined || mode === undefined) return void done(E.INVAL);
    const wait = argument.get('wait_ms');
    const values: Parameters<typeof getOn>[2] = {
      kind: kind === 'none' ? undefined : kind,
      mode: mode === 'default' ? undefined : mode,
      ...spanIn(argument),
      align: optional(argument.get('align')),
      wait: wait < 0 ? Number.POSITIVE_INFINITY : wait / 1000,
      timeout: argument.get('timeout_ms') === 0 ? undefined : argument.get('timeout_ms') / 1000,
      unwritten_ok: argument.has('UNWRITTEN_OK'),
      unbreakable: argument.has('UNBREAKABLE'),
      coherent: argument.has('COHERENT') || undefined,
      odp: argument.has('ODP'),
      accept: argument.has('ACCEPT_RO') ? 'ro' : undefined,
      after_recall: argument.has('AFTER_RECALL'),
      bind: context.asker.handle === 0 ? 'fd' : 'file',
    };
    const fill = into(
      argument,
      done,
      (granted: {
        id: number;
        seq: number;
        gen: number;
        epoch: number;
        state: string;
        extents: number;
        token: string;
      }) => {
        const { id, seq, gen, epoch, extents, token } = granted;
        return { id, seq, gen, epoch, extents, token, state: stateNumber(granted.state) };
      },
    );
    return getOn(context, inode, values, Buffer.from(`inode ${inode.ino}`), fill as (o: Outcome<'get'>) => void);
  },
  RETURN(context, inode, argument, done) {
    const values = { ...idAndSeq(context, inode, argument), ...spanIn(argument), cascade: argument.has('CASCADE') };
    const fill = ({ seq, state }: { seq: number; state: string }) => ({ seq, state: stateNumber(state) });
    return return_(context, values, into(argument, done, fill));
  },
  MAP(context, inode, argument, done) {
    const id = optional(leaseOf(context, inode, argument));
    if (!inode) return void done(E.NOENT);
    const values: RequestOf<'map'> = { id, ...spanIn(argument), limit: MAX_EXTENTS };
    return map(context, id === undefined ? onFile(inode, values) : values, (outcome) => {
      if ('failure' in outcome) return done(outcome.failure.errno);
      const { gen, size, block_size, extents, next, observation } = outcome.reply;
      const shown = extents.slice(0, MAX_EXTENTS);
      const more = next ?? (extents.length > shown.length ? (extents[shown.length]?.offset ?? 0) : null);
      const { OBSERVATION, MORE } = IOCTLS.MAP.flags as { OBSERVATION: number; MORE: number };
      const flags = (observation ? OBSERVATION : 0) | (more === null ? 0 : MORE);
      argument.set({ flags, gen, file_size: size, block_size, count: shown.length, next: more ?? 0, id: id ?? 0 });
      shown.forEach(({ offset, device, length, state }, i) => {
        argument.extent(i, { offset, device: device ?? 0, length, state: IOCTL_EXTENT_STATES.indexOf(state) });
      });
      done(0);
    });
  },
  COMMIT(context, inode, argument, done) {
    const values = {
      ...idAndSeq(context, inode, argument),
      ...spanIn(argument),
      size: optional(argument.get('file_size')),
    };
    const fill = ({ seq, gen, size }: { seq: number; gen: number; size: number }) => ({ seq, gen, file_size: size });
    return commit(context, values, into(argument, done, fill));
  },
  STATUS(context, inode, argument, done) {
    if (!inode) return void done(E.NOENT);
    const { ports, asker } = context;
    const live = ports.leases.list({ ino: inode.ino }).filter(({ state }) => isLive(state));
    const lease = ports.leases.find(leaseOf(context, inode, argument));
    argument.set({
      handle: asker.handle,
      gen: inode.gen,
      file_size: inode.size,
      sealed: inode.sealed,
      leases: live.length,
    });
    if (lease) {
      const { id, seq, offset, length, kind, mode, state, deadlineMs } = lease;
      argument.set({
        id,
        seq,
        offset,
        length: Number.isFinite(length) ? length : 0,
        kind: IOCTL_KINDS.indexOf(kind),
        mode: IOCTL_MODES.indexOf(mode),
        state: stateNumber(state.toLowerCase()),
        deadline_ms: deadlineMs === undefined ? -1 : Math.round(deadlineMs),
        flags: lease.unbreakable ? (IOCTLS.STATUS.flags.UNBREAKABLE as number) : 0,
      });
    }
    done(0);
    return undefined;
  },
  SEAL(context, inode, argument, done) {
    if (!inode) return void done(E.NOENT);
    const values = onFile(inode, { unwritten_ok: argument.has('UNWRITTEN_OK') });
    return seal(
      context,
      values,
      into(argument, done, ({ gen }: { gen: number }) => ({ gen })),
    );
  },
  UNSEAL(context, inode, argument, done) {
    if (!inode) return void done(E.NOENT);
    return unseal(
      context,
      onFile(inode, {}),
      into(argument, done, ({ gen }: { gen: number }) => ({ gen })),
    );
  },
  PREPARE(context, inode, argument, done) {
    if (!inode) return void done(E.NOENT);
    const values = onFile(inode, {
      ...spanIn(argument),
      align: optional(argument.get('align')),
      extend: argument.has('EXTEND'),
      unwritten: argument.has('UNWRITTEN'),
      contiguous: argument.has('CONTIGUOUS'),
    });
    const fill = (made: { gen: number; size: number; extents: number; changed: boolean }) => ({
      gen: made.gen,
      file_size: made.size,
      extents: made.extents,
      changed: made.changed ? 1 : 0,
    });
    return prepare(context, values, into(argument, done, fill));
  },
  BIND(context, _inode, argument, done) {
    const { ports, asker } = context;
    const { pid, tgid, start, command, uid, gid, privileged } = asker.caller;
    if (asker.handle === 0) return void done(E.INVAL);
    const by = { session: asker.session, pid, tgid, start, command, uid, gid, privileged };
    const ref = {
      id: argument.get('id'),
      seq: optional(argument.get('seq')),
      token: argument.text('token') || undefined,
    };
    const result = ports.leases.bindHandle(asker.handle, ref, by, true);
    done(result.ok ? 0 : result.errno);
    return undefined;
  },
};
