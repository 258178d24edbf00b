import { defaultMountOptions, type MountOptions, OPTIONS, splitOptions } from '../mount/options.ts';
import { MS } from '../system/constants.ts';
import { errnoName } from '../system/errno.ts';
import { mount as mountCall } from '../system/libc.ts';
import { CommandError, EXIT, exitOfErrno } from './exit.ts';
import { mountAt } from './mounts.ts';
import { describeErrno } from './report.ts';

/** What the kernel can change of a live FUSE mount; everything else was told to the daemon when it started. */
const CHANGEABLE = new Set<keyof MountOptions>([
  'readOnly',
  'nosuid',
  'nodev',
  'noexec',
  'atime',
  'sync',
  'dirsync',
  'remount',
]);

/**
 * `mount -o remount,ro` and the like: the kernel's own flags of the mount at `dir`.
 * @throws CommandError for an option that can not be changed, and for what the kernel refuses.
 */
export function remount(dir: string, options: MountOptions, texts: readonly string[]): void {
  const mount = mountAt(dir);
  const defaults = defaultMountOptions();
  for (const row of OPTIONS) {
    const given = texts.flatMap(splitOptions).some((word) => word === row.name || word.startsWith(`${row.name}=`));
    // mount(8) repeats what fstab says; an option at its default asks for no change.
    if (given && !CHANGEABLE.has(row.field) && options[row.field] !== defaults[row.field]) {
      throw new CommandError(
        `${dir}: "${row.name}" can not be changed on a live mount`,
        EXIT.unsupported,
        'EOPNOTSUPP',
      );
    }
  }
  if (!options.readOnly && mount.superOptions.split(',').includes('ro') && !mount.options.split(',').includes('rw')) {
    throw new CommandError(
      `${dir}: was mounted read-only; unmount it to mount it read-write`,
      EXIT.unsupported,
      'EROFS',
    );
  }
  let flags: number = MS.REMOUNT;
  if (options.readOnly) flags |= MS.RDONLY;
  if (options.nosuid) flags |= MS.NOSUID;
  if (options.nodev) flags |= MS.NODEV;
  if (options.noexec) flags |= MS.NOEXEC;
  if (options.sync) flags |= MS.SYNCHRONOUS;
  if (options.dirsync) flags |= MS.DIRSYNC;
  flags |= { relatime: MS.RELATIME, noatime: MS.NOATIME, strictatime: MS.STRICTATIME }[options.atime];
  const result = mountCall(mount.source, mount.dir, 'fuse.layoutfs', flags, '');
  if (result < 0)
    throw new CommandError(`${dir}: ${describeErrno(-result)}`, exitOfErrno(errnoName(-result)), errnoName(-result));
}
