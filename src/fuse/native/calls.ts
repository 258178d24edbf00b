import { E } from '../../system/errno.ts';
import { OP, ROOT_ID } from '../protocol.ts';
import { decode, type StructName, sizeOf } from '../structs.ts';
import { type PlayedKernel, type Reply, struct, text } from './kernel.ts';

/** What libfuse's high level calls become: they name files by path, requests name nodes. */

/** `errno` is 0 or negative, as fuse-native wants it. */
type Done = (errno: number, ...values: unknown[]) => void;

export type Calls = Record<string, (...args: never[]) => void>;

interface Open {
  nodeid: number;
  /** The daemon's number. */
  fh: number;
  /** Of open(2). */
  flags: number;
}

interface Place {
  nodeid: number;
  /** Nodes that were looked up on the way, to be forgotten. */
  seen: number[];
}

const FATTR = { MODE: 1, UID: 2, GID: 4, SIZE: 8, ATIME: 16, MTIME: 32, FH: 64 } as const;
/** libfuse 2 reads a directory as a whole. Bytes of one READDIR. */
const DIRECTORY = 65_536;

class Refused extends Error {
  readonly errno: number;

  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

export class PathCalls {
  private readonly kernel: PlayedKernel;
  private readonly opens = new Map<number, Open>();
  private nextOpen = 1;

  constructor(kernel: PlayedKernel) {
    this.kernel = kernel;
  }

