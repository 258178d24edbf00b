/** A filesystem in memory, one directory deep. `node --import tsx tools/examples/memory-fs.ts DIR`; Ctrl-C unmounts. */
import * as fuse from '../../src/fuse/index.ts';

const CACHED = { entry: 1, attr: 1 }; // seconds that the kernel may remember names and attributes
const now = { atimeS: 0, atimeNs: 0, mtimeS: Math.floor(Date.now() / 1000), mtimeNs: 0, ctimeS: 0, ctimeNs: 0 };
const owner = { uid: process.getuid!(), gid: process.getgid!(), rdev: 0, blocks512: 0, ...now };
const root = { ...owner, ino: fuse.ROOT_ID, mode: 0o40755, nlink: 2, size: 0, data: Buffer.alloc(0) };
const nodes = new Map([[root.ino, root]]);
const names = new Map<string, number>();
let next = 2;

const at = (r: fuse.Request, use: (node: typeof root) => void): void => {
  const node = nodes.get(r.nodeid);
  node === undefined ? r.error(fuse.E.STALE) : use(node);
};
const entry = (r: fuse.Request, node: typeof root) => fuse.putEntry(r.out.view, r.out.start, node, CACHED, 4096);
const attrs = (r: fuse.Request, node: typeof root) =>
  r.ok(fuse.putAttrOut(r.out.view, r.out.start, node, CACHED, 4096));
const resize = (node: typeof root, size: number) => {
  const kept = node.data.subarray(0, size);
  Object.assign(node, { size, data: Buffer.concat([kept, Buffer.alloc(size - kept.length)]) });
};

const handlers = fuse.typedHandlers({
  LOOKUP(r, _, name) {
    const node = nodes.get(names.get(name.toString()) ?? 0);
    node === undefined ? r.error(fuse.E.NOENT) : r.ok(entry(r, node));
  },
  FORGET: (r) => r.none(),
  GETATTR: (r) => at(r, (node) => attrs(r, node)),
  SETATTR(r, { valid, size, mode }) {
    at(r, (node) => {
      if (valid & 8) resize(node, size);
      if (valid & 1) node.mode = mode;
      attrs(r, node);
    });
  },
  CREATE(r, { mode }, name) {
    const node = { ...root, ino: next++, mode, nlink: 1 };
    names.set(name.toString(), node.ino);
    nodes.set(node.ino, node);
    const length = entry(r, node);
    r.ok(length + fuse.putOpen(r.out.view, r.out.start + length, 0, 0));
  },
  OPEN: (r) => r.ok(fuse.putOpen(r.out.view, r.out.start, 0, fuse.FOPEN.KEEP_CACHE)),
  RELEASE: (r) => r.ok(),
  READ: (r, { offset, size }) => at(r, ({ data }) => r.ok(data.copy(r.out.bytes, r.out.start, offset, offset + size))),
  WRITE(r, { offset, size }, data) {
    at(r, (node) => {
      if (offset + size > node.size) resize(node, offset + size);
      data.copy(node.data, offset);
      r.ok(fuse.putWrite(r.out.view, r.out.start, size));
    });
  },
  UNLINK: (r, _, name) => (names.delete(name.toString()) ? r.ok() : r.error(fuse.E.NOENT)),
  READDIR(r, { offset, size }) {
    let length = 0;
    for (const [i, [name, ino]] of [...names].entries()) {
      if (i < offset || length + fuse.direntSize(Buffer.byteLength(name)) > size) continue;
      length += fuse.putDirent(r.out.bytes, r.out.view, r.out.start + length, ino, i + 1, Buffer.from(name), 8);
    }
    r.ok(length);
  },
});

const dir = process.argv[2]!;
const { fd } = fuse.openAndMount({ dir, fsname: 'memory', subtype: 'memory', defaultPermissions: true });
const session = new fuse.Session({ fd, handlers, negotiate: { flags: ['BIG_WRITES', 'NO_OPENDIR_SUPPORT'] } });
process.once('SIGINT', () => fuse.unmount(dir, { lazy: true }));
await session.run();
