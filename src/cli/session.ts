import { join } from 'node:path';
import { Session } from '../client/index.ts';
import { CommandError, EXIT } from './exit.ts';
import type { Mount } from './mounts.ts';

/** Name of the control directory: `.layout`, or what LAYOUTFS_CTL says for a mount made with -o ctl=NAME. */
function controlName(): string {
  return process.env.LAYOUTFS_CTL ?? '.layout';
}

/** A file of the control directory of a mount. */
export function controlPath(mount: Mount, name: string): string {
  return join(mount.dir, controlName(), name);
}

/**
 * A session on a mount. Refusals of its requests are LayoutError, which report.ts turns into an exit code.
 * @throws CommandError (unmounted) when there is no control directory.
 */
export async function openSession(mount: Mount): Promise<Session> {
  try {
    return await Session.open(mount.dir, { control: controlName() });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw error;
    const path = controlPath(mount, 'ctl');
    throw new CommandError(
      `${path} is not there: mounted with -o ctl=NAME? Then set LAYOUTFS_CTL=NAME`,
      EXIT.unmounted,
      code,
    );
  }
}
