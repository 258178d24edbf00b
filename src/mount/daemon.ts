import { openAndMount } from '../fuse/mount.ts';
import type { InitFlag } from '../fuse/protocol.ts';
import { Session } from '../fuse/session.ts';
import { systemClock } from '../system/clock.ts';
import { MNT, MS } from '../system/constants.ts';
import { E, errnoName } from '../system/errno.ts';
import { close, umount2 } from '../system/libc.ts';
import { Volume } from '../volume/volume.ts';
import { House } from './assemble.ts';
import type { MountOptions } from './options.ts';

export interface ServeRequest {
  /** Absolute path of the device file. */
  image: string;
  /** Absolute path of the mount point. */
  dir: string;
  options: MountOptions;
  foreground: boolean;
  /** Called once: without an argument when the mount works, else with why there will be none. */
  ready: (error?: unknown) => void;
}

/** What is asked of the kernel; each used where it is offered (INIT). */
const FEATURES: readonly InitFlag[] = [
  'ASYNC_READ',
  'BIG_WRITES',
  'DONT_MASK',
  'ATOMIC_O_TRUNC',
  'EXPORT_SUPPORT',
  'DO_READDIRPLUS',
  'READDIRPLUS_AUTO',
  'ASYNC_DIO',
  'PARALLEL_DIROPS',
  'HANDLE_KILLPRIV_V2',
  'POSIX_ACL',
  'CACHE_SYMLINKS',
  'NO_OPENDIR_SUPPORT',
  'EXPLICIT_INVAL_DATA',
  'SETXATTR_EXT',
  'CREATE_SUPP_GROUP',
  'HAS_EXPIRE_ONLY',
  'DIRECT_IO_ALLOW_MMAP',
  'PASSTHROUGH',
  'HAS_RESEND',
  'ABORT_ERROR',
];

/**
 * Opens the volume, mounts it and serves it until it is unmounted. SIGINT and SIGTERM recall the leases and unmount.
 * Gives the exit code: 0 after a clean end, 1 when something could not be saved. Rejects when there never was a mount.
 */
export async function serve({ image, dir, options, ready }: ServeRequest): Promise<number> {
  const volume = Volume.open(image, { readOnly: options.readOnly, commitInterval: options.commit * 1000 });
  let house: House;
  let fd: number;
  try {
    house = new House(volume, options, systemClock, (level, message) => console.error(`${level}: ${message}`));
    const errno = volume.ready();
    if (errno !== 0) throw new Error(`recovery failed: ${errnoName(errno)}`);
    fd = openAndMount({
      dir,
      fsname: image,
      subtype: 'layoutfs',
      defaultPermissions: options.defaultPermissions,
      allowOther: options.allowOther,
      flags: mountFlags(options),
    }).fd;
  } catch (error) {
    volume.close();
    throw error;
  }
  const session = new Session({
    fd,
    handlers: house.handlers,
    negotiate: { flags: FEATURES },
    trace: options.trace ? (line) => console.error(line) : undefined,
    onInit: (info) => {
      house.connected(dir, info);
      ready();
    },
  });
  house.attach(session);
  const forget = unmountOnSignals(dir, house);
  try {
    await session.run();
  } finally {
    forget();
    close(fd);
  }
  const errno = await house.shutDown();
  if (errno !== 0) console.error(`the volume could not be closed cleanly: ${errnoName(errno)}`);
  return errno === 0 ? 0 : 1;
}

function mountFlags(options: MountOptions): number {
  let flags = 0;
  if (options.readOnly) flags |= MS.RDONLY;
  if (options.nosuid) flags |= MS.NOSUID;
  if (options.nodev) flags |= MS.NODEV;
  if (options.noexec) flags |= MS.NOEXEC;
  if (options.sync) flags |= MS.SYNCHRONOUS;
  if (options.dirsync) flags |= MS.DIRSYNC;
  if (options.atime === 'noatime') flags |= MS.NOATIME;
  if (options.atime === 'strictatime') flags |= MS.STRICTATIME;
  return flags;
}

/** The first signal unmounts in good order; a second one does not wait for leases or for users of the mount. */
function unmountOnSignals(dir: string, house: House): () => void {
  let asked = 0;
  const stop = (): void => {
    asked += 1;
    if (asked === 1) house.stopLeases(() => unmount(dir));
    else umount2(dir, MNT.DETACH);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return () => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  };
}

/**
 * umount2 sends no request that it waits for. While somebody uses the mount it is only taken out of the tree: it ends
 * when its last user goes, and until then it is served.
 */
function unmount(dir: string): void {
  if (umount2(dir, MNT.NOFOLLOW) !== -E.BUSY) return;
  console.error(`${dir} is in use: it is unmounted lazily and served until its last user is gone`);
  umount2(dir, MNT.DETACH | MNT.NOFOLLOW);
}