  /** The table of callbacks for fuse-native. */
  table(): Calls {
    const setattr = (path: string, done: Done, values: Record<string, number>): void =>
      this.at(path, done, async (node) => void (await this.ask(OP.SETATTR, node, struct('setattr_in', values))));
    const remove = (opcode: number) => (path: string, done: Done) =>
      this.inParent(path, done, async (parent, name) => void (await this.ask(opcode, parent, text(name))));
    const make = (opcode: number, head: (mode: number, device: number) => Buffer) =>
      ((path: string, mode: number, ...rest: unknown[]) => {
        const done = rest.at(-1) as Done;
        const device = rest.length > 1 ? Number(rest[0]) : 0;
        this.inParent(path, done, async (parent, name) => this.entry(opcode, parent, head(mode, device), text(name)));
      }) as Calls[string];
    const two = (opcode: number, from: string, to: string, done: Done): void =>
      this.inParent(to, done, async (parent, name) => {
        if (opcode === OP.LINK) {
          const source = await this.walk(from);
          try {
            await this.entry(OP.LINK, parent, struct('link_in', { oldnodeid: source.nodeid }), text(name));
          } finally {
            this.forget(source);
          }
          return;
        }
        const source = await this.walk(parentOf(from));
        try {
          const head = struct('rename_in', { newdir: parent });
          await this.ask(OP.RENAME, source.nodeid, head, text(nameOf(from)), text(name));
        } finally {
          this.forget(source);
        }
      });

    return {
      getattr: (path: string, done: Done) => this.at(path, done, async (node) => [await this.attributes(node)]),
      fgetattr: (path: string, _fd: number, done: Done) =>
        this.at(path, done, async (node) => [await this.attributes(node)]),
      statfs: (_path: string, done: Done) => this.run(done, async () => [statfs(await this.ask(OP.STATFS, ROOT_ID))]),
      readdir: (path: string, done: Done) => this.at(path, done, async (node) => [await this.names(node)]),
      readlink: (path: string, done: Done) =>
        this.at(path, done, async (node) => [(await this.ask(OP.READLINK, node)).toString('utf8')]),
      open: (path: string, flags: number, done: Done) =>
        this.run(done, async () => {
          const place = await this.walk(path);
          try {
            const reply = await this.ask(OP.OPEN, place.nodeid, struct('open_in', { flags }));
            const last = place.seen.pop();
            return [this.opened(last ?? ROOT_ID, fields('open_out', reply).fh ?? 0, flags)];
          } finally {
            this.forget(place);
          }
        }),
      create: (path: string, mode: number, done: Done) =>
        this.inParent(path, done, async (parent, name) => {
          const head = struct('create_in', { flags: 2, mode });
          const reply = await this.ask(OP.CREATE, parent, head, text(name));
          const { fh = 0 } = fields('open_out', reply.subarray(sizeOf('entry_out')));
          return [this.opened(fields('entry_out', reply).nodeid ?? 0, fh, 2)];
        }),
      release: (_path: string, fd: number, done: Done) =>
        this.run(done, async () => {
          const open = this.get(fd);
          this.opens.delete(fd);
          await this.ask(OP.RELEASE, open.nodeid, struct('release_in', { fh: open.fh, flags: open.flags }));
          this.forget({ nodeid: open.nodeid, seen: [open.nodeid] });
        }),
      // The bytes follow the error, as libfuse counts them: a negative number is an errno.
      read: (_path: string, fd: number, buffer: Buffer, size: number, offset: number, done: (n: number) => void) =>
        this.bytes(done, async () => {
          const { nodeid, fh, flags } = this.get(fd);
          const reply = await this.ask(OP.READ, nodeid, struct('read_in', { fh, offset, size, flags }));
          return reply.copy(buffer);
        }),
      write: (_path: string, fd: number, buffer: Buffer, size: number, offset: number, done: (n: number) => void) =>
        this.bytes(done, async () => {
          const { nodeid, fh, flags } = this.get(fd);
          const data = buffer.subarray(0, size);
          const reply = await this.ask(OP.WRITE, nodeid, struct('write_in', { fh, offset, size, flags }), data);
          return fields('write_out', reply).size ?? 0;
        }),
      fsync: (_path: string, datasync: number, fd: number, done: Done) =>
        this.run(done, async () => {
          const { nodeid, fh } = this.get(fd);
          await this.ask(OP.FSYNC, nodeid, struct('fsync_in', { fh, fsync_flags: datasync ? 1 : 0 }));
        }),
      truncate: (path: string, size: number, done: Done) => setattr(path, done, { valid: FATTR.SIZE, size }),
      ftruncate: (path: string, fd: number, size: number, done: Done) =>
        setattr(path, done, { valid: FATTR.SIZE | FATTR.FH, size, fh: this.opens.get(fd)?.fh ?? 0 }),
      chmod: (path: string, mode: number, done: Done) => setattr(path, done, { valid: FATTR.MODE, mode }),
      chown: (path: string, uid: number, gid: number, done: Done) => {
        const wanted = (id: number, bit: number): number => (id < 0 || id === 0xffffffff ? 0 : bit);
        const valid = wanted(uid, FATTR.UID) | wanted(gid, FATTR.GID);
        setattr(path, done, { valid, uid: uid >>> 0, gid: gid >>> 0 });
      },
      utimens: (path: string, atimeMs: number, mtimeMs: number, done: Done) => {
        const times = { atime: Math.floor(atimeMs / 1000), mtime: Math.floor(mtimeMs / 1000) };
        setattr(path, done, { valid: FATTR.ATIME | FATTR.MTIME, ...times });
      },
      unlink: remove(OP.UNLINK),
      rmdir: remove(OP.RMDIR),
      mkdir: make(OP.MKDIR, (mode) => struct('mkdir_in', { mode })),
      mknod: make(OP.MKNOD, (mode, rdev) => struct('mknod_in', { mode, rdev })),
      symlink: (target: string, path: string, done: Done) =>
        this.inParent(path, done, async (parent, name) => this.entry(OP.SYMLINK, parent, text(name), text(target))),
      link: (from: string, to: string, done: Done) => two(OP.LINK, from, to, done),
      rename: (from: string, to: string, done: Done) => two(OP.RENAME, from, to, done),
    } as unknown as Calls;
  }

  private opened(nodeid: number, fh: number, flags: number): number {
    const fd = this.nextOpen++;
    this.opens.set(fd, { nodeid, fh, flags });
    return fd;
  }

  private get(fd: number): Open {
    const open = this.opens.get(fd);
    if (open === undefined) throw new Refused(E.BADF);
    return open;
  }

  private run(done: Done, work: () => Promise<unknown>): void {
    work().then(
      (values) => done(0, ...(Array.isArray(values) ? values : [])),
      (error) => done(-errnoOf(error)),
    );
  }

  private bytes(done: (n: number) => void, work: () => Promise<number>): void {
    work().then(done, (error) => done(-errnoOf(error)));
  }

