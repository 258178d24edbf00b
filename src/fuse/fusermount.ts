/**
 * Mounting without rights of one's own: fusermount3(1), which is set-uid root, opens /dev/fuse, mounts it and sends the
 * descriptor back through a socket (SCM_RIGHTS). It mounts only on directories that its caller owns, always nosuid and
 * nodev, and allow_other only where /etc/fuse.conf has user_allow_other.
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { F, MS, O, SOCK } from '../system/constants.ts';
import { E, SystemError } from '../system/errno.ts';
import { close, fcntl, recvFd, socketpair } from '../system/libc.ts';
import type { MountOptions } from './mount.ts';

/** Where the program may be beside PATH: daemons are started with a short one. */
const PLACES = ['/usr/bin', '/bin', '/usr/local/bin', '/usr/sbin'];

/** Path of fusermount3 (or of the older fusermount), undefined where there is none. */
function fusermountPath(path = process.env.PATH ?? ''): string | undefined {
  for (const name of ['fusermount3', 'fusermount']) {
    for (const folder of [...path.split(delimiter), ...PLACES]) {
      const file = join(folder, name);
      if (folder.startsWith('/') && isProgram(file)) return file;
    }
  }
  return undefined;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Words of mount(2)'s flags that fusermount3 takes; it adds nosuid and nodev by itself. */
const FLAG_WORDS: readonly (readonly [number, string])[] = [
  [MS.RDONLY, 'ro'],
  [MS.NOEXEC, 'noexec'],
  [MS.NOSUID, 'nosuid'],
  [MS.NODEV, 'nodev'],
  [MS.SYNCHRONOUS, 'sync'],
  [MS.DIRSYNC, 'dirsync'],
  [MS.NOATIME, 'noatime'],
];

/** The -o of fusermount3. Inside a value it wants commas and backslashes escaped. */
export function fusermountOptions(options: MountOptions): string {
  const escaped = (text: string): string => text.replace(/[\\,]/g, '\\$&');
  const flags = options.flags ?? 0;
  const words = FLAG_WORDS.filter(([bit]) => (flags & bit) !== 0).map(([, word]) => word);
  words.push(`fsname=${escaped(options.fsname)}`);
  if (options.subtype) words.push(`subtype=${escaped(options.subtype)}`);
  if (options.defaultPermissions) words.push('default_permissions');
  if (options.allowOther) words.push('allow_other');
  if (options.maxRead) words.push(`max_read=${options.maxRead}`);
  return words.join(',');
}

/** As openAndMount, by fusermount3. Throws SystemError, or an Error with what fusermount3 says. */
export function mountByHelper(options: MountOptions): { fd: number } {
  const program = fusermountPath();
  if (program === undefined)
    throw new SystemError(-E.PERM, 'mount: neither CAP_SYS_ADMIN nor fusermount3 (Debian: fuse3)');
  const pair = socketpair(SOCK.STREAM);
  if (typeof pair === 'number') throw new SystemError(pair, 'socketpair');
  const [ours, theirs] = pair;
  try {
    const args = ['-o', fusermountOptions(options), '--', options.dir];
    const { status, stderr, error } = spawnSync(program, args, {
      stdio: ['ignore', 'ignore', 'pipe', theirs],
      env: { ...process.env, _FUSE_COMMFD: '3', LC_ALL: 'C' },
      cwd: '/',
      encoding: 'utf8',
    });
    if (error) throw error;
    if (status !== 0) throw new HelperError(program, stderr);
    const { length, fd } = recvFd(ours, Buffer.alloc(1));
    if (length <= 0 || fd < 0) throw new SystemError(length < 0 ? length : -E.IO, `the descriptor of ${program}`);
    fcntl(fd, F.SETFL, fcntl(fd, F.GETFL, 0) | O.NONBLOCK);
    return { fd };
  } finally {
    close(ours);
    close(theirs);
  }
}

/** What fusermount3 said; `errno` by the words that it ends with, since it has one exit code for everything. */
export class HelperError extends Error {
  override name = 'HelperError';
  readonly code: string;

  constructor(program: string, said: string) {
    const text = said.trim() || 'failed without a word';
    super(text.startsWith('fusermount') ? text : `${program}: ${text}`);
    this.code = helperErrno(text);
  }
}

const WORDS: readonly (readonly [RegExp, keyof typeof E])[] = [
  [/busy/i, 'BUSY'],
  [/no such file/i, 'NOENT'],
  [/not a directory/i, 'NOTDIR'],
  [/not found|not mounted|invalid argument/i, 'INVAL'],
  [/too many FUSE/i, 'NOSPC'],
  [/permission denied|no write access/i, 'ACCES'],
];

function helperErrno(text: string): `E${keyof typeof E}` {
  return `E${WORDS.find(([pattern]) => pattern.test(text))?.[1] ?? 'PERM'}`;
}

/**
 * Unmounts by fusermount3: 0 or -errno. Asynchronous, so that whoever serves the mount goes on serving it: the program
 * looks at the mount point's parent, which may be a layoutfs of this very process.
 */
export function unmountByHelper(dir: string, { lazy = false } = {}): Promise<number> {
  const program = fusermountPath();
  if (program === undefined) return Promise.resolve(-E.PERM);
  return new Promise((resolve) => {
    const child = spawn(program, ['-u', ...(lazy ? ['-z'] : []), '--', dir], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
      cwd: '/',
    });
    let said = '';
    child.stderr.on('data', (part: Buffer) => {
      said += part;
    });
    child.on('error', () => resolve(-E.PERM));
    child.on('close', (status) => {
      const name = helperErrno(said).slice(1) as keyof typeof E;
      resolve(status === 0 ? 0 : -E[name]);
    });
  });
}
