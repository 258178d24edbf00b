import { family } from '../case.ts';

/** The four times of a file, who sets them, and what moves them. */
export const times = family('times', [
  [
    'a new file has one time',
    'inode(7)',
    `
     create f
     stat f atime => a
     stat f mtime -> $a
     stat f ctime -> $a
     stat f btime -> $a`,
  ],
  [
    'nanoseconds',
    'utimensat(2)',
    'create f\nutimensat f 1000000000.123456789 1500000000.987654321\nstat f -> atime=1000000000.123456789 mtime=1500000000.987654321',
  ],
  ...(
    [
      ['before 1970', '-1.000000001'],
      ['in 1901', '-2147483647.500000000'],
      ['in 2038', '2147483648.000000001'],
      ['in 2106', '4294967296.000000007'],
      ['in 2446', '15032385535.000000000'],
      ['at 0', '0.000000000'],
    ] as const
  ).map(
    ([what, time]) =>
      [
        `a time ${what}`,
        'utimensat(2)',
        `create f\nutimensat f ${time} ${time}\nstat f -> atime=${time} mtime=${time}`,
      ] as [string, string, string],
  ),
  [
    'a time beyond what ext4 can hold',
    'utimensat(2)',
    'create f\nutimensat f 30000000000.5 30000000000.5\nstat f -> atime=30000000000.000000005 mtime=30000000000.000000005',
    { unlikeExt4: 'its times end in 2446' },
  ],
  [
    'NOW and OMIT',
    'utimensat(2)',
    `
     create f
     utimensat f 5.000000005 6.000000006
     utimensat f omit 7.000000007
     stat f -> atime=5.000000005 mtime=7.000000007
     utimensat f 8.000000008 omit
     stat f -> atime=8.000000008 mtime=7.000000007
     moves f:-acm : utimensat f omit omit
     moves f:+acm : utimensat f now now
     stat f mtime => m
     stat f atime -> $m
     stat f btime => b
     assert $b <= $m`,
  ],
  [
    'utimensat moves ctime',
    'utimensat(2)',
    'create f\nmoves f:+c : utimensat f 5.0 6.0\nmoves f:+c-am : utimensat f 5.0 6.0',
  ],
  [
    'times given are for the owner',
    'utimensat(2)',
    `
     create f
     chmod f 0666
     chown f u1 u1
     u2: utimensat f 5.0 6.0 -> EPERM
     u2: utimensat f now omit -> EPERM
     u2: utimensat f omit now -> EPERM
     u2: utimensat f omit omit
     u2: utimensat f now now
     u2: utimes_null f
     chmod f 0644
     u2: utimensat f now now -> EACCES
     u2: utimes_null f -> EACCES
     u1: utimensat f 5.0 6.0
     chmod f 0
     u1: utimensat f now now
     u1: utimensat f 7.0 8.0
     u2^fowner: utimensat f 9.0 9.0`,
  ],
  [
    'an append-only file takes only now',
    'utimensat(2) EPERM',
    'create f\nchattr f +a\nutimensat f 5.0 6.0 -> EPERM\nutimensat f now now\nutimes_null f\nchattr f -a',
  ],
  [
    'of a symbolic link itself',
    'utimensat(2)',
    'create f\nsymlink f l\nutimensat l 5.0 6.0 nofollow\nlstat l -> atime=5.000000000 mtime=6.000000000\nutimensat l 7.0 8.0\nstat f -> atime=7.000000000 mtime=8.000000000\nlstat l -> mtime=6.000000000',
  ],
  [
    'of an open file',
    'futimens(3)',
    'create f\nopen f O_RDONLY => fd\nfutimens $fd 5.000000001 6.000000002\nstat f -> atime=5.000000001 mtime=6.000000002',
  ],
  [
    'a write moves mtime and ctime',
    'write(2)',
    'create f\nopen f O_RDWR => fd\nmoves f:-a+cm : write $fd x\nmoves f:-a+cm : pwrite $fd 0 y\nmoves f:-acm : fsync $fd',
  ],
  [
    'a write in a time that was set',
    'write(2)',
    'create f\nopen f O_RDWR => fd\nwrite $fd x\nfutimens $fd 5.0 6.0\nstat f -> mtime=6.000000000\nwrite $fd y\nstat f mtime => m\nassert $m > 1000\nfutimens $fd 7.0 8.0\nclose $fd\nstat f -> mtime=8.000000000',
  ],
  [
    'truncate moves mtime and ctime, to the same size too',
    'truncate(2)',
    'put f data\nmoves f:-a+cm : truncate f 2\nmoves f:-a+cm : truncate f 100\nmoves f:+cm : truncate f 100\nopen f O_RDWR => fd\nmoves f:+cm : ftruncate $fd 100\nmoves f:+cm : ftruncate $fd 0',
  ],
  [
    'fallocate moves ctime',
    'fallocate(2)',
    'create f\nopen f O_RDWR => fd\nmoves f:+c : fallocate $fd PLAIN 0 8192\nmoves f:+cm : fallocate $fd PUNCH|KEEP 0 4096',
  ],
  [
    'chmod, chown, xattrs, links move ctime only',
    'inode(7)',
    'create f\nmoves f:+c-am : chmod f 0600\nmoves f:+c-am : chown f u1 u1\nmoves f:+c-am : setxattr f user.a v\nmoves f:+c-am : removexattr f user.a\nmoves f:+c-am : link f g\nmoves f:+c-am : unlink g',
  ],
  [
    'a read moves atime (relatime)',
    'mount(8) relatime',
    'put f data\nutimensat f 5.0 6.0\nopen f O_RDONLY => fd\nmoves f:+a-cm : read $fd 2\nmoves f:-acm : read $fd 2',
  ],
  [
    'a read out of the page cache moves atime (relatime)',
    'mount(8) relatime',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 0 4096 x\ncheck $fd 0 4096 x -> same\nutimensat f 5.0 6.0\nmoves f:+a-cm : pread $fd 0 2',
    { refusedByKernel: 'Access times of cached reads' },
  ],
  [
    'O_NOATIME',
    'open(2)',
    'put f data\nutimensat f 5.0 6.0\nopen f O_RDONLY|O_NOATIME => fd\nmoves f:-acm : read $fd 2',
  ],
  [
    'a directory that is read moves its atime (relatime)',
    'mount(8) relatime',
    'mkdir d 0755\ncreate d/f\nutimensat d 5.0 6.0\nmoves d:+a-cm : ls d',
  ],
  [
    'a link that is followed moves its atime (relatime)',
    'mount(8) relatime',
    'symlink t l\nutimensat l 5.0 6.0 nofollow\nmoves l:+a-cm : readlink l',
  ],
  [
    'copy_file_range moves the times of the target',
    'copy_file_range(2)',
    'put a data\nput b more\nopen a O_RDONLY => s\nopen b O_RDWR => d\nmoves b:+cm a:-cm : copy_range $s 0 $d 0 4',
  ],
  [
    'a store through a mapping moves mtime',
    'mmap(2)',
    'put f data\nopen f O_RDWR => fd\nmmap $fd 0 4096 rw shared => m\nutimensat f 5.0 6.0\nstore $m 0 X\nmsync $m\nstat f mtime => t\nassert $t > 1000',
  ],
]);
