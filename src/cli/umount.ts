import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { MNT } from '../system/constants.ts';
import { errnoName } from '../system/errno.ts';
import { umount2 } from '../system/libc.ts';
import type { Command } from './command.ts';
import { CommandError, EXIT, exitOfErrno, usageError } from './exit.ts';
import { lockOwner, type Mount, mountAt, usersOf } from './mounts.ts';
import { printJson } from './output.ts';
import { describeErrno } from './report.ts';

const DEFAULT_WAIT = 60;

export const umount: Command = {
  name: 'umount',
  summary: 'unmount the layoutfs at DIR and wait until its volume is closed',
  usage: 'DIR [--lazy | --abort] [--wait SECONDS]',
  about:
    'Comes back when the daemon has ended: from then on the volume can be mounted, checked or copied.\n' +
    'umount(8) works as well, but does not wait.',
  options: {
    lazy: { type: 'boolean', short: 'l', help: 'take it out of the tree now, close it when its last user goes' },
    abort: { type: 'boolean', help: 'first end the connection: every waiting call fails. For a mount that hangs' },
    wait: { type: 'string', value: 'SECONDS', help: `for the daemon's end; 0: do not wait (default ${DEFAULT_WAIT})` },
  },
  positionals: [1, 1],
  examples: ['layoutfs umount /mnt', 'layoutfs umount --abort --lazy /mnt'],
  async run({ options, positionals, json }) {
    const seconds = options.wait === undefined ? DEFAULT_WAIT : Number(options.wait);
    if (!(seconds >= 0)) throw usageError(`--wait: "${String(options.wait)}" is not a number of seconds`);
    const mount = mountAt(positionals[0] as string);
    if (options.abort === true) abort(mount);
    const result = umount2(mount.dir, options.lazy === true ? MNT.DETACH : 0);
    if (result < 0) throw refusal(mount, -result);
    if (options.lazy !== true && seconds > 0) await daemonEnd(mount, seconds);
    if (json) printJson({ ok: true, dir: mount.dir, image: mount.source });
    return EXIT.ok;
  },
};

function abort(mount: Mount): void {
  try {
    writeFileSync(`/sys/fs/fuse/connections/${mount.connection}/abort`, '1');
  } catch (error) {
    throw new CommandError(
      `connection ${mount.connection} can not be aborted: ${(error as Error).message}`,
      EXIT.failed,
    );
  }
}

function refusal(mount: Mount, errno: number): CommandError {
  const name = errnoName(errno);
  const users = name === 'EBUSY' ? usersOf(mount.dir) : [];
  const why = users.length === 0 ? '' : `; in use by ${users.slice(0, 10).join(', ')}`;
  return new CommandError(`${mount.dir}: ${describeErrno(errno)}${why}`, exitOfErrno(name), name);
}

/** The lock on the image goes with the daemon, last of all. */
async function daemonEnd(mount: Mount, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const owner = lockOwner(mount.source);
    if (owner === undefined) return;
    if (performance.now() > end) {
      const who = owner === 0 ? 'its daemon' : `its daemon (process ${owner})`;
      throw new CommandError(
        `${mount.dir} is unmounted, but after ${seconds} s ${who} still has the volume open`,
        EXIT.timeout,
        'ETIMEDOUT',
      );
    }
    await sleep(10);
  }
}
