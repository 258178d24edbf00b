import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { ProcCallers } from '../control/callers.ts';
import type { ConnectionInfo } from '../fuse/init.ts';
import { Recorder } from '../fuse/recording.ts';
import type { Session } from '../fuse/session.ts';
import { watchers } from '../fuse/watcher.ts';
import { systemClock } from '../system/clock.ts';
import { E, SystemError } from '../system/errno.ts';
import type { Tell } from '../system/log.ts';
import { describeOptions } from './messages.ts';
import type { MountOptions } from './options.ts';

/** Options that a replay must not repeat: where messages go, and what concerns other processes. */
const NOT_REPEATED = [
  'log',
  'log_level',
  'log_format',
  'record',
  'fence_cmd',
  'on_expire',
  'supervise',
  'nosupervise',
  'transport',
];

/**
 * Makes the file of a recording, before there is a mount. @throws Error of Node; SystemError for a path that is not
 * absolute (the daemon's directory is /), or inside the mount, where this daemon would wait for itself.
 */
export function openRecorder(path: string, dir: string, tell: Tell): Recorder {
  if (!isAbsolute(path)) throw new SystemError(E.INVAL, `record=${path}: not an absolute path`);
  const folder = join(realpathSync(dirname(path)), '/');
  if (folder.startsWith(join(realpathSync(dir), '/')))
    throw new SystemError(E.INVAL, `record=${path}: the recording of a mount can not lie in it`);
  const callers = new ProcCallers(0);
  return new Recorder(
    path,
    () => performance.now(),
    (pid) => {
      const { tgid, start, command, groups } = callers.of(0, 0, pid);
      return { pid, tgid, start, command, groups: [...groups] };
    },
    (error) => tell('error', `the recording ends here: ${(error as Error).message}`, { path }),
  );
}

/** From now on, everything that the session gets and gives. */
export function record(recorder: Recorder, session: Session, info: ConnectionInfo, options: MountOptions): void {
  const time = { seconds: 0, nanoseconds: 0 };
  systemClock.realtime(time);
  recorder.begin({ ...time, connection: info.toJSON(), options: describeOptions(options, NOT_REPEATED) });
  session.watch = watchers(session.watch, recorder);
}
