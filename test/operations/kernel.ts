import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OP } from '../../src/fuse/protocol.ts';
import { type ReplyArea, Request, type RequestOwner } from '../../src/fuse/request.ts';
import { decode, STRUCTS, type StructName, sizeOf } from '../../src/fuse/structs.ts';
import { dispatchTable } from '../../src/mount/dispatch.ts';
import { Acls } from '../../src/namespace/acls.ts';
import { Dentries } from '../../src/namespace/dentries.ts';
import type { Inode } from '../../src/namespace/inode.ts';
import { Inodes, type InodesOptions } from '../../src/namespace/inodes.ts';
import { Symlinks } from '../../src/namespace/symlinks.ts';
import { Xattrs } from '../../src/namespace/xattrs.ts';
import type { ControlHook, Filesystem, OperationOptions } from '../../src/operations/filesystem.ts';
import { Handles } from '../../src/operations/handle.ts';
import { VirtualClock } from '../../src/system/clock.ts';
import { errnoName } from '../../src/system/errno.ts';
import { addressOf } from '../../src/system/libc.ts';
import { Volume } from '../../src/volume/volume.ts';

export interface Caller {
  uid?: number;
  gid?: number;
  pid?: number;
}

export interface Reply {
  /** '' for success, else as in 'ENOENT'. */
  error: string;
  payload: Buffer;
}

export type Fields = Record<string, number>;

export interface KernelOptions {
  inodes?: Partial<InodesOptions>;
  operations?: Partial<OperationOptions>;
  /** Keep a redo log. */
  redo?: boolean;
  /** Open the volume that is there. */
  folder?: string;
}

/**
 * The kernel's side of the operations, without a kernel: requests as bytes on one side, a real volume in a temporary
 * folder on the other. Only the block map and the leases are stand-ins, which these operations hardly meet.
 */
export class Kernel {
  readonly clock = new VirtualClock(5000, 7);
  readonly folder: string;
  readonly volume: Volume;
  readonly fs: Filesystem;
  private readonly handlers: ReturnType<typeof dispatchTable>;
  private readonly out: ReplyArea;
  private answered: Reply | undefined;
  private silent = false;

  constructor(options: KernelOptions = {}) {
    this.folder = options.folder ?? mkdtempSync(join(tmpdir(), 'layoutfs-operations-'));
    const image = join(this.folder, 'volume.img');
    if (options.folder === undefined) Volume.make(image, { size: 64 * 1024 * 1024 });
    this.volume = Volume.open(image, { clock: this.clock, redo: options.redo === true });
    this.fs = assemble(this.volume, this.clock, options.inodes ?? {}, options.operations ?? {});
    this.handlers = dispatchTable(this.fs, undefined);
    const bytes = Buffer.alloc(1 << 20);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.out = { bytes, view, start: 16, address: addressOf(bytes) + 16, capacity: bytes.length - 16 };
  }

  /** The daemon dies and another one opens the volume: only what is in the database and the redo log is left. */
  restart(): Kernel {
    this.volume.abandon();
    const after = new Kernel({ folder: this.folder, redo: true });
    after.fs.inodes.reaper.recover();
    return after;
  }

  close(): void {
    this.volume.abandon();
    rmSync(this.folder, { recursive: true });
  }

  /** One request: the fields of its struct by name, then names and data. */
  call(
    op: keyof typeof OP,
    nodeid: number,
    struct: StructName | '',
    fields: Fields,
    tail: Buffer[] = [],
    caller: Caller = {},
  ): Reply {
    const head = struct === '' ? Buffer.alloc(0) : encode(struct, fields);
    return this.send(op, nodeid, Buffer.concat([head, ...tail]), caller);
  }

  send(op: keyof typeof OP, nodeid: number, body: Buffer, caller: Caller = {}): Reply {
    const message = Buffer.alloc(40 + body.length);
    message.writeUInt32LE(message.length, 0);
    message.writeUInt32LE(OP[op], 4);
    message.writeBigUInt64LE(2n, 8);
    message.writeBigUInt64LE(BigInt(nodeid), 16);
    message.writeUInt32LE(caller.uid ?? 0, 24);
    message.writeUInt32LE(caller.gid ?? 0, 28);
    message.writeUInt32LE(caller.pid ?? 0, 32);
    body.copy(message, 40);
    const owner: RequestOwner = {
      out: this.out,
      reply: (_request, error, length) => this.take(error, length),
      parked: () => {
        throw new Error('parked');
      },
    };
    const request = new Request(owner, message);
    if (!request.load(message.length)) throw new Error('malformed request');
    this.answered = undefined;
    this.out.bytes.fill(0xaa); // what a handler forgets to write shows
    this.handlers[OP[op]]?.(request);
    this.fs.inodes.trim();
    this.silent = this.answered === undefined;
    return this.answered ?? { error: 'no reply', payload: Buffer.alloc(0) };
  }

