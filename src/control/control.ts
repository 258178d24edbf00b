import { OP } from '../fuse/protocol.ts';
import { putPoll } from '../fuse/replies.ts';
import type { LeaseEvent } from '../lease/events.ts';
import type { WindowPort } from '../lease/ports.ts';
import { E } from '../system/errno.ts';
import { Attributes } from './attributes.ts';
import { Directory } from './directory.ts';
import { Directs } from './directs.ts';
import { layoutEvent } from './events.ts';
import type { Parsed } from './grammar/parse.ts';
import { READ_IN, WRITE_IN } from './handle.ts';
import { ioctl } from './ioctl.ts';
import { KernelNodes } from './kernelNodes.ts';
import { deviceWindowIno, fixedId, nodeOf } from './nodes.ts';
import { Opens } from './opens.ts';
import { type Action, type Asker, failed, type Outcome } from './outcome.ts';
import type { ControlPorts, Inode, Pending, Request } from './ports.ts';
import { Tree } from './tree.ts';
import { ACTIONS } from './verbs/index.ts';
import { view } from './views.ts';
import { Windows } from './windows.ts';

/** Position of fields in fuse_poll_in. */
const POLL_IN = { FH: 0, KH: 8, FLAGS: 16 };
const POLL_SCHEDULE = 1;
/** Verbs that change no file. */
const WHILE_FROZEN: ReadonlySet<string> = new Set(
  'thaw freeze ls why policy map quarantine return ack delay renew inject'.split(' '),
);
/** fuse_setattr_in.valid: bits that change the size. */
const SETATTR_SIZE = 8;

/** How long the FORGET of a window that nobody uses may take. */
const RETIRE_MS = 250;

/**
 * The control layer: requests on nodes of the hidden directory (`handle`), and what the operations on files ask of it.
 * Its lease engine is made with `windows` and `notify` of this object as ports.
 */
export class Control {
  readonly windows: Windows;
  private readonly ports: ControlPorts;
  private readonly directory: Directory;
  private readonly directs: Directs;
  private readonly tree: Tree;
  private readonly known: KernelNodes;
  private readonly opens: Opens;

  constructor(ports: ControlPorts) {
    this.ports = ports;
    this.directs = new Directs(ports.numbers);
    this.windows = new Windows(ports);
    this.known = new KernelNodes(ports.clock, ports.deviceNodes);
    this.tree = new Tree(ports, this.directs);
    const attributes = new Attributes(ports, this.directs);
    this.directory = new Directory(ports, attributes, this.directs, this.tree, this.known);
    this.windows.onRefused = (node) => this.directs.retire(node);
    this.opens = new Opens(ports, this.windows, this.directs, this.known, (asker, request, done) =>
      this.perform(asker, request, done),
    );
  }

  /** Port of the lease engine: an event for a session, 0 for none. Every event also goes to `.layout/events`. */
  notify(session: number, event: LeaseEvent): void {
    if (event.event === 'released' || event.event === 'revoked') {
      this.windows.ended(event.lease);
      this.forgetDeviceWindow(event.lease);
    }
    this.opens.sessions.get(session)?.tell(layoutEvent(event));
    this.opens.tell(event);
  }

  /** Port of the lease engine: closes guarded windows. */
  get windowPort(): WindowPort {
    return this.windows;
  }

  /** A daemon takes a mount over, before and after it has restored the leases: what was open goes on. */
  restoreSessions(): void {
    this.opens.restoreSessions();
  }

  restoreWindows(): void {
    this.opens.restoreWindows();
  }

  /** When the connection serves again: what the daemon before had still to tell the kernel of changed pages is not known. */
  refresh(): void {
    this.windows.coherence.refresh();
  }

  /** LOOKUP of the hidden directory's name in the root. */
  lookup(request: Request): void {
    this.directory.lookupRoot(request);
  }

  /** Value of the virtual attribute `user.layout.*`. */
  xattr(inode: Inode, name: Buffer): Buffer | undefined {
    return view(this.ports, inode, name);
  }

  /** LAYOUT_IOC_* on a file of the volume: true when it was one; then it is answered or parked. */
  ioctl(request: Request, inode: Inode): boolean {
    const caller = this.ports.callers.of(request.uid, request.gid, request.pid);
    const asker = { session: 0, caller, handle: request.u64(0) };
    return ioctl({ ports: this.ports, windows: this.windows, asker }, request, inode);
  }

  forget(nodeid: number, n: number): void {
    this.directs.forget(nodeid, n);
    if (this.known.known(nodeid)) {
      this.known.forget(nodeid, n);
      // The last mapping may have gone long after the last descriptor: only now its blocks are out of reach.
      if (!this.known.known(nodeid)) this.ports.leases.windowClosed(nodeOf(nodeid)?.number ?? 0, 'device');
    }
  }

  /**
   * Does nobody reach the device window of a lease that is over, by descriptor or mapping? Asked of the kernel: its name
   * is invalidated, and `done(true)` follows the FORGET of its inode; `done(false)` when that does not come.
   */
  retireDeviceWindow(lease: number, done: (gone: boolean) => void): void {
    const node = deviceWindowIno(lease);
    if (!this.known.known(node)) return done(true);
    this.forgetDeviceWindow(lease);
    this.known.whenForgotten(node, RETIRE_MS, done);
  }

  /**
   * The kernel caches names that nobody uses. That of a lease which is over would keep its window known, and as long as any
   * window is known the kernel can not say that nobody else has the backing file open.
   */
  private forgetDeviceWindow(lease: number): void {
    if (!this.known.known(deviceWindowIno(lease))) return;
    void this.ports.notifier.invalEntry(fixedId('device'), Buffer.from(String(lease)));
  }

