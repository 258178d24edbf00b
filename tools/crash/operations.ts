import { FALLOC, O } from '../../src/system/constants.ts';
import { type Client, type Reply, text } from './client.ts';
import type { Move } from './moves.ts';

/** What the caller was promised when the request was answered. */
export type Promised =
  /** Everything done so far, data and metadata, survives. */
  | 'all'
  /** The metadata does. */
  | 'metadata'
  | undefined;

/** One request, or what belongs to one: between two steps the tree is in a state that a crash may leave. */
export interface Step {
  readonly name: string;
  run(client: Client): Promise<Promised>;
  /** How the last run moved contents. */
  moved?(): Move | undefined;
}

/** An operation of the alphabet. */
export interface Operation {
  readonly name: string;
  readonly steps: readonly Step[];
}

export const BLOCK = 4096;

const one = (name: string, run: (client: Client) => Promise<Promised>): Operation => ({ name, steps: [{ name, run }] });

/** Bytes that tell where they were written: no two writes have a sector in common. */
export function pattern(tag: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = 1 + ((tag * 37 + ((offset + i) >> 9) * 11 + ((offset + i) & 3)) % 255);
  return bytes;
}

const ok = (reply: Reply, ...allowed: string[]): Reply => {
  if (reply.error !== '' && !allowed.includes(reply.error)) throw new Error(`unexpected ${reply.error}`);
  return reply;
};

/** Errors that a sequence may run into, since the operation before may have removed the file, or filled the volume. */
const MAY = [
  'ENOENT',
  'ESTALE',
  'EEXIST',
  'ENOSPC',
  'ETXTBSY',
  'ENOTEMPTY',
  'EPERM',
  'ENODATA',
  'EAGAIN',
  'EINVAL',
  'ENXIO',
];

const split = (path: string): [string, string] => {
  const at = path.lastIndexOf('/');
  return [path.slice(0, at), path.slice(at + 1)];
};

function create(path: string): Operation {
  return one(`create ${path}`, async (client) => {
    const [dir, name] = split(path);
    const parent = await client.lookup(dir);
    if (parent === 0) return undefined;
    client.known(
      ok(await client.call('CREATE', parent, 'create_in', { flags: O.RDWR, mode: 0o100644 }, text(name)), ...MAY),
    );
    return undefined;
  });
}

function mkdir(path: string): Operation {
  return one(`mkdir ${path}`, async (client) => {
    const [dir, name] = split(path);
    client.known(
      ok(await client.call('MKDIR', await client.lookup(dir), 'mkdir_in', { mode: 0o755 }, text(name)), ...MAY),
    );
    return undefined;
  });
}

function symlink(path: string): Operation {
  return one(`symlink ${path}`, async (client) => {
    const [dir, name] = split(path);
    client.known(ok(await client.call('SYMLINK', await client.lookup(dir), '', {}, text(name), text('a')), ...MAY));
    return undefined;
  });
}

/** Runs on the inode of a path, if there is one. */
function on(name: string, path: string, run: (client: Client, ino: number) => Promise<Promised>): Operation {
  return one(name, async (client) => {
    const ino = await client.lookup(path);
    return ino === 0 ? undefined : run(client, ino);
  });
}

function write(path: string, offset: number, length: number, tag: number, flags = 0): Operation {
  const name = `${flags === 0 ? 'write' : 'write-sync'} ${path} ${offset}+${length}`;
  return on(name, path, async (client, ino) => {
    const data = pattern(tag, offset, length);
    const reply = await client.call('WRITE', ino, 'write_in', { offset, size: length, flags }, data);
    ok(reply, ...MAY);
    return flags !== 0 && reply.error === '' ? 'all' : undefined;
  });
}

function truncate(path: string, size: number): Operation {
  return on(`truncate ${path} ${size}`, path, async (client, ino) => {
    ok(await client.call('SETATTR', ino, 'setattr_in', { valid: 8, size }), ...MAY);
    return undefined;
  });
}

function fallocate(path: string, name: string, mode: number, offset: number, length: number): Operation {
  return on(`${name} ${path} ${offset}+${length}`, path, async (client, ino) => {
    ok(await client.call('FALLOCATE', ino, 'fallocate_in', { offset, length, mode }), ...MAY);
    return undefined;
  });
}

function unlink(path: string): Operation {
  let gone = 0;
  const name = `unlink ${path}`;
  const forget: Step = {
    name: `forget ${path}`,
    async run(client) {
      if (gone !== 0 && client.house.fs.inodes.get(gone)?.nlink === 0) await client.forget(gone);
      return undefined;
    },
  };
  const remove: Step = {
    name,
    async run(client) {
      const [dir, last] = split(path);
      gone = await client.lookup(path);
      ok(await client.call('UNLINK', await client.lookup(dir), '', {}, text(last)), ...MAY);
      return undefined;
    },
  };
  return { name, steps: [remove, forget] };
}

