import { splitOptions } from '../mount/option-words.ts';
import { defaultMountOptions, type MountOptions, OPTIONS } from '../mount/options.ts';
import { MS } from '../system/constants.ts';
import { errnoName } from '../system/errno.ts';
import { mount as mountCall } from '../system/libc.ts';
import { CommandError, EXIT, exitOfErrno } from './exit.ts';
import { heldForReading, mountAt } from './mounts.ts';
import { describeErrno } from './report.ts';

/** What the kernel can change of a live FUSE mount; everything else was told to the daemon when it started. */
const CHANGEABLE = new Set<keyof MountOptions>(['readOnly', 'nosuid', 'nodev', 'noexec', 'atime', 'sync', 'remount']);

/**
 * `mount -o remount,ro` and the like: the kernel's own flags of the mount at `dir`.
 * An option that only the daemon could change is named on stderr and otherwise ignored.
 * @throws CommandError for a volume that is held read-only, and for what the kernel refuses.
 */
export function remount(dir: string, options: MountOptions, texts: readonly string[]): void {
  const mount = mountAt(dir);
  const defaults = defaultMountOptions();
  const shown = new Set([...mount.options.split(','), ...mount.superOptions.split(',')]);
  for (const row of OPTIONS) {
    const given = texts.flatMap(splitOptions).some((word) => word === row.name || word.startsWith(`${row.name}=`));
    // mount(8) repeats what fstab and mountinfo say, so that an error here would make `remount,ro` impossible.
    if (given && !CHANGEABLE.has(row.field) && options[row.field] !== defaults[row.field] && !shown.has(row.name)) {
      process.stderr.write(`${dir}: "${row.name}" stays as it was when this was mounted\n`);
    }
  }
  if (!options.readOnly && heldForReading(mount.source)) {
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
