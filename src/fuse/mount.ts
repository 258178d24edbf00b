import { MNT, MS, O } from '../system/constants.ts';
import { E, SystemError } from '../system/errno.ts';
import { addressOf, close, ioctlPtr, mount, open, umount2 } from '../system/libc.ts';
import { mountByHelper, unmountByHelper } from './fusermount.ts';
import { DEV_IOC } from './protocol.ts';

export interface MountOptions {
  /** Directory to mount on. */
  dir: string;
  /** What /proc/mounts shows as the device; commas and blanks are allowed. */
  fsname: string;
  /** The part after "fuse." of the filesystem type. */
  subtype: string;
  /** st_mode of the root; default a directory. Only its type counts. */
  rootMode?: number;
  /** Owner of the mount; defaults: the caller's. */
  uid?: number;
  gid?: number;
  /** The kernel checks permission by mode, owner and ACLs before it asks. */
  defaultPermissions?: boolean;
  /** Users other than `uid` may enter. */
  allowOther?: boolean;
  /** Largest READ in bytes; default no bound but that of the connection. */
  maxRead?: number;
  /** Bits of MS; default MS.NOSUID | MS.NODEV, what an unprivileged mount would have. */
  flags?: number;
  /** Descriptor of /dev/fuse that is open already, non-blocking, and closed where it is not used; default: opens it. */
  fd?: number;
}

const S_IFDIR = 0o40000;

/**
 * Opens /dev/fuse (close-on-exec, non-blocking) and mounts it: with mount(2) where CAP_SYS_ADMIN allows that, else by
 * fusermount3. Throws SystemError or HelperError. The mount works once a Session on `fd` has answered INIT.
 */
export function openAndMount(options: MountOptions): { fd: number } {
  const fd = options.fd ?? open('/dev/fuse', O.RDWR | O.NONBLOCK);
  // Where /dev/fuse is not for everybody, it is for the set-uid program.
  if (fd === -E.ACCES || fd === -E.PERM) return mountByHelper(options);
  if (fd < 0) throw new SystemError(fd, 'open /dev/fuse');
  const type = options.subtype ? `fuse.${options.subtype}` : 'fuse';
  const r = mount(options.fsname, options.dir, type, options.flags ?? MS.NOSUID | MS.NODEV, mountData(fd, options));
  if (r < 0) {
    close(fd);
    // The descriptor that fusermount3 mounts is one of its own.
    if (r === -E.PERM) return mountByHelper(options);
    throw new SystemError(r, `mount ${options.dir}`);
  }
  return { fd };
}

/** /dev/fuse, close-on-exec and non-blocking. Throws SystemError. */
export function openDevice(): number {
  const fd = open('/dev/fuse', O.RDWR | O.NONBLOCK);
  if (fd < 0) throw new SystemError(fd, 'open /dev/fuse');
  return fd;
}

/** The data string of mount(2), as fs/fuse/inode.c parses it. */
function mountData(fd: number, options: MountOptions): string {
  const words = [
    `fd=${fd}`,
    `rootmode=${(options.rootMode ?? S_IFDIR).toString(8)}`,
    `user_id=${options.uid ?? process.getuid?.() ?? 0}`,
    `group_id=${options.gid ?? process.getgid?.() ?? 0}`,
  ];
  if (options.defaultPermissions) words.push('default_permissions');
  if (options.allowOther) words.push('allow_other');
  if (options.maxRead) words.push(`max_read=${options.maxRead}`);
  return words.join(',');
}

/**
 * Unmounts, by fusermount3 where umount2(2) is not allowed; 0 or -errno (-EBUSY while something uses it). `lazy`: out of
 * sight now, gone when nothing uses it; `force`: what waits for an answer fails.
 */
export async function unmount(dir: string, { lazy = false, force = false } = {}): Promise<number> {
  const r = umount2(dir, (lazy ? MNT.DETACH : 0) | (force ? MNT.FORCE : 0) | MNT.NOFOLLOW);
  return r === -E.PERM ? unmountByHelper(dir, { lazy }) : r;
}

/**
 * A second descriptor of the connection of `fd`, close-on-exec and non-blocking, with a queue of its own for replies:
 * a request must be answered on the descriptor that read it. Throws SystemError.
 */
export function cloneDevice(fd: number): number {
  const clone = openDevice();
  const argument = Buffer.alloc(4);
  argument.writeUInt32LE(fd, 0);
  const r = ioctlPtr(clone, DEV_IOC.CLONE, addressOf(argument));
  if (r < 0) {
    close(clone);
    throw new SystemError(r, 'FUSE_DEV_IOC_CLONE');
  }
  return clone;
}
