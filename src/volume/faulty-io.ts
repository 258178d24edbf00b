import { E } from '../system/errno.ts';
import { type StorageEvent, type StorageIo, type StorageRole, systemIo } from './storage-io.ts';

/** What goes wrong, and where. */
export interface Fault {
  call: 'pread' | 'pwrite' | 'fallocate' | 'fdatasync';
  /** Bytes of the device that it concerns; default: everywhere. */
  from?: number;
  to?: number;
  /** Of fdatasync. */
  role?: StorageRole;
  /** Positive errno to fail with (EIO, ENOSPC, EINTR …); without it the call works … */
  errno?: number;
  /** … but transfers at most so many bytes … */
  short?: number;
  /** … or takes so long, ms (an asynchronous sync only: the state thread must not sleep). */
  delay?: number;
  /** How often; default: until it is removed. */
  times?: number;
}

/** Storage that fails on order: for tests, and for the `inject` verb of test mounts. */
export class FaultyIo implements StorageIo {
  readonly faults: Fault[] = [];
  private readonly inner: StorageIo;

  constructor(inner: StorageIo = systemIo) {
    this.inner = inner;
  }

  pread(fd: number, address: number, length: number, offset: number): number {
    const fault = this.find('pread', offset, length);
    if (fault?.errno) return -fault.errno;
    return this.inner.pread(fd, address, Math.min(length, fault?.short ?? length), offset);
  }

  pwrite(fd: number, address: number, length: number, offset: number): number {
    const fault = this.find('pwrite', offset, length);
    if (fault?.errno) return -fault.errno;
    return this.inner.pwrite(fd, address, Math.min(length, fault?.short ?? length), offset);
  }

  fallocate(fd: number, mode: number, offset: number, length: number): number {
    const fault = this.find('fallocate', offset, length);
    return fault ? -(fault.errno ?? E.IO) : this.inner.fallocate(fd, mode, offset, length);
  }

  fdatasync(fd: number, role: StorageRole): number {
    const fault = this.findSync(role);
    return fault?.errno ? -fault.errno : this.inner.fdatasync(fd, role);
  }

  async fdatasyncAsync(fd: number, role: StorageRole): Promise<number> {
    const fault = this.findSync(role);
    if (fault?.delay) await new Promise((resolve) => setTimeout(resolve, fault.delay));
    return fault?.errno ? -fault.errno : this.inner.fdatasyncAsync(fd, role);
  }

  mark(event: StorageEvent, sequence: number): void {
    this.inner.mark?.(event, sequence);
  }

  private find(call: Fault['call'], offset: number, length: number): Fault | undefined {
    return this.due((f) => f.call === call && offset < (f.to ?? Infinity) && offset + length > (f.from ?? 0));
  }

  private findSync(role: StorageRole): Fault | undefined {
    return this.due((fault) => fault.call === 'fdatasync' && (fault.role ?? role) === role);
  }

  private due(matches: (fault: Fault) => boolean): Fault | undefined {
    const index = this.faults.findIndex(matches);
    const fault = this.faults[index];
    if (fault?.times !== undefined && --fault.times <= 0) this.faults.splice(index, 1);
    return fault;
  }
}
