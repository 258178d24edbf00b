import type { Host } from './host.ts';
import { Volume } from './volume.ts';
import { VolumeError } from './volume-error.ts';

/**
 * Recovers a volume that is about to be mounted for reading only: after the death of a daemon what was answered but not
 * committed is in the redo log, and extents whose data may not have arrived are neither written nor unwritten. As with the
 * journals of other filesystems that writes to the volume; where it cannot be written, or another reader has it, VolumeError
 * says so. Answers whether there was anything to do.
 */
export function settleForReading(path: string, options: { host?: Host } = {}): boolean {
  const looking = Volume.open(path, { ...options, readOnly: true });
  const { unsettled } = looking.recovery;
  looking.abandon();
  if (!unsettled) return false;
  let volume: Volume;
  try {
    volume = Volume.open(path, options);
  } catch (error) {
    if (!(error instanceof VolumeError)) throw error;
    throw new VolumeError(
      error.code,
      `${path} was not unmounted cleanly and cannot be recovered: ${error.message}; ` +
        'with -o norecovery it is read as of its last commit',
      { pid: error.pid, errno: error.errno },
    );
  }
  const errno = volume.commits.commitNow();
  volume.abandon();
  if (errno !== 0) throw new VolumeError('SYSTEM', `${path}: its recovery cannot be written`, { errno });
  return true;
}
