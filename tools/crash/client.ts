import { CONTROL_ROOT, fixedId } from '../../src/control/nodes.ts';
import { OP } from '../../src/fuse/protocol.ts';
import { type ReplyArea, Request, type RequestOwner } from '../../src/fuse/request.ts';
import type { Session } from '../../src/fuse/session.ts';
import { decode, encode, type StructName, sizeOf } from '../../src/fuse/structs.ts';
import { House } from '../../src/mount/assemble.ts';
import { defaultMountOptions, type MountOptions } from '../../src/mount/options.ts';
import type { VirtualClock } from '../../src/system/clock.ts';
import { O } from '../../src/system/constants.ts';
import { E, errnoName } from '../../src/system/errno.ts';
import { addressOf } from '../../src/system/libc.ts';
import type { Volume } from '../../src/volume/volume.ts';

export interface Reply {
  /** '' for success, else as in 'ENOENT'. */
  error: string;
  payload: Buffer;
}

type Fields = Record<string, number>;

/** Turns of the event loop without a sync that a request may take before somebody helps it: by returning a lease, say. */
const PATIENCE = 50;

/** Room for a reply. */
const REPLY_BYTES = 128 * 1024;

/**
 * The kernel's side of a mount without a kernel: the whole house over a volume, asked by requests as bytes. It keeps
 * the kernel's count of lookups and gives back those of removed files, as the kernel does.
 */
export class Client {
  readonly house: House;
  readonly volume: Volume;
  readonly clock: VirtualClock;
  /** What a request does that waits for a lease; told after a while. */
  onWait: () => Promise<void> = () => Promise.reject(new Error('a request waits and nobody helps it'));
  private readonly owner: RequestOwner;
  private readonly replies = new Map<number, Reply>();
  private readonly lookups = new Map<number, number>();
  /** What handlers threw; the caller was told EIO. */
  readonly thrown: unknown[] = [];
  private readonly hooks: Pick<Session, 'afterBatch' | 'beforeReply' | 'handlerThrew'>;
  private unique = 2;
  private session: { nodeid: number; fh: number } | undefined;

  constructor(
    volume: Volume,
    clock: VirtualClock,
    options: Partial<MountOptions> = {},
    log: (level: string, message: string) => void = () => {},
  ) {
    this.volume = volume;
    this.clock = clock;
    this.house = new House(volume, { ...defaultMountOptions(true), ...options }, clock, log);
    const bytes = Buffer.alloc(REPLY_BYTES);
    const out: ReplyArea = {
      bytes,
      view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
      start: 16,
      address: addressOf(bytes) + 16,
      capacity: bytes.length - 16,
    };
    const hooks: Pick<Session, 'afterBatch' | 'beforeReply' | 'handlerThrew'> = {
      afterBatch: undefined,
      beforeReply: undefined,
      handlerThrew: undefined,
    };
    this.hooks = hooks;
    this.owner = {
      out,
      reply: (request, error, length) => {
        const payload = Buffer.from(bytes.subarray(out.start, out.start + length));
        hooks.beforeReply?.(request, length);
        this.replies.set(request.unique, { error: error === 0 ? '' : errnoName(error), payload });
      },
      parked: () => {},
    };
    const none = () => Promise.resolve(0);
    this.house.attach(
      Object.assign(hooks, {
        notifier: { invalInode: none, invalEntry: none, poll: none },
        redispatch: (request: Request) => this.house.handlers[request.opcode]?.(request),
        info: { has: () => false },
        replyBytes: (length: number) => bytes.subarray(0, length),
      }) as unknown as Session,
    );
  }

  /** One request: the fields of its struct by name, then names and data. */
  call(op: keyof typeof OP, nodeid: number, struct: StructName | '', fields: Fields, ...tail: Buffer[]) {
    return this.send(process.pid, op, nodeid, struct, fields, ...tail);
  }