function rename(from: string, to: string, flags = 0): Operation {
  let replaced = 0;
  const name = `${flags === 0 ? 'rename' : 'exchange'} ${from} ${to}`;
  const move: Step = {
    name,
    async run(client) {
      const [fromDir, fromName] = split(from);
      const [toDir, toName] = split(to);
      const target = await client.lookup(to);
      const newdir = await client.lookup(toDir);
      const parent = await client.lookup(fromDir);
      if (newdir === 0 || parent === 0) return undefined;
      ok(await client.call('RENAME2', parent, 'rename2_in', { newdir, flags }, text(fromName), text(toName)), ...MAY);
      replaced = target;
      return undefined;
    },
  };
  const forget: Step = {
    name: `forget what was ${to}`,
    async run(client) {
      if (replaced !== 0 && client.house.fs.inodes.get(replaced)?.nlink === 0) await client.forget(replaced);
      return undefined;
    },
  };
  return { name, steps: [move, forget] };
}

function link(from: string, to: string): Operation {
  return on(`link ${from} ${to}`, from, async (client, ino) => {
    const [dir, name] = split(to);
    client.known(
      ok(await client.call('LINK', await client.lookup(dir), 'link_in', { oldnodeid: ino }, text(name)), ...MAY),
    );
    return undefined;
  });
}

function setxattr(path: string, value: string): Operation {
  return on(`setxattr ${path}`, path, async (client, ino) => {
    const fields = { size: value.length };
    const reply = await client.call('SETXATTR', ino, 'setxattr_in_compat', fields, text('user.a'), Buffer.from(value));
    ok(reply, ...MAY);
    return undefined;
  });
}

function removexattr(path: string): Operation {
  return on(`removexattr ${path}`, path, async (client, ino) => {
    ok(await client.call('REMOVEXATTR', ino, '', {}, text('user.a')), ...MAY);
    return undefined;
  });
}

/** fsync(2), of a directory or of a file; `fdatasync` is fdatasync(2). */
export function fsync(path: string, way: 'fsync' | 'fdatasync' = 'fsync'): Operation {
  return on(`${way} ${path}`, path, async (client, ino) => {
    const directory = client.house.fs.inodes.get(ino)?.isDirectory;
    const fields = { fsync_flags: way === 'fdatasync' ? 1 : 0 };
    ok(await client.call(directory ? 'FSYNCDIR' : 'FSYNC', ino, 'fsync_in', fields));
    return 'all';
  });
}

/** The clock goes on until every timer of the group commit has run. */
export const wait = one('wait', async (client) => {
  for (let i = 0; i < 6; i++) {
    client.clock.advance(1000);
    do await new Promise((resolve) => setImmediate(resolve));
    while (client.volume.commits.busy);
  }
  return undefined;
});

/** A verb on the control session; where the grammar says so, what it changed is durable before its reply. Refusals are fine. */
function verb(line: string, promised: Promised = undefined): Operation {
  return one(line, async (client) => (/^ok/m.test(await client.control(line)) ? promised : undefined));
}

/** A step that moves contents: `run` says how, or that it did not. */
function moving(name: string, run: (client: Client) => Promise<Move | undefined>): Operation {
  let move: Move | undefined;
  const step: Step = {
    name,
    async run(client) {
      move = await run(client);
      return undefined;
    },
    moved: () => move,
  };
  return { name, steps: [step] };
}

/** COLLAPSE_RANGE and INSERT_RANGE of [offset, offset + length). */
function shift(verbName: 'collapse' | 'insert', path: string, offset: number, length: number): Operation {
  const line = `${verbName} path=${path} range=${offset / 1024}k-${(offset + length) / 1024}k`;
  return moving(line, async (client) => {
    const ino = await client.lookup(path);
    if (ino === 0 || !/^ok/m.test(await client.control(line))) return undefined;
    return verbName === 'insert'
      ? { kind: 'shift', ino, at: offset, by: length }
      : { kind: 'shift', ino, at: offset + length, by: -length };
  });
}

/** The whole of a file becomes the beginning of another one, by reflink. */
function clone(from: string, to: string): Operation {
  const line = `clone path=${from} to=${to}`;
  return moving(line, async (client) => {
    const [source, target] = [await client.lookup(from), await client.lookup(to)];
    const length = client.house.fs.inodes.get(source)?.size ?? 0;
    if (source === 0 || target === 0 || !/^ok/m.test(await client.control(line))) return undefined;
    return { kind: 'copy', from: source, to: target, length };
  });
}

