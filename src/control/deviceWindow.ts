import { putWrite } from '../fuse/replies.ts';
import { E } from '../system/errno.ts';
import { type Handle, WRITE_IN } from './handle.ts';
import type { ControlPorts, Request } from './ports.ts';

/** A device window whose reads, writes and mappings the kernel passes to the backing file: nothing arrives here. */
export class PassthroughWindow implements Handle {
  readonly release: () => void;

  constructor(onRelease: () => void) {
    this.release = onRelease;
  }

  read(request: Request): void {
    request.error(E.IO);
  }

  write(request: Request): void {
    request.error(E.IO);
  }
}

/**
 * A device window served by the daemon, where the kernel, the rights or the backing do not allow passthrough. The
 * same device offsets, but only blocks that the lease covers: the rest is ENXIO; after the lease's end EIO.
 */
export class ServedDeviceWindow implements Handle {
  readonly release: () => void;
  private readonly ports: ControlPorts;
  private readonly lease: number;
  private readonly writable: boolean;
  /** Device byte ranges of the lease at generation `gen`, in order. */
  private runs: { from: number; to: number }[] = [];
  private gen = -1;

  constructor(ports: ControlPorts, options: { lease: number; writable: boolean; onRelease: () => void }) {
    this.ports = ports;
    this.lease = options.lease;
    this.writable = options.writable;
    this.release = options.onRelease;
  }

  read(request: Request, offset: number, size: number): void {
    const length = Math.min(size, request.out.capacity, Math.max(0, this.ports.device.size - offset));
    if (length === 0) {
      request.ok(0);
      return;
    }
    const errno = this.judge(offset, length);
    if (errno !== 0) {
      request.error(errno);
      return;
    }
    const got = this.ports.device.pread(request.out.address, length, offset);
    if (got < 0) request.error(-got);
    else request.ok(length);
  }

  write(request: Request, offset: number, size: number): void {
    const errno = this.writable ? this.judge(offset, size) : E.BADF;
    if (errno !== 0) {
      request.error(errno);
      return;
    }
    const put = this.ports.device.pwrite(request.address + request.body + WRITE_IN.LENGTH, size, offset);
    if (put < 0) request.error(-put);
    else request.ok(putWrite(request.out.view, request.out.start, size));
  }

  fsync(request: Request): void {
    const parked = request.park();
    this.ports.commits.whenDurable((errno) => (errno === 0 ? parked.ok() : parked.error(errno)));
  }

  /** 0 where the lease lives and covers all of the device range. */
  private judge(offset: number, length: number): number {
    const lease = this.ports.leases.find(this.lease);
    if (!lease || !isLive(lease.state)) return E.IO;
    const inode = this.ports.inodes.get(lease.ino);
    if (!inode) return E.IO;
    if (inode.gen !== this.gen) {
      this.runs = deviceRuns(this.ports, lease);
      this.gen = inode.gen;
    }
    const end = offset + length;
    let at = offset;
    for (const { from, to } of this.runs) {
      if (from > at) break;
      if (to > at) at = to;
      if (at >= end) return 0;
    }
    return E.NXIO;
  }
}

/** Holder may do I/O (leases.md section 4). */
export function isLive(state: string): boolean {
  return state === 'GRANTED' || state === 'RECALLED';
}

/** Bytes of the device under a lease, in order of the device. */
function deviceRuns(
  ports: ControlPorts,
  lease: { ino: number; offset: number; length: number },
): { from: number; to: number }[] {
  const { blockSize } = ports.device;
  const first = Math.floor(lease.offset / blockSize);
  const last = Math.ceil((lease.offset + lease.length) / blockSize);
  const runs: { from: number; to: number }[] = [];
  for (let block = first; ; ) {
    const rows = ports.blocks.extents(lease.ino, block, 1000);
    for (const row of rows) {
      const from = Math.max(row.fileBlock, first);
      const to = Math.min(row.fileBlock + row.length, last);
      const device = row.deviceBlock + from - row.fileBlock;
      if (from < to) runs.push({ from: device * blockSize, to: (device + to - from) * blockSize });
      block = row.fileBlock + row.length;
    }
    if (rows.length < 1000 || block >= last) return runs.sort((a, b) => a.from - b.from);
  }
}
