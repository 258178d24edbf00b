import { spawn } from 'node:child_process';
import type { FenceSubject } from '../lease/ports.ts';
import type { Volume } from '../volume/volume.ts';

/**
 * The administrator's `fence_cmd`: run through the shell with the lease's id, the device and the holder as arguments
 * and in the environment. Exit status 0 is the proof; a command that cannot be run counts as 127.
 */
export function fenceCommand(command: string, volume: Volume) {
  return (subject: FenceSubject, done: (status: number) => void): void => {
    const reach = subject.reach.map(({ start, length }) => `${start}+${length}`).join(',');
    const child = spawn(
      '/bin/sh',
      ['-c', `${command} "$@"`, 'fence', String(subject.id), volume.path, String(subject.pid)],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
        cwd: '/',
        env: {
          ...process.env,
          LAYOUTFS_LEASE: String(subject.id),
          LAYOUTFS_DEVICE: volume.path,
          LAYOUTFS_UUID: volume.uuid,
          LAYOUTFS_PID: String(subject.pid),
          LAYOUTFS_INO: String(subject.ino),
          LAYOUTFS_BLOCKS: reach,
        },
      },
    );
    child.unref(); // one that never ends must not keep the daemon from its end
    let over = false;
    const finish = (status: number): void => {
      if (!over) done(status);
      over = true;
    };
    child.on('error', () => finish(127));
    child.on('exit', (status) => finish(status ?? 128));
  };
}