  /** Has the kernel let go of the backing file, as far as it depends on us? Not while it knows a device window. */
  letGoOfDevice(): boolean {
    if (this.known.size > 0) return false;
    this.ports.passthrough.close();
    return true;
  }

  /** Are windows of its leases open on the file, so that `changed` has to be told? The fast path of every write. */
  windowed(ino: number): boolean {
    return this.windows.coherence.has(ino);
  }

  /** Bytes of a file changed by an operation on the file itself: windows on it forget their pages. */
  changed(ino: number, offset: number, length: number): void {
    this.windows.coherence.changed(ino, offset, length, ino);
  }

  /** A request on a node of the hidden directory. */
  handle(request: Request): void {
    if (this.tree.handle(request)) return;
    switch (request.opcode) {
      case OP.LOOKUP:
        return this.directory.lookup(request);
      case OP.FORGET:
        this.forget(request.nodeid, request.u64(0));
        return request.none();
      case OP.GETATTR:
        return this.directory.getattr(request);
      case OP.SETATTR:
        return this.setattr(request);
      case OP.OPEN:
        return this.opens.open(request);
      case OP.READ:
      case OP.WRITE:
      case OP.POLL:
      case OP.FSYNC:
      case OP.IOCTL:
      case OP.LSEEK:
      case OP.FALLOCATE:
        return this.onHandle(request);
      case OP.RELEASE:
        this.opens.release(request.u64(0));
        return request.ok();
      // Directories have no handle of their own: READDIR goes by the node.
      case OP.OPENDIR:
        request.out.bytes.fill(0, request.out.start, request.out.start + 16);
        return request.ok(16);
      case OP.READDIR:
        return this.directory.readdir(request);
      case OP.RELEASEDIR:
      case OP.FSYNCDIR:
      case OP.FLUSH:
      case OP.ACCESS:
        return request.ok();
      case OP.GETXATTR:
        return request.error(E.NODATA);
      case OP.LISTXATTR:
        return request.ok(putNoNames(request));
      case OP.READDIRPLUS:
        return this.directory.readdirplus(request);
      case OP.STATX:
        return this.directory.statx(request);
      case OP.MKNOD:
      case OP.MKDIR:
      case OP.CREATE:
      case OP.SYMLINK:
      case OP.LINK:
      case OP.UNLINK:
      case OP.RMDIR:
      case OP.RENAME:
      case OP.RENAME2:
      case OP.TMPFILE:
        return request.error(E.PERM);
      // ENOSYS would tell the kernel never to ask again, for files neither.
      default:
        return request.error(E.OPNOTSUPP);
    }
  }

  private perform(asker: Asker, request: Parsed, done: (outcome: Outcome) => void): Pending | undefined {
    if (this.ports.freezer?.isFrozen && !WHILE_FROZEN.has(request.verb)) {
      done(failed(E.BUSY, 'the filesystem is frozen: thaw it first'));
      return undefined;
    }
    const context = { ports: this.ports, windows: this.windows, asker };
    const action = ACTIONS[request.verb] as unknown as Action<never, unknown>;
    // Done, and known to be done, before whoever waited for it goes on and is answered.
    return this.ports.leases.turn(() => action(context, request.values, done as never));
  }

  private onHandle(request: Request): void {
    const handle = this.opens.handles.get(request.u64(0));
    if (!handle) return request.error(E.BADF);
    switch (request.opcode) {
      case OP.READ:
        return handle.read(request, request.u64(READ_IN.OFFSET), request.u32(READ_IN.SIZE), request.u32(READ_IN.FLAGS));
      case OP.WRITE: {
        const size = request.u32(WRITE_IN.SIZE);
        if (size > request.end - request.body - WRITE_IN.LENGTH) return request.error(E.INVAL);
        return handle.write(request, request.u64(WRITE_IN.OFFSET), size, request.u32(WRITE_IN.FLAGS));
      }
      case OP.POLL: {
        const scheduled = (request.u32(POLL_IN.FLAGS) & POLL_SCHEDULE) !== 0;
        const revents = handle.poll?.(scheduled ? request.u64(POLL_IN.KH) : 0) ?? request.u32(20) & 0x145;
        return request.ok(putPoll(request.out.view, request.out.start, revents));
      }
      case OP.IOCTL:
        return handle.ioctl ? handle.ioctl(request) : request.error(E.NOTTY);
      case OP.LSEEK:
        return handle.lseek ? handle.lseek(request, request.i64(8), request.u32(16)) : request.error(E.INVAL);
      case OP.FALLOCATE:
        return handle.fallocate
          ? handle.fallocate(request, request.u64(8), request.u64(16), request.u32(24))
          : request.error(E.OPNOTSUPP);
      default:
        return handle.fsync ? handle.fsync(request) : request.ok();
    }
  }

  /** chmod and its like are refused; a size is taken where nothing comes of it (`>` on `ctl`). */
  private setattr(request: Request): void {
    const area = nodeOf(request.nodeid)?.area;
    const valid = request.u32(0);
    if (area === 'session' || area === 'fixed') {
      if ((valid & 7) !== 0) return request.error(E.PERM);
      return this.directory.getattr(request);
    }
    if ((valid & SETATTR_SIZE) !== 0) return request.error(E.DEADLK);
    request.error(E.PERM);
  }
}

/** LISTXATTR of what has no extended attributes: a size of 0. Answers the bytes of the payload. */
function putNoNames(request: Request): number {
  const { view, start } = request.out;
  view.setUint32(start, 0, true);
  view.setUint32(start + 4, 0, true);
  return request.u32(0) === 0 ? 8 : 0;
}
