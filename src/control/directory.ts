import { direntSize, putAttrOut, putDirent, putEntry, putNoEntry, putStatx, SIZE } from '../fuse/replies.ts';
import { ROOT_INO, S } from '../namespace/inode.ts';
import { E } from '../system/errno.ts';
import type { Attributes } from './attributes.ts';
import { isLive } from './deviceWindow.ts';
import type { Directs } from './directs.ts';
import { NUMBER } from './handle.ts';
import type { KernelNodes } from './kernelNodes.ts';
import { CONTROL_ROOT, FIXED, type FixedName, fixedId, nodeId, nodeOf } from './nodes.ts';
import type { ControlPorts, Inode, Request } from './ports.ts';
import type { Tree } from './tree.ts';
import { visibleTo } from './visibility.ts';

/** Nothing of the hidden directory is remembered by the kernel: what there is changes without a notification. */
const NO_TIMEOUTS = { entry: 0, attr: 0 };
const IS_DIRECTORY: ReadonlySet<FixedName> = new Set(['.', 'lease', 'device', 'direct']);
/** Position of fields in fuse_read_in. */
const READDIR = { OFFSET: 8, SIZE: 16 };
const PAGE = 256;

interface Entry {
  name: Buffer;
  cookie: number;
  ino: number;
  type: number;
}

/** Names of the hidden directory: LOOKUP, GETATTR, READDIR. */
export class Directory {
  private readonly ports: ControlPorts;
  private readonly attributes: Attributes;
  private readonly directs: Directs;
  private readonly tree: Tree;
  private readonly known: KernelNodes;
  private readonly numbers: Float64Array;

  constructor(ports: ControlPorts, attributes: Attributes, directs: Directs, tree: Tree, known: KernelNodes) {
    this.ports = ports;
    this.numbers = ports.numbers ?? new Float64Array(8);
    this.tree = tree;
    this.known = known;
    this.attributes = attributes;
    this.directs = directs;
  }

  /** LOOKUP of the hidden directory itself, in the root of the mount. */
  lookupRoot(request: Request): void {
    this.replyEntry(request, CONTROL_ROOT);
  }

  lookup(request: Request): void {
    const parent = nodeOf(request.nodeid);
    const name = request.name(0);
    if (parent?.area === 'tree') this.lookupTree(request, parent.number, name);
    else if (parent?.area === 'fixed')
      this.replyEntry(request, this.child(FIXED[parent.number], name.toString('latin1')));
    else request.error(E.NOTDIR);
  }

  getattr(request: Request): void {
    const attributes = this.attributes.of(request.nodeid);
    if (!attributes) return request.error(E.STALE);
    const { view, start } = request.out;
    request.ok(putAttrOut(view, start, attributes, NO_TIMEOUTS, this.ports.device.blockSize));
  }

  statx(request: Request): void {
    const a = this.attributes.of(request.nodeid);
    if (!a) return request.error(E.STALE);
    const { view, start } = request.out;
    const born = { ...a, btimeS: a.ctimeS, btimeNs: a.ctimeNs };
    request.ok(putStatx(view, start, born, NO_TIMEOUTS, this.ports.device.blockSize));
  }

  readdir(request: Request): void {
    this.list(request, 0);
  }

  /** The entries without attributes: the kernel asks for those it needs. Here each look-up makes a node. */
  readdirplus(request: Request): void {
    this.list(request, SIZE.ENTRY_OUT);
  }

  private list(request: Request, before: number): void {
    const node = nodeOf(request.nodeid);
    const after = request.u64(READDIR.OFFSET);
    const room = Math.min(request.u32(READDIR.SIZE), request.out.capacity);
    const { bytes, view, start } = request.out;
    let used = 0;
    for (const { name, cookie, ino, type } of this.entries(node, after, request)) {
      if (used + before + direntSize(name.length) > room) break;
      if (before > 0) used += putNoEntry(view, start + used);
      used += putDirent(bytes, view, start + used, ino, cookie, name, type);
    }
    request.ok(used);
  }

