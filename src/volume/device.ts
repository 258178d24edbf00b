import { FALLOC } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import { addressOf } from '../system/libc.ts';
import { type StorageIo, systemIo } from './storage-io.ts';

/** Up to this many bytes, zeros are written; above, the host is asked to make them. */
const WRITE_ZEROS_LIMIT = 128 * 1024;
const BOUNCE = 1024 * 1024;

/**
 * The bytes of the volume: a large regular file or a block device. Offsets and lengths are bytes, memory is passed as
 * an address. Every call transfers all that was asked for, or answers -errno.
 *
 * Only `Commits` syncs it: who syncs must also tell the waiters what a failure means for them.
 */
export class Device {
  readonly fd: number;
  /** Bytes. */
  readonly length: number;
  io: StorageIo;
  /** Number of changes so far; `synced` is the number of them that the last sync covered. */
  written = 0;
  synced = 0;
  /** Bytes changed since the last sync began: what the next one has to carry. */
  unsyncedBytes = 0;
  /** Called once, from within a call, when the device is gone; an error of a part of it (EIO) does not mean that. */
  onLost: () => void = () => {};
  private lost = false;
  private bounce: Buffer | undefined;
  private zeros: Buffer | undefined;

  constructor(fd: number, length: number, io: StorageIo = systemIo) {
    this.fd = fd;
    this.length = length;
    this.io = io;
  }

  /** Reads exactly `length` bytes to `address`: `length`, or -errno (-EIO where the device ends early). */
  pread(address: number, length: number, offset: number): number {
    let done = 0;
    while (done < length) {
      const r = this.io.pread(this.fd, address + done, length - done, offset + done);
      if (r === -E.INTR) continue;
      if (r < 0) return this.failed(r);
      if (r === 0) return -E.IO;
      done += r;
    }
    return length;
  }

  /** Writes exactly `length` bytes: `length`, or -errno; after an error the range holds old or new bytes, block by block. */
  pwrite(address: number, length: number, offset: number): number {
    if (offset + length > this.length) return -E.IO;
    this.changed(length);
    let done = 0;
    while (done < length) {
      const r = this.io.pwrite(this.fd, address + done, length - done, offset + done);
      if (r === -E.INTR) continue;
      if (r < 0) return this.failed(r);
      if (r === 0) return -E.IO;
      done += r;
    }
    return length;
  }

  /** Gives a range back to the host; it reads as zeros afterwards. 0 or -errno. */
  punch(offset: number, length: number): number {
    this.changed(0);
    const r = this.io.fallocate(this.fd, FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE, offset, length);
    return r === -E.OPNOTSUPP || r === -E.NOSYS ? this.writeZeros(offset, length) : r;
  }

  /** Makes a range read as zeros and keeps the host's space for it where the host can. 0 or -errno. */
  zero(offset: number, length: number): number {
    if (length <= WRITE_ZEROS_LIMIT) return this.writeZeros(offset, length);
    this.changed(0);
    const r = this.io.fallocate(this.fd, FALLOC.ZERO_RANGE | FALLOC.KEEP_SIZE, offset, length);
    return r === -E.OPNOTSUPP || r === -E.NOSYS ? this.writeZeros(offset, length) : r;
  }

  /** Copies `length` bytes within the device; the ranges do not overlap. 0 or -errno. */
  copy(from: number, to: number, length: number): number {
    this.bounce ??= Buffer.allocUnsafeSlow(BOUNCE);
    const at = addressOf(this.bounce);
    for (let done = 0; done < length; ) {
      const n = Math.min(BOUNCE, length - done);
      let r = this.pread(at, n, from + done);
      if (r >= 0) r = this.pwrite(at, n, to + done);
      if (r < 0) return r;
      done += n;
    }
    return 0;
  }

  /** Says that the device changed by another way than through here: the mapping of a lease holder. */
  changed(bytes: number): void {
    this.written++;
    this.unsyncedBytes += bytes;
  }

  /**
   * fdatasync(2): 0 or -errno. `synced` rises in either case: after a failure the kernel calls the lost pages clean, and
   * a second sync that succeeds proves nothing about them.
   */
  sync(): number {
    const mark = this.written;
    this.unsyncedBytes = 0;
    const r = this.io.fdatasync(this.fd, 'device');
    if (mark > this.synced) this.synced = mark;
    return r < 0 ? this.failed(r) : r;
  }

  async syncAsync(): Promise<number> {
    const mark = this.written;
    this.unsyncedBytes = 0;
    const r = await this.io.fdatasyncAsync(this.fd, 'device');
    if (mark > this.synced) this.synced = mark;
    return r < 0 ? this.failed(r) : r;
  }

  /** A block device that was taken away answers ENODEV or ENXIO from then on. */
  private failed(r: number): number {
    if ((r === -E.NODEV || r === -E.NXIO) && !this.lost) {
      this.lost = true;
      this.onLost();
    }
    return r;
  }

  private writeZeros(offset: number, length: number): number {
    this.zeros ??= Buffer.alloc(WRITE_ZEROS_LIMIT);
    const at = addressOf(this.zeros);
    for (let done = 0; done < length; ) {
      const n = Math.min(this.zeros.length, length - done);
      const r = this.pwrite(at, n, offset + done);
      if (r < 0) return r;
      done += n;
    }
    return 0;
  }
}
