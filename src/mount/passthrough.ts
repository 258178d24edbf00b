import type { Session } from '../fuse/session.ts';
import { O } from '../system/constants.ts';
import { errnoName } from '../system/errno.ts';
import { close, open } from '../system/libc.ts';

/**
 * The device file as a backing of passthrough opens (FUSE_DEV_IOC_BACKING_OPEN, Linux 6.9): registered with the kernel
 * at the first use, and kept as long as there are device windows, which share it.
 */
export class Passthrough {
  private readonly device: string;
  private readonly session: () => Session | undefined;
  /** Number of the backing, or -errno; 0: not asked yet. */
  private readonly backing: Float64Array;

  /**
   * `backing`: where the number is kept, so that a daemon that takes the mount over goes on with it: the kernel refuses
   * (EBUSY) to open an inode by another backing than the one by which it is open already.
   */
  constructor(device: string, session: () => Session | undefined, backing: Float64Array = new Float64Array(1)) {
    this.device = device;
    this.session = session;
    this.backing = backing;
  }

  available(): true | string {
    if (this.session()?.info.has('PASSTHROUGH') !== true)
      return 'the kernel does not offer FUSE passthrough (Linux 6.9)';
    const id = this.open();
    if (id > 0) return true;
    const name = errnoName(-id);
    if (name === 'EPERM') return 'passthrough needs CAP_SYS_ADMIN';
    if (name === 'EINVAL') return 'the device is not a regular file';
    return `the kernel refused the device as a backing file: ${name}`;
  }

  open(): number {
    if (this.backing[0] <= 0) this.backing[0] = this.register();
    return this.backing[0];
  }

  /** Windows that are open keep their file; the next one registers the device again. */
  close(): void {
    if (this.backing[0] > 0) this.session()?.backingClose(this.backing[0]);
    this.backing[0] = 0;
  }

  /** By an open file of its own: the kernel keeps it for as long as a window is open, and with it the locks it has. */
  private register(): number {
    const session = this.session();
    if (session === undefined) return -1;
    const fd = open(this.device, O.RDWR);
    if (fd < 0) return fd;
    const id = session.backingOpen(fd);
    close(fd);
    return id;
  }
}
