/**
 * The exit codes of `layoutfs`. They are a promise (docs/exit-codes.md, tested by test/cli/exit.test.ts): a number never
 * changes its meaning. Each is a class of errno, so that a script can tell "busy, try again" from "not allowed".
 *
 * Two programs of the family have codes of their own, as their callers expect them: fsck.layoutfs as fsck(8),
 * mount.layoutfs as mount(8). `layoutfs lease hold … -- COMMAND` ends with the code of COMMAND, as flock(1) does.
 */
export interface ExitClass {
  code: number;
  name: string;
  /** Names of the errnos of this class. */
  errnos: readonly string[];
  meaning: string;
}

export const EXIT_CLASSES = [
  { code: 0, name: 'ok', errnos: [], meaning: 'done' },
  { code: 1, name: 'failed', errnos: [], meaning: 'failed in a way that has no class of its own' },
  { code: 2, name: 'usage', errnos: ['E2BIG', 'EMSGSIZE'], meaning: 'the command line is wrong; nothing was done' },
  { code: 3, name: 'missing', errnos: ['ENOENT', 'ENOTDIR', 'ENODATA'], meaning: 'no such file, volume or lease' },
  { code: 4, name: 'denied', errnos: ['EPERM', 'EACCES', 'EROFS'], meaning: 'not allowed' },
  {
    code: 5,
    name: 'busy',
    errnos: ['EAGAIN', 'EBUSY', 'EDEADLK', 'EEXIST', 'ENOTEMPTY'],
    meaning: 'in conflict with somebody; may work later',
  },
  { code: 6, name: 'immutable', errnos: ['ETXTBSY'], meaning: 'a lease or a seal forbids it for as long as it lives' },
  {
    code: 7,
    name: 'unfit',
    errnos: ['ENXIO', 'EINVAL', 'EISDIR', 'EFBIG', 'ENAMETOOLONG', 'ELOOP', 'ERANGE'],
    meaning: 'the file or the range does not fulfil the preconditions (a hole, shared, unaligned, not regular …)',
  },
  {
    code: 8,
    name: 'stale',
    errnos: ['ESTALE', 'EOVERFLOW'],
    meaning: 'an old seq or epoch, or events were lost: look again',
  },
  { code: 9, name: 'timeout', errnos: ['ETIMEDOUT'], meaning: 'waited as long as asked for' },
  { code: 10, name: 'interrupted', errnos: ['EINTR', 'ECANCELED'], meaning: 'interrupted' },
  {
    code: 11,
    name: 'full',
    errnos: ['ENOSPC', 'EDQUOT', 'ENOLCK', 'ENOMEM', 'EMFILE', 'ENFILE'],
    meaning: 'no space, or a limit is reached',
  },
  {
    code: 12,
    name: 'io',
    errnos: ['EIO', 'EBADMSG', 'EUCLEAN'],
    meaning: 'the device failed, or the volume is damaged',
  },
  {
    code: 13,
    name: 'unsupported',
    errnos: ['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'ENOTTY'],
    meaning: 'not supported here',
  },
  {
    code: 14,
    name: 'unmounted',
    errnos: ['ENOTCONN', 'ENODEV', 'ECONNABORTED', 'EPIPE'],
    meaning: 'not a layoutfs mount, or its daemon is gone',
  },
  { code: 70, name: 'bug', errnos: [], meaning: 'a defect of layoutfs: please report it with the trace' },
] as const satisfies readonly ExitClass[];

export type ExitName = (typeof EXIT_CLASSES)[number]['name'];

/** Exit codes by name: `EXIT.busy`. */
export const EXIT = Object.fromEntries(EXIT_CLASSES.map((each) => [each.name, each.code])) as Record<ExitName, number>;

/** The exit code for an errno given by name (`ETXTBSY`); an unknown one is `failed`. */
export function exitOfErrno(name: string | undefined): number {
  const found = EXIT_CLASSES.find((each) => (each.errnos as readonly string[]).includes(name ?? ''));
  return found?.code ?? EXIT.failed;
}

/** What a command throws to end with a message on stderr and a code. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly exit: number;
  /** Name of the errno, for --json. */
  readonly errno: string | undefined;

  constructor(message: string, exit: number, errno?: string) {
    super(message);
    this.exit = exit;
    this.errno = errno;
  }
}

export function usageError(message: string): CommandError {
  return new CommandError(message, EXIT.usage);
}
