import type { Case } from '../case.ts';

/**
 * The errors that every call with a path shares, one case for each call and error. `base` is a file, `dir` a directory.
 */

/** Calls that make a name; `link` and `rename` bring the file `base` there. */
const CREATING: Readonly<Record<string, string>> = {
  open: 'open PATH O_CREAT|O_RDWR 0644',
  'open O_EXCL': 'open PATH O_CREAT|O_EXCL|O_RDWR 0644',
  mkdir: 'mkdir PATH 0755',
  mkfifo: 'mkfifo PATH 0644',
  'mknod of a file': 'mknod PATH r 0644',
  'mknod of a socket': 'mknod PATH s 0644',
  symlink: 'symlink target PATH',
  link: 'link base PATH',
  rename: 'rename base PATH',
};

/** Calls on something that is there. */
const USING: Readonly<Record<string, string>> = {
  'open O_RDONLY': 'open PATH O_RDONLY',
  'open O_WRONLY': 'open PATH O_WRONLY',
  'open O_TRUNC': 'open PATH O_WRONLY|O_TRUNC',
  stat: 'stat PATH',
  lstat: 'lstat PATH',
  statvfs: 'statvfs PATH',
  access: 'access PATH r',
  chmod: 'chmod PATH 0600',
  chown: 'chown PATH 0 0',
  lchown: 'lchown PATH 0 0',
  truncate: 'truncate PATH 1',
  utimensat: 'utimensat PATH now now',
  unlink: 'unlink PATH',
  rmdir: 'rmdir PATH',
  'rename from': 'rename PATH other',
  'link from': 'link PATH other',
  readlink: 'readlink PATH',
  chdir: 'chdir PATH',
  getxattr: 'getxattr PATH user.a',
  setxattr: 'setxattr PATH user.a v',
  listxattr: 'listxattr PATH',
  removexattr: 'removexattr PATH user.a',
  exec: 'exec PATH',
};

const ALL = { ...CREATING, ...USING };

interface Rule {
  what: string;
  errno: string;
  path: string;
  calls: Readonly<Record<string, string>>;
  prepare?: string;
  who?: string;
  except?: readonly string[];
}

const RULES: readonly Rule[] = [
  { what: 'a component is a file', errno: 'ENOTDIR', path: 'base/x', calls: ALL },
  { what: 'a component is a FIFO', errno: 'ENOTDIR', path: 'fifo/x', calls: ALL, prepare: 'mkfifo fifo 0644' },
  { what: 'a component is not there', errno: 'ENOENT', path: 'none/x', calls: ALL },
  { what: 'the name is not there', errno: 'ENOENT', path: 'none', calls: USING },
  { what: 'the path is empty', errno: 'ENOENT', path: '<empty>', calls: ALL },
  { what: 'the path is no address', errno: 'EFAULT', path: '<fault>', calls: ALL },
  { what: 'a name of 256 bytes', errno: 'ENAMETOOLONG', path: '{n*256}', calls: ALL },
  { what: 'a name of 256 bytes on the way', errno: 'ENAMETOOLONG', path: '{n*256}/x', calls: ALL },
  { what: 'a path of 4096 bytes', errno: 'ENAMETOOLONG', path: '{d/*2048}', calls: ALL },
  {
    what: 'links in a circle on the way',
    errno: 'ELOOP',
    path: 'one/x',
    calls: ALL,
    prepare: 'symlink two one\nsymlink one two',
  },
  {
    what: 'a link to itself at the end',
    errno: 'ELOOP',
    path: 'self',
    calls: USING,
    prepare: 'symlink self self',
    except: ['lstat', 'lchown', 'unlink', 'rmdir', 'rename from', 'link from', 'readlink', 'listxattr'],
  },
  {
    what: 'no search permission',
    errno: 'EACCES',
    path: 'closed/x',
    calls: ALL,
    prepare: 'mkdir closed 0700\nput closed/x data\nchmod closed/x 0777\nchmod . 0777\nchown base u1 u1',
    who: 'u1',
  },
  {
    what: 'no write permission in the directory',
    errno: 'EACCES',
    path: 'closed/x',
    calls: { ...CREATING, unlink: USING.unlink as string, 'rename from': 'rename PATH closed/y' },
    prepare: 'mkdir closed 0755\nchmod . 0777\nchown base u1 u1\nPRESENT',
    who: 'u1',
  },
  {
    what: 'in an immutable directory',
    errno: 'EPERM',
    path: 'fixed/x',
    calls: CREATING,
    prepare: 'mkdir fixed 0777\nchattr fixed +i',
  },
  {
    what: 'of an immutable file',
    errno: 'EPERM',
    path: 'fixed',
    prepare: 'put fixed data\nchattr fixed +i',
    calls: pick(
      'open O_WRONLY',
      'open O_TRUNC',
      'chmod',
      'chown',
      'truncate',
      'utimensat',
      'unlink',
      'rename from',
      'link from',
      'setxattr',
    ),
  },
  {
    what: 'of an append-only file',
    errno: 'EPERM',
    path: 'log',
    prepare: 'put log data\nchattr log +a',
    calls: pick(
      'open O_WRONLY',
      'open O_TRUNC',
      'chmod',
      'chown',
      'truncate',
      'unlink',
      'rename from',
      'link from',
      'setxattr',
    ),
  },
  { what: 'on a file', errno: 'ENOTDIR', path: 'base', calls: pick('rmdir', 'chdir') },
  {
    what: 'on a directory',
    errno: 'EISDIR',
    path: 'dir',
    calls: pick('open O_WRONLY', 'open O_TRUNC', 'truncate', 'unlink'),
  },
  {
    what: 'that has a trailing slash',
    errno: 'ENOTDIR',
    path: 'base/',
    calls: pick('stat', 'lstat', 'unlink', 'rmdir', 'truncate', 'chmod', 'rename from'),
  },
  {
    what: 'without read permission',
    errno: 'EACCES',
    path: 'secret',
    who: 'u1',
    prepare: 'put secret data\nsetxattr secret user.a v\nchmod secret 0300',
    calls: pick('open O_RDONLY', 'access', 'getxattr'),
  },
  {
    what: 'without write permission',
    errno: 'EACCES',
    path: 'secret',
    who: 'u1',
    prepare: 'put secret data\nsetxattr secret user.a v\nchmod secret 0555',
    calls: pick('open O_WRONLY', 'open O_TRUNC', 'truncate', 'utimensat', 'setxattr', 'removexattr'),
  },
  { what: 'without execute permission', errno: 'EACCES', path: 'base', who: 'u1', calls: pick('exec') },
  {
    what: 'not by the owner',
    errno: 'EPERM',
    path: 'base',
    who: 'u1',
    calls: pick('chmod', 'chown', 'lchown'),
    prepare: 'chmod base 0666',
  },
];

