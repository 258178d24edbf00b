import { WRITE } from '../blockmap/extent.ts';
import { WRITE as WRITE_FLAG } from '../fuse/protocol.ts';
import { putWrite } from '../fuse/replies.ts';
import { put64 } from '../fuse/structs.ts';
import type { Change } from '../lease/api.ts';
import { FALLOC, O } from '../system/constants.ts';
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
    const wanted = offset + Math.min(size, request.out.capacity);
    // Before the end of the file counts: a revoked mapping must fault even where a truncate took the file away.
    if (!range.mayRead(offset, wanted)) {
      request.error(E.IO);
      return;
    }
    const end = Math.min(wanted, inode.size);
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

  write(request: Request, offset: number, size: number): void {
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
    // What comes while the window is closed is only taken from dirty pages, which are written back for the last time.
    if (!range.mayWrite(from, to) || (!fromCache && !range.mayRead(from, to))) {
      request.error(E.IO);
      return;
    }
    const { bytes } = request;
    const stray = !isZero(bytes, data, data + from - offset) || !isZero(bytes, data + to - offset, data + size);
    if (!this.store(request, from, to, data + from - offset)) return;
    if (stray) request.error(E.IO);
    else request.ok(putWrite(request.out.view, request.out.start, size));
  }

  fsync(request: Request): void {
    const parked = request.park();
    this.ports.commits.whenDurable((errno) => (errno === 0 ? parked.ok() : parked.error(errno)));
  }

  /** SEEK_DATA and SEEK_HOLE; a fixed map has no holes that a reader could skip with a gain. */
  lseek(request: Request, offset: number, whence: number): void {
    const { size } = this.inode;
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return request.error(E.INVAL);
    if (offset < 0 || offset >= size) return request.error(E.NXIO);
    put64(request.out.view, request.out.start, whence === SEEK_DATA ? offset : size);
    request.ok(8);
  }

  /** Blocks that are there already are what mode 0 asks for; anything else would change the map that is held. */
  fallocate(request: Request, offset: number, length: number, mode: number): void {
    const { inode, range, ports } = this;
    const end = offset + length;
    const isAllocation = (mode & ~FALLOC.KEEP_SIZE) === 0;
    const isThere = end <= Math.min(range.end, inode.size) && offset >= range.offset;
    const lacks = (): boolean =>
      (ports.blocks.classifyWrite(inode, offset, length) & (WRITE.HOLE | WRITE.SHARED)) !== 0;
    if (isAllocation && isThere && !lacks()) request.ok();
    else request.error(E.DEADLK);
  }

  release(): void {
    this.onRelease();
  }

  /** Writes [from, to) of the file out of the request's bytes, once the leases of others let it. */
  private store(request: Request, from: number, to: number, at: number): boolean {
    const { inode, ports } = this;
    const nonblocking = (request.u32(WRITE_IN.FLAGS) & O.NONBLOCK) !== 0;
    const changes = this.changes(from, to);
    if (!ports.guard.admit(request, inode, 'window.write', changes, this.handle, nonblocking)) return false;
    if (inode.isFixed) {
      request.error(E.PERM);
      return false;
    }
    this.dropPrivileges(request);
    const written = ports.blocks.write(inode, from, to - from, request.address + at);
    if (written < 0) {
      request.error(-written);
      return false;
    }
    ports.inodes.touchChange(inode);
    this.windows.coherence.changed(inode.ino, from, to - from, this.node);
    return true;
  }

  /** As a write(2) to the file would; the page cache writes in nobody's name, so in the holder's. */
  private dropPrivileges({ uid, gid }: Request): void {
    const { inode, ports, range } = this;
    const writer = uid === 0 ? ports.leases.find(range.lease)?.holder : { uid, gid };
    if (!ports.access.dropPrivileges(inode, { uid: 0, gid: 0, groups: [], ...writer })) return;
    void ports.notifier.invalInode(inode.ino, -1, 0);
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

/** lseek(2). */
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

function isZero(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}