  /** Whether the last request got no reply, as FORGET must not. */
  get wasSilent(): boolean {
    return this.silent;
  }

  private take(error: number, length: number): void {
    if (this.answered !== undefined) throw new Error('two replies');
    const payload = Buffer.from(this.out.bytes.subarray(this.out.start, this.out.start + length));
    this.answered = { error: error === 0 ? '' : errnoName(error), payload };
    this.volume.commits.operationEnd();
  }

  // The operations, as a program would call them; entries and attributes come back by field name.

  lookup(parent: number, name: string): Fields | string {
    return entryOf(this.call('LOOKUP', parent, '', {}, [text(name)]));
  }

  mkdir(parent: number, name: string, mode = 0o755, caller: Caller & { umask?: number } = {}): Fields | string {
    return entryOf(this.call('MKDIR', parent, 'mkdir_in', { mode, umask: caller.umask ?? 0 }, [text(name)], caller));
  }

  mknod(
    parent: number,
    name: string,
    mode = 0o100644,
    rdev = 0,
    caller: Caller & { umask?: number } = {},
  ): Fields | string {
    const fields = { mode, rdev, umask: caller.umask ?? 0 };
    return entryOf(this.call('MKNOD', parent, 'mknod_in', fields, [text(name)], caller));
  }

  create(parent: number, name: string, mode = 0o644, flags = 2, caller: Caller & { umask?: number } = {}): Reply {
    return this.call('CREATE', parent, 'create_in', { flags, mode, umask: caller.umask ?? 0 }, [text(name)], caller);
  }

  symlink(parent: number, name: string, target: string): Fields | string {
    return entryOf(this.call('SYMLINK', parent, '', {}, [text(name), text(target)]));
  }

  link(ino: number, parent: number, name: string): Fields | string {
    return entryOf(this.call('LINK', parent, 'link_in', { oldnodeid: ino }, [text(name)]));
  }

  unlink(parent: number, name: string): string {
    return this.call('UNLINK', parent, '', {}, [text(name)]).error;
  }

  rmdir(parent: number, name: string): string {
    return this.call('RMDIR', parent, '', {}, [text(name)]).error;
  }

  rename(from: number, name: string, to: number, target: string, flags = 0): string {
    const names = [text(name), text(target)];
    if (flags === 0) return this.call('RENAME', from, 'rename_in', { newdir: to }, names).error;
    return this.call('RENAME2', from, 'rename2_in', { newdir: to, flags }, names).error;
  }

  getattr(ino: number): Fields | string {
    const { error, payload } = this.call('GETATTR', ino, 'getattr_in', {});
    return error || fieldsOf('attr', payload, 16);
  }

  setattr(ino: number, fields: Fields, caller: Caller = {}): Fields | string {
    const { error, payload } = this.call('SETATTR', ino, 'setattr_in', fields, [], caller);
    return error || fieldsOf('attr', payload, 16);
  }

  forget(ino: number, nlookup = 1): void {
    this.call('FORGET', ino, 'forget_in', { nlookup });
  }

  setxattr(
    ino: number,
    name: string,
    value: Buffer | string,
    flags = 0,
    setxattrFlags = 0,
    caller: Caller = {},
  ): string {
    const bytes = Buffer.from(value);
    const fields = { size: bytes.length, flags, setxattr_flags: setxattrFlags };
    return this.call('SETXATTR', ino, 'setxattr_in', fields, [text(name), bytes], caller).error;
  }

  getxattr(ino: number, name: string, size = 65_536, caller: Caller = {}): Buffer | string {
    const { error, payload } = this.call('GETXATTR', ino, 'getxattr_in', { size }, [text(name)], caller);
    return error || payload;
  }

  listxattr(ino: number, caller: Caller = {}): string[] {
    const { payload } = this.call('LISTXATTR', ino, 'getxattr_in', { size: 65_536 }, [], caller);
    return payload.toString('latin1').split('\0').slice(0, -1);
  }

  removexattr(ino: number, name: string, caller: Caller = {}): string {
    return this.call('REMOVEXATTR', ino, '', {}, [text(name)], caller).error;
  }

