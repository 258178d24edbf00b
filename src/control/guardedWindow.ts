import { WRITE } from '../blockmap/extent.ts';
import { WRITE as WRITE_FLAG } from '../fuse/protocol.ts';
import { putWrite } from '../fuse/replies.ts';
import type { Change } from '../lease/api.ts';
import { O } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import { type Handle, WRITE_IN } from './handle.ts';
import type { ControlPorts, Inode, Request } from './ports.ts';
import type { WindowRange } from './windowrange.ts';
import type { Windows } from './windows.ts';

/**
 * An open guarded window: the leased range at file offsets, served from the block map.
 *
 * Outside of the range: ENXIO. A request of the page cache may straddle an end of the range, because the kernel reads
 * and writes whole folios: the part outside reads as zeros, and of a write only zeros are taken for it (what the folio
 * was read with); anything else was a store outside of the range, and is EIO. Revoked: EIO, which is SIGBUS for a
 * mapping. A write never allocates under a kind of lease that promises a fixed map, and never grows the file.
 */
export class GuardedWindow implements Handle {
  readonly handle: number;
  readonly node: number;
  readonly range: WindowRange;
  private readonly inode: Inode;
  private readonly ports: ControlPorts;
  private readonly windows: Windows;
  private readonly onRelease: () => void;

  constructor(
    windows: Windows,
    options: { handle: number; node: number; range: WindowRange; inode: Inode; onRelease: () => void },
  ) {
    this.windows = windows;
    this.ports = windows.ports;
    this.handle = options.handle;
    this.node = options.node;
    this.range = options.range;
    this.inode = options.inode;
    this.onRelease = options.onRelease;
  }

  read(request: Request, offset: number, size: number): void {
    const { range, inode, ports } = this;
    const end = Math.min(offset + Math.min(size, request.out.capacity), inode.size);
    if (offset >= end) {
      request.ok(0);
      return;
    }
    const from = Math.max(offset, range.offset);
    const to = Math.min(end, range.end);
    if (from >= to) {
      request.error(E.NXIO);
      return;
    }
    if (!range.mayRead(from, to)) {
      request.error(E.IO);
      return;
    }
    const { start, bytes, address } = request.out;
    const got = ports.blocks.read(inode, from, to - from, address + (from - offset));
    if (got < 0) {
      request.error(-got);
      return;
    }
    bytes.fill(0, start, start + (from - offset));
    bytes.fill(0, start + (to - offset), start + (end - offset));
    request.ok(end - offset);
  }

  write(request: Request, offset: number, size: number, flags: number): void {
    const { range, inode } = this;
    const fromCache = (request.u32(WRITE_IN.WRITE_FLAGS) & WRITE_FLAG.CACHE) !== 0;
    const data = request.body + WRITE_IN.LENGTH;
    const limit = Math.min(range.end, inode.size);
    const from = Math.max(offset, range.offset);
    const to = Math.min(offset + size, limit);
    if (!range.writable) {
      request.error(E.BADF);
      return;
    }
    if (from >= to || (!fromCache && (from > offset || to < offset + size))) {
      request.error(range.touches(offset, offset + size) && offset + size > inode.size ? E.DEADLK : E.NXIO);
      return;
    }
    if (!range.mayWrite(from, to)) {
      request.error(E.IO);
      return;
    }
    const { bytes } = request;
    const stray = !isZero(bytes, data, data + from - offset) || !isZero(bytes, data + to - offset, data + size);
    this.store(request, from, to, data + from - offset, size, stray ? E.IO : 0, flags);
  }

  fsync(request: Request): void {
    const parked = request.park();
    this.ports.commits.whenDurable((errno) => (errno === 0 ? parked.ok() : parked.error(errno)));
  }

  release(): void {
    this.onRelease();
  }

  /** Writes [from, to) of the file out of the request's bytes, once the leases of others let it. */
  private store(
    request: Request,
    from: number,
    to: number,
    at: number,
    size: number,
    verdict: number,
    flags: number,
  ): void {
    const { inode, ports } = this;
    const { uid, gid, pid } = request;
    // The data stays in the request, and a parked one is a copy: only its own address counts when the time comes.
    let current = request;
    let written = 0;
    let answered = false;
    const pending = ports.guard.run({
      touches: [{ inode, changes: this.changes(from, to) }],
      actor: { uid, gid, pid, fh: this.handle },
      operation: 'window.write',
      patienceMs: (flags & O.NONBLOCK) !== 0 ? 0 : Number.POSITIVE_INFINITY,
      change: () => {
        written = ports.blocks.write(inode, from, to - from, current.address + at);
        if (written < 0) return -written;
        ports.inodes.touchChange(inode);
        ports.inodes.endOperation();
        return 0;
      },
      done: (errno) => {
        answered = true;
        if (errno === 0) this.windows.coherence.changed(inode.ino, from, to - from, this.node);
        if (errno !== 0 || verdict !== 0) current.error(errno || verdict);
        else current.ok(putWrite(current.out.view, current.out.start, size));
      },
    });
    if (answered) return;
    current = request.park();
    if (pending) current.onInterrupt = () => pending.cancel(E.INTR);
  }

  private changes(from: number, to: number): Change[] {
    const met = this.ports.blocks.classifyWrite(this.inode, from, to - from);
    const span = { offset: from, length: to - from };
    const changes: Change[] = [];
    if ((met & WRITE.INPLACE) !== 0) changes.push({ row: 'write-in-place', ...span });
    if ((met & WRITE.UNWRITTEN) !== 0) changes.push({ row: 'write-unwritten', ...span });
    if ((met & WRITE.HOLE) !== 0) changes.push({ row: 'write-hole', ...span });
    if ((met & WRITE.SHARED) !== 0) changes.push({ row: 'prepare', ...span });
    return changes;
  }
}

function isZero(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}