  /** The same by another process: who holds leases is not who breaks them. */
  private async send(
    pid: number,
    op: keyof typeof OP,
    nodeid: number,
    struct: StructName | '',
    fields: Fields,
    ...tail: Buffer[]
  ): Promise<Reply> {
    const size = struct === '' ? 0 : sizeOf(struct);
    const message = Buffer.concat([Buffer.alloc(40 + size), ...tail]);
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    const unique = this.unique;
    this.unique += 2;
    const header = { len: message.length, opcode: OP[op], unique, nodeid, uid: 0, gid: 0, pid };
    encode('in_header', view, 0, header);
    if (struct !== '') encode(struct, view, 40, fields);
    const request = new Request(this.owner, message);
    if (!request.load(message.length)) throw new Error('malformed request');
    try {
      const handler = this.house.handlers[OP[op]];
      if (handler) handler(request);
      else request.error(E.NOSYS);
    } catch (error) {
      this.thrown.push(error);
      this.hooks.handlerThrew?.(error);
      request.error(E.IO);
    }
    this.hooks.afterBatch?.();
    if (op === 'FORGET') return { error: '', payload: Buffer.alloc(0) };
    for (let turns = 0; !this.replies.has(unique); turns += this.volume.commits.busy ? 0 : 1) {
      if (turns === PATIENCE) await this.onWait();
      if (turns > 20 * PATIENCE) throw new Error(`${op} gets no answer`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const reply = this.replies.get(unique) as Reply;
    this.replies.delete(unique);
    return reply;
  }

  /** Inode number of a path from the root; 0 where there is none. */
  async lookup(path: string): Promise<number> {
    let ino = 1;
    for (const name of path.split('/').filter((part) => part !== '')) {
      const reply = await this.call('LOOKUP', ino, '', {}, text(name));
      ino = this.known(reply);
      if (ino === 0) return 0;
    }
    return ino;
  }

  /** Counts the lookup that an entry reply is; its inode number, or 0. */
  known(reply: Reply): number {
    if (reply.error !== '') return 0;
    const { nodeid } = decode('entry_out', viewOf(reply.payload), 0);
    if (nodeid !== 0) this.lookups.set(nodeid, (this.lookups.get(nodeid) ?? 0) + 1);
    return nodeid;
  }

  /** The kernel drops an inode from its cache, as it does when the last name is gone. */
  async forget(ino: number): Promise<void> {
    const nlookup = this.lookups.get(ino) ?? 0;
    this.lookups.delete(ino);
    if (nlookup > 0) await this.call('FORGET', ino, 'forget_in', { nlookup });
  }

  /** One line to the control session, and its reply. */
  async control(line: string): Promise<string> {
    this.session ??= await this.openSession();
    const { session } = this;
    const data = Buffer.from(`${line}\n`);
    await this.send(process.ppid, 'WRITE', session.nodeid, 'write_in', { fh: session.fh, size: data.length }, data);
    let said = '';
    for (;;) {
      const fields = { fh: session.fh, size: 65_536, flags: O.NONBLOCK };
      const { error, payload } = await this.send(process.ppid, 'READ', session.nodeid, 'read_in', fields);
      if (error !== '') return said;
      said += payload.toString();
    }
  }

  private async openSession(): Promise<{ nodeid: number; fh: number }> {
    const { payload } = await this.send(process.ppid, 'LOOKUP', CONTROL_ROOT, '', {}, text('ctl'));
    const nodeid = payload.length > 0 ? decode('entry_out', viewOf(payload), 0).nodeid : fixedId('ctl');
    const opened = await this.send(process.ppid, 'OPEN', nodeid, 'open_in', { flags: O.RDWR });
    if (opened.error !== '') throw new Error(`ctl: ${opened.error}`);
    return { nodeid, fh: decode('open_out', viewOf(opened.payload), 0).fh };
  }
}

/** A name as requests carry it. */
export function text(name: string): Buffer {
  return Buffer.from(`${name}\0`, 'latin1');
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
