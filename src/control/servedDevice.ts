import { WRITE } from '../fuse/protocol.ts';
import { putWrite } from '../fuse/replies.ts';
import { E } from '../system/errno.ts';
import { type Handle, WRITE_IN } from './handle.ts';
import type { ControlPorts, Inode, Request } from './ports.ts';
import type { Place, Span, WindowRange } from './windowrange.ts';
import type { Windows } from './windows.ts';

/** Bytes of the device of which it is remembered together that the kernel may have pages of them. */
const STEP = 64 * 2 ** 20;

/** A run of blocks under the lease: bytes of the device, and where the first of them is in the file. */
interface Run extends Span {
  readonly file: number;
}

/** Where the blocks of a leased range are on the device, as the block map is now. */
export class DevicePlace implements Place {
  private readonly ports: Pick<ControlPorts, 'blocks' | 'device'>;
  private readonly range: WindowRange;
  private readonly inode: Inode;
  /** In order of the device, at generation `gen`. */
  private runs: Run[] = [];
  private gen = -1;
  private readonly steps = new Set<number>();

  constructor(ports: Pick<ControlPorts, 'blocks' | 'device'>, range: WindowRange, inode: Inode) {
    this.ports = ports;
    this.range = range;
    this.inode = inode;
  }

  /** Parts of [from, to) of the device that are the lease's, in order; the kernel may have pages of them from now on. */
  pieces(from: number, to: number): Run[] {
    const runs = this.now();
    const pieces: Run[] = [];
    for (let at = firstBeyond(runs, from); at < runs.length; at++) {
      const run = runs[at] as Run;
      if (run.from >= to) break;
      const start = Math.max(run.from, from);
      pieces.push({ from: start, to: Math.min(run.to, to), file: run.file + start - run.from });
    }
    for (let step = Math.floor(from / STEP); step * STEP < to; step++) this.steps.add(step);
    return pieces;
  }

  spans(from: number, to: number): Span[] {
    const spans: Span[] = [];
    for (const run of this.now()) {
      const start = Math.max(run.file, from);
      const end = Math.min(run.file + run.to - run.from, to);
      if (start < end) spans.push({ from: run.from + start - run.file, to: run.from + end - run.file });
    }
    return spans;
  }

  touched(): Span[] {
    return [...this.steps].map((step) => ({ from: step * STEP, to: (step + 1) * STEP }));
  }

  /** What an earlier daemon has served is not known: it may be all. */
  touchAll(): void {
    for (const { from, to } of this.now()) {
      for (let step = Math.floor(from / STEP); step * STEP < to; step++) this.steps.add(step);
    }
  }

  private now(): readonly Run[] {
    if (this.inode.gen === this.gen) return this.runs;
    const { blocks, device } = this.ports;
    const { blockSize } = device;
    const first = Math.floor(this.range.offset / blockSize);
    const last = Math.ceil(this.range.end / blockSize);
    const runs: Run[] = [];
    for (let block = first, more = true; more && block < last; ) {
      const rows = blocks.extents(this.inode.ino, block, 1000);
      for (const row of rows) {
        const from = Math.max(row.fileBlock, first);
        const count = Math.min(row.fileBlock + row.length, last) - from;
        const start = (row.deviceBlock + from - row.fileBlock) * blockSize;
        if (count > 0) runs.push({ from: start, to: start + count * blockSize, file: from * blockSize });
        block = row.fileBlock + row.length;
      }
      more = rows.length === 1000;
    }
    this.runs = runs.sort((a, b) => a.from - b.from);
    this.gen = this.inode.gen;
    return this.runs;
  }
}

/** Index of the first run that ends behind `at`. */
function firstBeyond(runs: readonly Run[], at: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((runs[middle] as Run).to > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * A device window served by the daemon, where the kernel, the rights or the backing do not allow passthrough. The same
 * device offsets, but only blocks that the lease covers: the rest is ENXIO. Its pages are written back and dropped as
 * those of a guarded window are, at a commit, a return or a revocation; after that EIO, which is SIGBUS for a mapping.
 *
 * Reading ahead across an end of the lease fails whole; then the kernel asks for the page that was touched, alone.
 */
export class ServedDeviceWindow implements Handle {
  readonly node: number;
  readonly range: WindowRange;
  private readonly windows: Windows;
  private readonly place: DevicePlace;
  private readonly inode: Inode;
  private readonly writable: boolean;
  private readonly onRelease: () => void;

  constructor(
    windows: Windows,
    options: {
      node: number;
      range: WindowRange;
      place: DevicePlace;
      inode: Inode;
      writable: boolean;
      onRelease: () => void;
    },
  ) {
    this.windows = windows;
    this.node = options.node;
    this.range = options.range;
    this.place = options.place;
    this.inode = options.inode;
    this.writable = options.writable;
    this.onRelease = options.onRelease;
  }

  get deviceOf(): number {
    return this.range.lease;
  }

  read(request: Request, offset: number, size: number): void {
    const { device } = this.windows.ports;
    const length = Math.min(size, request.out.capacity, Math.max(0, device.size - offset));
    if (length === 0) return request.ok(0);
    const pieces = this.place.pieces(offset, offset + length);
    if (this.range.isOver || pieces.some(({ from, to, file }) => !this.range.mayRead(file, file + to - from)))
      return request.error(E.IO);
    if (bytesOf(pieces) < length) return request.error(E.NXIO);
    const got = device.pread(request.out.address, length, offset);
    if (got < 0) request.error(-got);
    else request.ok(length);
  }

  write(request: Request, offset: number, size: number): void {
    if (!this.writable) return request.error(E.BADF);
    const pieces = this.place.pieces(offset, offset + size);
    const fromCache = (request.u32(WRITE_IN.WRITE_FLAGS) & WRITE.CACHE) !== 0;
    const { range } = this;
    // As in a guarded window: while it is closed, only dirty pages are taken.
    const mayStore = ({ from, to, file }: Run): boolean =>
      range.mayWrite(file, file + to - from) && (fromCache || range.mayRead(file, file + to - from));
    if (!pieces.every(mayStore)) return request.error(E.IO);
    if (bytesOf(pieces) < size) return request.error(this.range.isOver ? E.IO : E.NXIO);
    const { ports, coherence } = this.windows;
    const put = ports.device.pwrite(request.address + request.body + WRITE_IN.LENGTH, size, offset);
    if (put < 0) return request.error(-put);
    for (const { from, to, file } of pieces) coherence.changed(this.inode.ino, file, to - from, this.node);
    request.ok(putWrite(request.out.view, request.out.start, size));
  }

  fsync(request: Request): void {
    const parked = request.park();
    this.windows.ports.commits.whenDurable((errno) => (errno === 0 ? parked.ok() : parked.error(errno)));
  }

  release(): void {
    this.onRelease();
  }
}

const bytesOf = (spans: readonly Span[]): number => spans.reduce((sum, { from, to }) => sum + to - from, 0);
