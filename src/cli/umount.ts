import { readlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { unmount } from '../fuse/mount.ts';
import { E, errnoName } from '../system/errno.ts';
import { startTimeOf } from '../system/process.ts';
import type { Command } from './command.ts';
import { CommandError, EXIT, exitOfErrno, usageError } from './exit.ts';
import { lockOwner, type Mount, mountAt, type Servers, serversOf, usersOf } from './mounts.ts';
import { printJson } from './output.ts';
import { describeErrno } from './report.ts';

const DEFAULT_WAIT = 60;
/** EBUSY is believed after so many tries, so many milliseconds apart. */
const BUSY_TRIES = 10;
const BUSY_MS = 50;

export const umount: Command = {
  name: 'umount',
  summary: 'unmount the layoutfs at DIR and wait until its volume is closed',
  usage: 'DIR [--lazy | --abort] [--wait SECONDS]',
  about:
    'Comes back when the daemon has ended: from then on the volume can be mounted, checked or copied.\n' +
    'umount(8) and `fusermount3 -u` work as well, but do not wait.',
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
    const servers = serversOf(mount);
    const abort = options.abort === true;
    if (abort) abortConnection(mount);
    const how = { lazy: options.lazy === true, force: abort };
    let result = await unmount(mount.dir, how);
    // What has just closed its last file may still be on its way out of the kernel.
    for (let i = 0; i < BUSY_TRIES && result === -E.BUSY; i++) {
      await sleep(BUSY_MS);
      result = await unmount(mount.dir, how);
    }
    if (result < 0) throw refusal(mount, -result);
    if (options.lazy !== true && seconds > 0) await ending(mount, servers, seconds);
    if (json) printJson({ ok: true, dir: mount.dir, image: mount.source });
    return EXIT.ok;
  },
};

/**
 * For owners of a mount who may not umount2(2). For others umount2's MNT_FORCE does the same: the control file is not
 * there where nobody has mounted fusectl.
 */
function abortConnection(mount: Mount): void {
  try {
    writeFileSync(`/sys/fs/fuse/connections/${mount.connection}/abort`, '1');
  } catch {
    // MNT_FORCE is left
  }
}

function refusal(mount: Mount, errno: number): CommandError {
  const name = errnoName(errno);
  const users = name === 'EBUSY' ? usersOf(mount.dir) : [];
  const why = users.length === 0 ? '' : `; in use by ${users.slice(0, 10).join(', ')}`;
  return new CommandError(`${mount.dir}: ${describeErrno(errno)}${why}`, exitOfErrno(name), name);
}

/** The lock on the image is released when the volume is closed, and then daemon and supervisor end. */
async function ending(mount: Mount, { daemon, supervisor }: Servers, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  const all = [daemon, supervisor].filter((pid) => pid !== undefined);
  const starts = all.map((pid) => startTimeOf(pid));
  while (lockOwner(mount.source) !== undefined || all.some((pid, at) => runs(pid, starts[at]))) {
    if (performance.now() > end) {
      const who = daemon === undefined ? 'its daemon' : `its daemon (process ${daemon})`;
      const message = `${mount.dir} is unmounted, but after ${seconds} s ${who} has not ended`;
      throw new CommandError(message, EXIT.timeout, 'ETIMEDOUT');
    }
    await sleep(10);
  }
}

/** A zombie, which nobody may ever collect where process 1 is no init, does not run: it has no program any more. */
function runs(pid: number, start: number | undefined): boolean {
  if (start === undefined || startTimeOf(pid) !== start) return false;
  try {
    readlinkSync(`/proc/${pid}/exe`);
    return true;
  } catch {
    return false;
  }
}
