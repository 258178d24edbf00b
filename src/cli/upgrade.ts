import { readdirSync, readlinkSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { close } from '../system/libc.ts';
import { readHeader } from '../volume/header.ts';
import { openForLooking } from '../volume/lock.ts';
import type { Command } from './command.ts';
import { CommandError, EXIT, usageError } from './exit.ts';
import { lockOwner, type Mount, mountAt } from './mounts.ts';
import { print, printJson } from './output.ts';

const DEFAULT_WAIT = 60;

export const upgrade: Command = {
  name: 'upgrade',
  summary: 'have a new daemon serve the mount at DIR, without unmounting it',
  usage: 'DIR [--wait SECONDS]',
  about:
    'Starts the program as it is installed now; when it is loaded, the daemon that serves DIR commits and lets go, and the\n' +
    'new one takes over: open files, leases and sessions go on, and whoever uses the mount sees a short pause.\n' +
    'For mounts with a supervisor (mount option supervise), which itself stays what it is.',
  options: {
    wait: { type: 'string', value: 'SECONDS', help: `for the new daemon (default ${DEFAULT_WAIT})` },
  },
  positionals: [1, 1],
  examples: ['layoutfs upgrade /mnt'],
  async run({ options, positionals, json }) {
    const seconds = options.wait === undefined ? DEFAULT_WAIT : Number(options.wait);
    if (!(seconds > 0)) throw usageError(`--wait: "${String(options.wait)}" is not a number of seconds`);
    const mount = mountAt(positionals[0] as string);
    const before = servingProcess(mount);
    process.kill(supervisorOf(mount, before), 'SIGUSR2');
    const after = await another(mount, before, seconds);
    await statfs(mount.dir);
    if (json) printJson({ ok: true, dir: mount.dir, before, pid: after });
    else print(`${mount.dir} is served by process ${after} now; it was process ${before}`);
    return EXIT.ok;
  },
};

/** The daemon of a mount, as the header of its device names it. */
function servingProcess(mount: Mount): number {
  const device = openForLooking(mount.source);
  try {
    return readHeader(device).newest?.ownerPid ?? 0;
  } finally {
    close(device.fd);
  }
}

/** The process that holds the volume's locks and the memory for the next daemon. */
function supervisorOf(mount: Mount, daemon: number): number {
  const owner = lockOwner(mount.source) ?? 0;
  if (owner > 0 && owner !== daemon && holdsHandover(owner)) return owner;
  throw new CommandError(
    `${mount.dir} has no supervisor (mount option supervise): unmount it and mount it again`,
    EXIT.unsupported,
    'EOPNOTSUPP',
  );
}

function holdsHandover(pid: number): boolean {
  try {
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    return links.some((link) => link.startsWith('/memfd:layoutfs-handover'));
  } catch {
    return false;
  }
}

async function another(mount: Mount, before: number, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const now = servingProcess(mount);
    if (now !== before && now !== 0) return now;
    if (performance.now() > end) {
      throw new CommandError(
        `${mount.dir}: no new daemon after ${seconds} s; the old one serves on`,
        EXIT.timeout,
        'ETIMEDOUT',
      );
    }
    await sleep(20);
  }
}