/** The same by copy_file_range(2), which shares whole blocks, but where a lease or a seal is: there it writes the bytes. */
function copy(from: string, to: string): Operation {
  return moving(`copy ${from} ${to}`, async (client) => {
    const [source, target] = [await client.lookup(from), await client.lookup(to)];
    if (source === 0 || target === 0) return undefined;
    const length = client.house.fs.inodes.get(source)?.size ?? 0;
    const fields = { off_in: 0, nodeid_out: target, off_out: 0, len: length };
    const reply = ok(await client.call('COPY_FILE_RANGE', source, 'copy_file_range_in', fields), ...MAY);
    const first = (ino: number): number | undefined => client.house.fs.blockmap.extents(ino, 0, 1)[0]?.deviceBlock;
    if (reply.error !== '' || first(source) !== first(target)) return undefined;
    return { kind: 'copy', from: source, to: target, length };
  });
}

/** A lease, and a look at its extents: from the reply on the holder may use these blocks. */
function grant(path: string, words: string): Operation {
  const get = verb(`get path=${path} ${words}`, 'metadata').steps[0];
  const map: Step = {
    name: `map ${path}`,
    async run(client) {
      const lease = client.house.leases.list().find(({ state }) => state === 'GRANTED');
      if (!lease) return undefined;
      return (await client.control(`map id=${lease.id}`)).match(/^ok/m) ? 'metadata' : undefined;
    },
  };
  return { name: `get ${path} ${words}`, steps: [get, map] };
}

/** Something by the lease that is held; without one nothing happens. */
function held(name: string, line: (id: number) => string): Operation {
  return one(name, async (client) => {
    const lease = client.house.leases.list().find(({ state }) => state === 'GRANTED' || state === 'RECALLED');
    if (!lease) return undefined;
    return (await client.control(line(lease.id))).match(/^ok/m) ? 'metadata' : undefined;
  });
}

export const returnLease = held('return', (id) => `return id=${id}`);

/**
 * The alphabet. /a has 4 written blocks, /d/x has 2, /s is sealed, /u has unwritten blocks, /e is empty; the free space
 * holds only 12 blocks, so that freed blocks are soon wanted again.
 */
export const ALPHABET: readonly Operation[] = [
  create('/n'),
  create('/d/n'),
  mkdir('/m'),
  write('/a', 0, 2 * BLOCK, 1),
  write('/a', 1000, 300, 2),
  write('/a', 4 * BLOCK, 2 * BLOCK, 3),
  write('/a', 7 * BLOCK + 100, BLOCK, 4),
  write('/e', 0, 11 * BLOCK, 5),
  write('/e', 0, 2 * BLOCK, 6, O.DSYNC),
  write('/u', BLOCK, 2 * BLOCK, 7),
  truncate('/a', BLOCK + 100),
  truncate('/a', 9 * BLOCK),
  truncate('/a', 0),
  fallocate('/a', 'allocate', 0, 3 * BLOCK, 3 * BLOCK),
  fallocate('/a', 'reserve', FALLOC.KEEP_SIZE, 3 * BLOCK, 3 * BLOCK),
  fallocate('/a', 'punch', FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE, BLOCK, 2 * BLOCK),
  fallocate('/a', 'zero', FALLOC.ZERO_RANGE, 100, 2 * BLOCK),
  unlink('/a'),
  unlink('/d/x'),
  symlink('/y'),
  rename('/a', '/b'),
  rename('/d/x', '/a'),
  rename('/a', '/d/x', 2),
  link('/a', '/d/l'),
  setxattr('/a', 'value'),
  removexattr('/d/x'),
  fsync('/a', 'fdatasync'),
  grant('/a', 'kind=direct mode=ro'),
  grant('/u', 'kind=layout mode=rw'),
  held('commit', (id) => `commit id=${id} range=0-8k size=16k`),
  returnLease,
  verb('seal path=/a', 'metadata'),
  verb('unseal path=/s', 'metadata'),
  verb('prepare path=/a range=0-24k extend', 'all'),
  clone('/d/x', '/a'),
  copy('/d/x', '/a'),
  shift('insert', '/a', BLOCK, BLOCK),
  shift('collapse', '/a', BLOCK, BLOCK),
];

/** Operations of the longer sequences only. */
export const OTHERS: readonly Operation[] = [write('/d/x', 0, 2 * BLOCK, 8), truncate('/d/x', 0), rename('/a', '/d/x')];

/** What the volume holds before a workload begins. */
export const SETUP: readonly Operation[] = [
  mkdir('/d'),
  create('/a'),
  write('/a', 0, 4 * BLOCK, 20),
  create('/d/x'),
  write('/d/x', 0, 2 * BLOCK, 21),
  setxattr('/d/x', 'old'),
  create('/s'),
  write('/s', 0, 2 * BLOCK, 22),
  verb('seal path=/s'),
  create('/u'),
  fallocate('/u', 'allocate', 0, 0, 4 * BLOCK),
  create('/e'),
  fsync('/'),
];

/** Data blocks of the device: what SETUP uses, and a few more. */
export const DATA_BLOCKS = 24;