function pick(...names: string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, (ALL as Record<string, string>)[name] as string]));
}

/** What is at a name already when something is to be made there, and the calls that must find it in the way. */
const PRESENT: Readonly<Record<string, string>> = {
  'a file': 'put there data',
  'a directory': 'mkdir there 0755',
  'a FIFO': 'mkfifo there 0644',
  'a socket': 'mknod there s 0644',
  'a device': 'mknod there c 0644 1 3',
  'a dangling link': 'symlink nowhere there',
  'a link': 'symlink base there',
};

const EXCLUSIVE = ['open O_EXCL', 'mkdir', 'mkfifo', 'mknod of a file', 'mknod of a socket', 'symlink', 'link'];

/** Calls that need the name to be there, and not, when permission to write the directory is what lacks. */
const NEEDS_PRESENT = new Set(['unlink', 'rename from']);

export const errors: readonly Case[] = [
  ...RULES.flatMap((rule) =>
    Object.entries(rule.calls)
      .filter(([call]) => !rule.except?.includes(call))
      .map(([call, line]) => {
        const present = NEEDS_PRESENT.has(call) ? 'put closed/x data' : '';
        return {
          name: `errors/${call} ${rule.what}: ${rule.errno}`,
          source: `${call.split(' ')[0]}(2) ${rule.errno}`,
          script: [
            'put base data',
            'mkdir dir 0755',
            rule.prepare?.replace('PRESENT', present) ?? '',
            `${rule.who === undefined ? '' : `${rule.who}: `}${line.replace('PATH', rule.path)} -> ${rule.errno}`,
          ].join('\n'),
        };
      }),
  ),
  ...EXCLUSIVE.flatMap((call) =>
    Object.entries(PRESENT).map(([what, make]) => ({
      name: `errors/${call} where ${what} is: EEXIST`,
      source: `${call.split(' ')[0]}(2) EEXIST`,
      script: `put base data\n${make}\nmoves .:-cm there:-acm : ${CREATING[call]?.replace('PATH', 'there')} -> EEXIST`,
    })),
  ),
  ...Object.entries(CREATING)
    .filter(([call]) => call !== 'link' && call !== 'rename')
    .map(([call, line]) => ({
      name: `errors/${call} of a name of 255 bytes`,
      source: 'pathconf(3) NAME_MAX',
      script: `put base data\n${line.replace('PATH', '{n*255}')}\nlstat {n*255} -> nlink=${call === 'mkdir' ? 2 : 1}`,
    })),
];
