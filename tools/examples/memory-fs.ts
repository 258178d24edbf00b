/** A filesystem in memory, one directory deep. `node --import tsx tools/examples/memory-fs.ts DIR`; Ctrl-C unmounts. */
import * as fuse from '../../src/fuse/index.ts';

const { OP, E } = fuse;
const CACHED = { entry: 1, attr: 1 }; // seconds that the kernel may remember names and attributes
const now = { atimeS: 0, atimeNs: 0, mtimeS: Math.floor(Date.now() / 1000), mtimeNs: 0, ctimeS: 0, ctimeNs: 0 };
const owner = { uid: process.getuid!(), gid: process.getgid!(), rdev: 0, blocks512: 0, ...now };
const root = { ...owner, ino: fuse.ROOT_ID, mode: 0o40755, nlink: 2, size: 0, data: Buffer.alloc(0) };
const nodes = new Map([[root.ino, root]]);
const names = new Map<string, number>();
let next = 2;

const handlers: fuse.Handler[] = [];
const on = (opcode: number, handler: (r: fuse.Request, node: typeof root) => void): void => {
  handlers[opcode] = (r) => {
    const node = nodes.get(r.nodeid);
    node === undefined ? r.error(E.STALE) : handler(r, node);
  };
};
const entry = (r: fuse.Request, node: typeof root) => fuse.putEntry(r.out.view, r.out.start, node, CACHED, 4096);
const resize = (node: typeof root, size: number) => {
  const kept = node.data.subarray(0, size);
  Object.assign(node, { size, data: Buffer.concat([kept, Buffer.alloc(size - kept.length)]) });
};

on(OP.LOOKUP, (r) => {
  const ino = names.get(r.name(0).toString());
  ino === undefined ? r.error(E.NOENT) : r.ok(entry(r, nodes.get(ino)!));
});
on(OP.FORGET, (r) => r.none());
on(OP.GETATTR, (r, node) => r.ok(fuse.putAttrOut(r.out.view, r.out.start, node, CACHED, 4096)));
on(OP.SETATTR, (r, node) => {
  const { valid = 0, size = 0, mode = 0 } = fuse.decode('setattr_in', r.view, r.body);
  if (valid & 8) resize(node, size);
  if (valid & 1) node.mode = mode;
  r.ok(fuse.putAttrOut(r.out.view, r.out.start, node, CACHED, 4096));
});
on(OP.CREATE, (r) => {
  const node = { ...root, ino: next++, mode: r.u32(4), nlink: 1 };
  nodes.set(node.ino, node);
  names.set(r.name(16).toString(), node.ino);
  const length = entry(r, node);
  r.ok(length + fuse.putOpen(r.out.view, r.out.start + length, 0, 0));
});
on(OP.OPEN, (r) => r.ok(fuse.putOpen(r.out.view, r.out.start, 0, fuse.FOPEN.KEEP_CACHE)));
on(OP.RELEASE, (r) => r.ok());
on(OP.READ, (r, { data }) => r.ok(data.copy(r.out.bytes, r.out.start, r.u64(8), r.u64(8) + r.u32(16))));
on(OP.WRITE, (r, node) => {
  const { offset = 0, size = 0 } = fuse.decode('write_in', r.view, r.body);
  if (offset + size > node.size) resize(node, offset + size);
  r.bytes.copy(node.data, offset, r.body + 40, r.body + 40 + size);
  r.ok(fuse.putWrite(r.out.view, r.out.start, size));
});
on(OP.UNLINK, (r) => (names.delete(r.name(0).toString()) ? r.ok() : r.error(E.NOENT)));
on(OP.READDIR, (r) => {
  let length = 0;
  for (const [i, [name, ino]] of [...names].entries()) {
    if (i < r.u64(8) || length + fuse.direntSize(Buffer.byteLength(name)) > r.u32(16)) continue;
    length += fuse.putDirent(r.out.bytes, r.out.view, r.out.start + length, ino, i + 1, Buffer.from(name), 8);
  }
  r.ok(length);
});

const dir = process.argv[2]!;
const { fd } = fuse.openAndMount({ dir, fsname: 'memory', subtype: 'memory', defaultPermissions: true });
const session = new fuse.Session({ fd, handlers, negotiate: { flags: ['BIG_WRITES', 'NO_OPENDIR_SUPPORT'] } });
process.once('SIGINT', () => fuse.unmount(dir, { lazy: true }));
await session.run();
