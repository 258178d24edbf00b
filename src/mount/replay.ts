import { openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { isControlNode } from '../control/nodes.ts';
import type { Caller, Callers } from '../control/ports.ts';
import { OPERATIONS, operationName } from '../fuse/catalogue.ts';
import { OP } from '../fuse/protocol.ts';
import type { Frame, RecordedProcess, Recording } from '../fuse/recording.ts';
import { Session } from '../fuse/session.ts';
import { decode, sizeOf } from '../fuse/structs.ts';
import type { Mapper, ProcessPort } from '../lease/ports.ts';
import { VirtualClock } from '../system/clock.ts';
import { E, errnoName } from '../system/errno.ts';
import { close } from '../system/libc.ts';
import { Volume } from '../volume/volume.ts';
import { House } from './assemble.ts';
import { Identities } from './identities.ts';
import { parseMountOptions } from './option-words.ts';

export interface Replayed {
  requests: number;
  replies: number;
  /** Requests that the recording has a reply to, and the replay has not. */
  unanswered: number;
  /** Replies that are not the same. */
  different: number;
  /** The first of those, as text. */
  differences: string[];
}

/** Differences that are told. */
const TOLD = 100;
/** A reply that the recording has is waited for by so many turns of 1 ms, in which the recording's clock goes on too. */
const PATIENCE = 10_000;
/** Turns before time is pushed: what is awaited may be a sync of this machine's disk. */
const PUSH_AFTER = 100;

interface Reply {
  errno: number;
  payload: Buffer;
}

/** Processes as the recording knew them; whoever has their numbers today is none of our business. */
class RecordedProcesses implements ProcessPort, Callers {
  readonly known = new Map<number, RecordedProcess>();

  alive(): boolean {
    return true;
  }

  watch(): () => void {
    return () => {};
  }

  kill(): number {
    return E.SRCH;
  }

  identify(tid: number): RecordedProcess | undefined {
    return this.known.get(tid);
  }

  mappers(_: unknown, _isHolder: unknown, done: (byLease: Map<number, Mapper[]>) => void): void {
    done(new Map());
  }

  of(uid: number, gid: number, pid: number): Caller {
    const { tgid = pid, start = 0, command = '', groups = [] } = this.known.get(pid) ?? {};
    return { uid, gid, pid, tgid, start, command, groups, privileged: uid === 0 };
  }
}

/**
 * Does again on a volume what a recording has, request by request, without a kernel: each is given to a session as it
 * came; where the recording has a reply, it is waited for and compared. So the order of effects is that of the recording.
 * Time is that of the recording as well, to a millisecond. The volume should be what it was when the recording began:
 * as a rule, fresh. What holders did through device windows no daemon has seen: it is not repeated.
 */
export async function replay(recording: Recording, image: string): Promise<Replayed> {
  const { seconds, nanoseconds, connection, options } = recording.head;
  const volume = Volume.open(image);
  const clock = new VirtualClock(seconds, nanoseconds);
  const processes = new RecordedProcesses();
  const outside = { processes, callers: processes };
  const house = new House(volume, parseMountOptions([options]), clock, () => {}, undefined, false, outside);
  const errno = volume.ready();
  if (errno !== 0) {
    volume.abandon();
    throw new Error(`recovery failed: ${errnoName(errno)}`);
  }
  const fd = openSync('/dev/null', 'r+');
  const replies = new Map<number, Reply>();
  const session = new Session({
    fd,
    handlers: house.handlers,
    negotiate: { flags: [] },
    saved: connection,
    watch: {
      request: () => {},
      reply: ({ unique, out }, errno, length) => {
        replies.set(unique, { errno, payload: Buffer.from(out.bytes.subarray(out.start, out.start + length)) });
      },
    },
  });
  house.attach(session);
  house.agreed(session.info);
  const result: Replayed = { requests: 0, replies: 0, unanswered: 0, different: 0, differences: [] };
  const pending = new Map<number, Buffer>();
  const identities = new Identities();
  try {
    for (const frame of recording.frames()) {
      clock.advance(Math.max(0, frame.ms - clock.monotonic()));
      if (frame.kind === 'process') {
        processes.known.set(frame.process.pid, frame.process);
        continue;
      }
      if (frame.kind === 'request') {
        result.requests++;
        const opcode = frame.message.readUInt32LE(4);
        if (opcode === OP.DESTROY) continue;
        if (!OPERATIONS[opcode]?.silent) pending.set(uniqueOf(frame.message), frame.message);
        session.feed(identities.translate(frame.message));
        continue;
      }
      const message = pending.get(frame.unique);
      if (message === undefined) continue;
      pending.delete(frame.unique);
      result.replies++;
      const asked = isControlRead(message);
      const reply = await answer(frame.unique, replies, session, asked ? undefined : clock);
      if (reply === undefined) {
        if (!asked) result.unanswered++;
        continue;
      }
      const what = difference(message, frame, reply);
      if (what !== undefined && result.different++ < TOLD) result.differences.push(what);
      if (frame.errno === 0 && reply.errno === 0) identities.learn(message, frame.payload, reply.payload);
    }
  } finally {
    await session.close();
    await house.shutDown();
    close(fd);
  }
  return result;
}

function uniqueOf(message: Buffer): number {
  return (message.readUInt32LE(12) & 0x1fffff) * 4294967296 + message.readUInt32LE(8);
}

/**
 * What is read from a session or a table has times, tokens and numbers of processes in it, and may be shorter than it
 * was: a reader that goes byte by byte then waits for the rest, which nobody misses.
 */
function isControlRead(message: Buffer): boolean {
  return message.readUInt32LE(4) === OP.READ && isControlNode(nodeidOf(message));
}

function nodeidOf(message: Buffer): number {
  return message.readUInt32LE(20) * 4294967296 + message.readUInt32LE(16);
}

/** Without a clock, only as long as something may take that waits for nothing. */
async function answer(
  unique: number,
  replies: Map<number, Reply>,
  session: Session,
  clock: VirtualClock | undefined,
): Promise<Reply | undefined> {
  for (let turn = 0; turn < (clock === undefined ? PUSH_AFTER : PATIENCE); turn++) {
    const reply = replies.get(unique);
    if (reply !== undefined) {
      replies.delete(unique);
      return reply;
    }
    if (turn < 3) await new Promise<void>((resolve) => setImmediate(resolve));
    else await new Promise<void>((resolve) => setTimeout(resolve, 1));
    if (turn > PUSH_AFTER) clock?.advance(1);
    session.afterBatch?.();
  }
  return undefined;
}

/** Fields of attributes that a replay must give again; times, inode numbers and blocks may be others. */
const SAME = ['mode', 'nlink', 'uid', 'gid', 'size'] as const;
/** Operations whose replies are the same to the byte. */
const EXACT: ReadonlySet<number> = new Set([
  OP.WRITE,
  OP.READLINK,
  OP.GETXATTR,
  OP.LSEEK,
  OP.COPY_FILE_RANGE,
  OP.COPY_FILE_RANGE_64,
]);

function difference(message: Buffer, was: Frame & { kind: 'reply' }, is: Reply): string | undefined {
  const opcode = message.readUInt32LE(4);
  const nodeid = nodeidOf(message);
  const told = (before: unknown, now: unknown): string =>
    `#${was.unique} ${operationName(opcode)} node=${nodeid}: ${before} in the recording, ${now} in the replay`;
  if (was.errno !== is.errno) return told(outcome(was.errno), outcome(is.errno));
  if (was.errno !== 0 || isControlNode(nodeid)) return undefined;
  if (opcode === OP.READ) {
    if (was.length !== is.payload.length) return told(`${was.length} bytes`, `${is.payload.length} bytes`);
    const sum = was.length === 0 ? 0 : was.payload.readUInt32LE(0);
    return was.length > 0 && sum !== crc32(is.payload) ? told('other data', 'data') : undefined;
  }
  if (EXACT.has(opcode)) return was.payload.equals(is.payload) ? undefined : told(hex(was.payload), hex(is.payload));
  const at = opcode === OP.GETATTR || opcode === OP.SETATTR ? 'attr_out' : ENTRY.has(opcode) ? 'entry_out' : undefined;
  if (at === undefined || was.payload.length < sizeOf(at)) return undefined;
  const [before, now] = [was.payload, is.payload].map(
    (bytes): Record<string, number> => decode(at, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0),
  ) as [Record<string, number>, Record<string, number>];
  if (at === 'entry_out' && isControlNode(before.nodeid ?? 0)) return undefined;
  // A name that is not there may be answered so, or with an entry of no node.
  if (at === 'entry_out' && before.nodeid === 0 && now.nodeid === 0) return undefined;
  const field = SAME.find((name) => before[`attr.${name}`] !== now[`attr.${name}`]);
  return field === undefined ? undefined : told(`${field} ${before[`attr.${field}`]}`, now[`attr.${field}`]);
}

const ENTRY: ReadonlySet<number> = new Set([OP.LOOKUP, OP.SYMLINK, OP.MKNOD, OP.MKDIR, OP.LINK, OP.CREATE, OP.TMPFILE]);

const outcome = (errno: number): string => (errno === 0 ? 'success' : errnoName(errno));
const hex = (bytes: Buffer): string => bytes.toString('hex', 0, 32);