  /** One READDIR(PLUS) reply: names with their cookies. */
  readdir(ino: number, offset = 0, size = 4096, plus = false): Listed[] {
    const { payload } = this.call(plus ? 'READDIRPLUS' : 'READDIR', ino, 'read_in', { offset, size });
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const listed: Listed[] = [];
    for (let at = 0; at < payload.length; ) {
      const entry = plus ? decode('entry_out', view, at) : undefined;
      if (plus) at += sizeOf('entry_out');
      const { off, namelen, type, ino } = decode('dirent', view, at);
      const name = payload.toString('latin1', at + 24, at + 24 + namelen);
      listed.push({ name, cookie: off, type, ino, entry });
      at += (24 + namelen + 7) & ~7;
    }
    return listed;
  }

  /** All names, by as many READDIRs as it takes. */
  list(ino: number, size = 4096): string[] {
    const names: string[] = [];
    for (let cookie = 0; ; ) {
      const part = this.readdir(ino, cookie, size);
      if (part.length === 0) return names;
      names.push(...part.map((entry) => entry.name));
      cookie = part[part.length - 1].cookie;
    }
  }

  inode(ino: number): Inode {
    const inode = this.fs.inodes.get(ino);
    if (inode === undefined) throw new Error(`no inode ${ino}`);
    return inode;
  }
}

export interface Listed {
  name: string;
  cookie: number;
  type: number;
  ino: number;
  entry: Fields | undefined;
}

/** The number out of an entry that must be one. */
export function inoOf(entry: Fields | string): number {
  if (typeof entry === 'string') throw new Error(`no entry but ${entry}`);
  return entry.nodeid;
}

export function entryOf({ error, payload }: Reply): Fields | string {
  return error || fieldsOf('entry_out', payload, 0);
}

export function text(name: string): Buffer {
  return Buffer.concat([Buffer.from(name, 'latin1'), Buffer.alloc(1)]);
}

export function fieldsOf(struct: StructName, payload: Buffer, at: number): Fields {
  return decode(struct, new DataView(payload.buffer, payload.byteOffset, payload.length), at);
}

function encode(struct: StructName, fields: Fields): Buffer {
  const bytes = Buffer.alloc(sizeOf(struct));
  for (const { name, type, offset } of STRUCTS[struct].fields) {
    const value = fields[name] ?? 0;
    if (type === 'u64') bytes.writeBigUInt64LE(BigInt(value), offset);
    else if (type === 'i64') bytes.writeBigInt64LE(BigInt(value), offset);
    else if (type === 'u16') bytes.writeUInt16LE(value, offset);
    else if (type === 'i32') bytes.writeInt32LE(value, offset);
    else bytes.writeUInt32LE(value, offset);
  }
  for (const name of Object.keys(fields)) {
    if (!STRUCTS[struct].fields.some((field) => field.name === name)) throw new Error(`${struct} has no field ${name}`);
  }
  return bytes;
}

function assemble(
  volume: Volume,
  clock: VirtualClock,
  inodesOptions: Partial<InodesOptions>,
  operations: Partial<OperationOptions>,
): Filesystem {
  const inodes = new Inodes(volume, { clock, ...inodesOptions });
  const xattrs = new Xattrs(volume);
  const noLeases = { has: () => false, holdsInode: () => false, fileClosed: () => {} };
  const noBlocks = { truncate: () => 0, settle: () => {}, remove: () => true };
  const stand = {
    space: { total: 16_000, free: 15_000 },
    leases: noLeases,
    blockmap: noBlocks,
    guard: { concerns: () => false, uncached: () => false, admit: () => true },
  } as unknown as Pick<Filesystem, 'space' | 'leases' | 'blockmap' | 'guard'>;
  const options: OperationOptions = {
    timeouts: { entry: 3600, attr: 1800 },
    negativeTimeout: 60,
    controlName: Buffer.from('.layout'),
    readOnly: false,
    sync: false,
    dirsync: false,
    noOpendir: false,
    setxattrExt: true,
    ...operations,
  };
  const control: ControlHook | undefined = undefined;
  return {
    volume,
    inodes,
    dentries: new Dentries(volume, inodes),
    symlinks: new Symlinks(volume),
    xattrs,
    acls: new Acls(xattrs),
    handles: new Handles(1),
    clock,
    forgetAttributes: () => Promise.resolve(0),
    forgetPages: () => Promise.resolve(0),
    control,
    ...stand,
    options,
  };
}