  /** Node id of a name, 0 if there is none. */
  private child(parent: FixedName | undefined, name: string): number {
    if (parent === '.') {
      if (name === 'ctl') return nodeId('session', ++this.numbers[NUMBER.SESSION_NODE]);
      if (name === 'direct') return nodeId('tree', ROOT_INO);
      return name !== '.' && (FIXED as readonly string[]).includes(name) ? fixedId(name as FixedName) : 0;
    }
    if ((parent === 'lease' || parent === 'device') && /^[1-9][0-9]{0,13}$/.test(name))
      return nodeId(parent, Number(name));
    return 0;
  }

  private lookupTree(request: Request, parent: number, name: Buffer): void {
    const ino = this.ports.dentries.lookup(parent, name);
    const inode = ino === 0 ? undefined : this.ports.inodes.get(ino);
    if (!inode) return request.error(E.NOENT);
    if (inode.isDirectory) return this.replyEntry(request, this.directs.directory(request.nodeid, name, ino));
    if (!hasBlocks(inode)) return this.tree.lookup(request, parent);
    this.replyEntry(request, this.directs.file(request.nodeid, name, ino));
  }

  private replyEntry(request: Request, nodeid: number): void {
    const attributes = nodeid === 0 ? undefined : this.attributes.of(nodeid);
    if (!attributes) return request.error(E.NOENT);
    const { view, start } = request.out;
    // A served one needs no such proof: the daemon takes its pages back.
    const isDevice = nodeOf(nodeid)?.area === 'device';
    if (isDevice && this.ports.passthrough.available() === true) this.known.remember(nodeid);
    request.ok(putEntry(view, start, attributes, NO_TIMEOUTS, this.ports.device.blockSize, nodeid));
  }

  private *entries(node: ReturnType<typeof nodeOf>, after: number, request: Request): Generator<Entry> {
    const own = { ino: request.nodeid, type: S.IFDIR >>> 12 };
    if (after < 1) yield { name: Buffer.from('.'), cookie: 1, ...own };
    if (after < 2) yield { name: Buffer.from('..'), cookie: 2, ...own };
    if (node?.area === 'tree') yield* this.treeEntries(node.number, Math.max(2, after));
    else if (node?.number === FIXED.indexOf('.')) yield* fixedEntries(after);
    else if (node) yield* this.windowEntries(FIXED[node.number] as 'lease' | 'device', after, request);
  }

  private *treeEntries(ino: number, after: number): Generator<Entry> {
    for (let from = after; ; ) {
      const rows = this.ports.dentries.list(ino, from, PAGE);
      for (const [name, cookie, child, type] of rows) {
        from = cookie;
        const area = type === S.IFDIR >>> 12 ? 'tree' : type === S.IFREG >>> 12 ? 'direct' : undefined;
        yield { name, cookie, ino: area === undefined ? child : nodeId(area, child), type };
      }
      if (rows.length < PAGE) return;
    }
  }

  /** Windows of live leases that the caller may see; the cookie is the lease's id, moved behind the dots. */
  private *windowEntries(area: 'lease' | 'device', after: number, request: Request): Generator<Entry> {
    const isVisible = visibleTo(this.ports, this.ports.callers.of(request.uid, request.gid, request.pid));
    const leases = this.ports.leases.list().sort((a, b) => a.id - b.id);
    for (const { id, state, ino, path, holder } of leases) {
      if (id + 2 <= after || !isLive(state) || !isVisible({ ino, path, uid: holder.uid })) continue;
      yield { name: Buffer.from(String(id)), cookie: id + 2, ino: nodeId(area, id), type: S.IFREG >>> 12 };
    }
  }
}

/** Is there anything that a lease could hold in its place? */
function hasBlocks(inode: Inode): boolean {
  return inode.isRegular && (inode.size > 0 || inode.blocks > 0);
}

function* fixedEntries(after: number): Generator<Entry> {
  for (let i = Math.max(1, after - 1); i < FIXED.length; i++) {
    const name = FIXED[i] as FixedName;
    const type = (IS_DIRECTORY.has(name) ? S.IFDIR : S.IFREG) >>> 12;
    yield { name: Buffer.from(name), cookie: i + 2, ino: fixedId(name), type };
  }
}
