import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from './command.ts';
import { CommandError, EXIT, usageError } from './exit.ts';
import { type Mount, mountAt, serversOf } from './mounts.ts';
import { print, printJson } from './output.ts';

const DEFAULT_WAIT = 60;

export const upgrade: Command = {
  name: 'upgrade',
  summary: 'have a new daemon serve the mount at DIR, without unmounting it',
  usage: 'DIR [--wait SECONDS]',
  about:
    'Starts the program as it is installed now; when it is loaded, the daemon that serves DIR commits and lets go, and the\n' +
    'new one takes over: open files, leases and sessions go on, and whoever uses the mount sees a short pause.\n' +
    'The supervisor itself stays what it is. A mount without one (nosupervise) has to be unmounted and mounted again.',
  options: {
    wait: { type: 'string', value: 'SECONDS', help: `for the new daemon (default ${DEFAULT_WAIT})` },
  },
  positionals: [1, 1],
  examples: ['layoutfs upgrade /mnt'],
  async run({ options, positionals, json }) {
    const seconds = options.wait === undefined ? DEFAULT_WAIT : Number(options.wait);
    if (!(seconds > 0)) throw usageError(`--wait: "${String(options.wait)}" is not a number of seconds`);
    const mount = mountAt(positionals[0] as string);
    const { daemon: before = 0, supervisor } = serversOf(mount);
    if (supervisor === undefined) {
      throw new CommandError(
        `${mount.dir} has no supervisor (mount option supervise): unmount it and mount it again`,
        EXIT.unsupported,
        'EOPNOTSUPP',
      );
    }
    process.kill(supervisor, 'SIGUSR2');
    const after = await another(mount, before, seconds);
    await statfs(mount.dir);
    if (json) printJson({ ok: true, dir: mount.dir, before, pid: after });
    else print(`${mount.dir} is served by process ${after} now; it was process ${before}`);
    return EXIT.ok;
  },
};

async function another(mount: Mount, before: number, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const now = serversOf(mount).daemon;
    if (now !== undefined && now !== before) return now;
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