  private at(path: string, done: Done, work: (node: number) => Promise<unknown>): void {
    this.run(done, async () => {
      const place = await this.walk(path);
      try {
        return await work(place.nodeid);
      } finally {
        this.forget(place);
      }
    });
  }

  private inParent(path: string, done: Done, work: (parent: number, name: string) => Promise<unknown>): void {
    this.at(parentOf(path), done, (parent) => work(parent, nameOf(path)));
  }

  /** Looks the path up, name by name. */
  private async walk(path: string): Promise<Place> {
    const place: Place = { nodeid: ROOT_ID, seen: [] };
    for (const name of path.split('/').filter((each) => each !== '')) {
      const { errno, payload } = await this.kernel.ask(OP.LOOKUP, place.nodeid, text(name));
      const nodeid = errno === 0 ? (fields('entry_out', payload).nodeid ?? 0) : 0;
      if (nodeid === 0) {
        this.forget(place);
        throw new Refused(errno === 0 ? E.NOENT : errno);
      }
      place.nodeid = nodeid;
      place.seen.push(nodeid);
    }
    return place;
  }

  private forget({ seen }: Place): void {
    for (const nodeid of seen) this.kernel.tell(OP.FORGET, nodeid, struct('forget_in', { nlookup: 1 }));
  }

  /** A request whose reply is an entry that nobody needs. */
  private async entry(opcode: number, parent: number, ...parts: Buffer[]): Promise<void> {
    const { nodeid = 0 } = fields('entry_out', await this.ask(opcode, parent, ...parts));
    this.forget({ nodeid, seen: [nodeid] });
  }

  private async ask(opcode: number, nodeid: number, ...parts: Uint8Array[]): Promise<Buffer> {
    const { errno, payload }: Reply = await this.kernel.ask(opcode, nodeid, ...parts);
    if (errno !== 0) throw new Refused(errno);
    return payload;
  }

  private async attributes(nodeid: number): Promise<Record<string, unknown>> {
    const a = fields('attr_out', await this.ask(OP.GETATTR, nodeid, struct('getattr_in', {})));
    const date = (name: string): Date => new Date((a[`attr.${name}`] ?? 0) * 1000 + (a[`attr.${name}nsec`] ?? 0) / 1e6);
    const plain = Object.fromEntries(
      ['ino', 'size', 'blocks', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'blksize'].map((name) => [
        name,
        a[`attr.${name}`],
      ]),
    );
    return { ...plain, atime: date('atime'), mtime: date('mtime'), ctime: date('ctime') };
  }

  private async names(nodeid: number): Promise<string[]> {
    const names: string[] = [];
    const { fh = 0 } = fields('open_out', await this.ask(OP.OPENDIR, nodeid, struct('open_in', {})));
    for (let offset = 0; ; ) {
      const reply = await this.ask(OP.READDIR, nodeid, struct('read_in', { fh, offset, size: DIRECTORY }));
      if (reply.length === 0) break;
      for (let at = 0; at < reply.length; ) {
        const { off = 0, namelen = 0 } = fields('dirent', reply.subarray(at));
        const from = at + sizeOf('dirent');
        names.push(reply.toString('utf8', from, from + namelen));
        offset = off;
        at += (sizeOf('dirent') + namelen + 7) & ~7;
      }
    }
    await this.ask(OP.RELEASEDIR, nodeid, struct('release_in', { fh }));
    return names;
  }
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';

function errnoOf(error: unknown): number {
  return error instanceof Refused ? error.errno : E.IO;
}

function fields(name: StructName, bytes: Buffer): Record<string, number> {
  return decode(name, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0);
}

function statfs(reply: Buffer): Record<string, number> {
  const {
    bsize = 0,
    frsize = 0,
    blocks = 0,
    bfree = 0,
    bavail = 0,
    files = 0,
    ffree = 0,
    namelen = 0,
  } = Object.fromEntries(
    Object.entries(fields('statfs_out', reply)).map(([name, value]) => [name.replace('st.', ''), value]),
  );
  return { bsize, frsize, blocks, bfree, bavail, files, ffree, favail: ffree, fsid: 0, flag: 0, namemax: namelen };
}
