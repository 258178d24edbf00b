import { family } from '../case.ts';

/** Owner, group, mode bits, the special bits, and who may change them. */
export const ownership = family('ownership', [
  ...(['create f 0666', 'mkdir f 0777', 'mkfifo f 0666', 'mknod f s 0666'].map((make) => [
    `owner and umask of ${make.split(' ')[0]}`,
    'open(2), umask(2)',
    `chmod . 0777
     umask 027
     u1: ${make}
     stat f -> uid=60001 gid=60001 mode=0${make.startsWith('mkdir') ? '750' : '640'}`,
  ]) as [string, string, string][]),
  ...(['create f 06777', 'mkfifo f 0777'].map((make) => [
    `set-group-ID directory: ${make.split(' ')[0]} takes the group`,
    'mkdir(2), inode(7)',
    `umask 0
     mkdir d 0755
     chown d 0 u2
     chmod d 02777
     u1: ${make.replace(' f ', ' d/f ')}
     stat d/f -> uid=60001 gid=60002`,
  ]) as [string, string, string][]),
  [
    'set-group-ID directory: subdirectories have it too',
    'mkdir(2)',
    `
     mkdir d 0755
     chown d 0 u2
     chmod d 02777
     u1: mkdir d/s 0755
     stat d/s -> gid=60002 mode=02755
     u1: mkdir d/s/t 0700
     stat d/s/t -> gid=60002 mode=02700`,
  ],
  [
    'set-group-ID directory: a group-executable set-group-ID file of a stranger loses the bit',
    'inode(7), mode_strip_sgid()',
    `
     umask 0
     mkdir d 0755
     chown d 0 u2
     chmod d 02777
     u1: create d/f 02775
     stat d/f -> mode=0775
     u1+u2: create d/g 02775
     stat d/g -> mode=02775
     u1: mknod d/h r 02775
     stat d/h -> mode=0775`,
  ],
  [
    'chmod by the owner',
    'chmod(2)',
    `
     chmod . 0777
     u1: create f 0644
     moves f:+c-am : u1: chmod f 0111
     stat f -> mode=0111
     u2: chmod f 0777 -> EPERM
     stat f -> mode=0111`,
  ],
  ['chmod of all bits by root', 'chmod(2)', 'create f 0644\nchmod f 07777\nstat f -> mode=07777'],
  [
    'chmod follows a link',
    'chmod(2)',
    'create f 0644\nsymlink f l\nchmod l 0600\nstat f -> mode=0600\nlstat l -> mode=0777',
  ],
  [
    'chmod drops set-group-ID when the caller is not in the group',
    'chmod(2)',
    `
     create f 0644
     chown f u1 u2
     u1: chmod f 02755
     stat f -> mode=0755
     u1+u2: chmod f 02755
     stat f -> mode=02755
     u1^fsetid: chmod f 02711
     stat f -> mode=02711`,
  ],
  ['chmod with CAP_FOWNER', 'capabilities(7)', 'create f 0644\nu1^fowner: chmod f 0600\nstat f -> mode=0600'],
  [
    'sticky bit of a file needs no privilege on Linux',
    'chmod(2)',
    'chmod . 0777\nu1: create f 0644\nu1: chmod f 01644\nstat f -> mode=01644',
  ],
  [
    'fchmod and fchown',
    'fchmod(2)',
    `
     create f 0644
     open f O_RDONLY => fd
     moves f:+c-am : fchmod $fd 0604
     fchown $fd u1 u2
     stat f -> mode=0604 uid=60001 gid=60002`,
  ],
  [
    'fchmod of an O_PATH descriptor',
    'open(2)',
    'create f 0644\nopen f O_PATH => fd\nfchmod $fd 0 -> EBADF\nfchown $fd 0 0 -> EBADF',
  ],
  [
    'chown by root',
    'chown(2)',
    `
     create f 0644
     moves f:+c-am : chown f 123 456
     stat f -> uid=123 gid=456
     chown f -1 7
     stat f -> uid=123 gid=7
     chown f 8 -1
     stat f -> uid=8 gid=7
     chown f 4294967294 4294967294
     stat f -> uid=4294967294 gid=4294967294`,
  ],
  ['chown of nothing', 'chown(2)', 'create f 0644\nchown f -1 -1\nstat f -> uid=0 gid=0'],
  [
    'chown by the owner: only to his groups',
    'chown(2)',
    `
     create f 0644
     chown f u1 u1
     u1: chown f u2 -1 -> EPERM
     u1: chown f -1 u2 -> EPERM
     u1+u2: chown f u1 u2
     stat f -> uid=60001 gid=60002
     u1+u2: chown f -1 u1
     stat f -> gid=60001
     u2+u1: chown f -1 u2 -> EPERM
     u1^chown: chown f u2 u3
     stat f -> uid=60002 gid=60003`,
  ],
  [
    'chown follows a link, lchown does not',
    'chown(2)',
    `
     create f 0644
     symlink f l
     chown l u1 u1
     lchown l u2 u2
     stat f -> uid=60001
     lstat l -> uid=60002 gid=60002`,
  ],
  [
    'chown clears set-user-ID and set-group-ID',
    'chown(2)',
    `
     create f 0644
     chown f u1 u1
     chmod f 06755
     u1+u2: chown f -1 u2
     stat f -> mode=0755
     chmod f 06755
     chown f u1 u1
     stat f -> mode=0755
     chmod f 06711
     u1: chown f u1 u1
     stat f -> mode=0711`,
  ],
  [
    'chown of a directory keeps its bits',
    'chown(2)',
    'mkdir d 0755\nchmod d 06755\nchown d u1 u2\nstat d -> mode=06755',
  ],
  [
    'chown keeps set-group-ID without group execution, of a member',
    'chown(2), inode(7)',
    'create f 0644\nchmod f 02644\nchown f u1 u1\nstat f -> mode=02644',
  ],
  ...(['pwrite $fd 0 x', 'ftruncate $fd 1', 'fallocate $fd PLAIN 0 100', 'fallocate $fd PUNCH|KEEP 0 2'].map(
    (change) => [
      `${change.split(' ')[0]} ${change.split(' ')[2]} by another user clears the set-ID bits`,
      'write(2), inode(7)',
      `create f 0644
     open f O_RDWR => s
     write $s data
     chmod f 06777
     u1: open f O_RDWR => fd
     stat f mode => m
     u1: ${change}
     stat f -> mode=0777`,
    ],
  ) as [string, string, string][]),
  [
    'a write clears the set-ID bits although the kernel knows them',
    'write(2)',
    `
     create f 0644
     chmod f 06777
     stat f -> mode=06777
     u1: open f O_RDWR => fd
     u1: write $fd a
     stat f -> mode=0777
     chmod f 04777
     stat f -> mode=04777
     u1: write $fd b
     fstat $fd -> mode=0777
     stat f -> mode=0777`,
  ],
  [
    'a write through a mapping clears nothing before it arrives',
    'mmap(2)',
    `
     put f data
     chmod f 0666
     u1: open f O_RDWR => fd
     u1: mmap $fd 0 4096 rw shared => m
     u1: store $m 0 X
     u1: msync $m
     get f -> Xata`,
  ],
  [
    'truncate and O_TRUNC by another user clear the set-ID bits',
    'truncate(2), open(2)',
    `
     put f data
     chmod f 06777
     u1: truncate f 2
     stat f -> mode=0777
     chmod f 06777
     u1: open f O_WRONLY|O_TRUNC => fd
     stat f -> mode=0777`,
  ],
  [
    'set-group-ID without group execution stays over a write',
    'inode(7)',
    `
     put f data
     chown f u1 u1
     chmod f 02666
     u1: open f O_WRONLY => fd
     u1: write $fd x
     stat f -> mode=02666`,
  ],
  [
    'a write by root keeps the set-ID bits',
    'write(2), CAP_FSETID',
    'put f data\nchmod f 06755\nopen f O_RDWR => fd\nwrite $fd x\nstat f -> mode=06755',
  ],
  [
    'copy_file_range by another user clears the set-ID bits',
    'copy_file_range(2)',
    `
     put s data
     create f 0644
     chmod s 0644
     chmod f 06777
     u1: open s O_RDONLY => a
     u1: open f O_RDWR => b
     u1: copy_range $a 0 $b 0 4 -> 4
     stat f -> mode=0777 size=4`,
  ],
  [
    'the owner class is not the others',
    'path_resolution(7)',
    `
     put f data
     chown f u1 u2
     chmod f 0077
     u1: open f O_RDONLY -> EACCES
     chmod f 0707
     u1+u2: open f O_RDONLY
     u2: open f O_RDONLY -> EACCES
     u3+u2: open f O_RDONLY -> EACCES
     chmod f 0040
     u3+u2: open f O_RDONLY
     u3: open f O_RDONLY -> EACCES`,
  ],
  [
    'root reads everything, and executes what anybody may',
    'capabilities(7)',
    `
     put f data
     chmod f 0
     open f O_RDWR
     access f x -> EACCES
     chmod f 0010
     access f x
     mkdir d 0
     access d rwx`,
  ],
  [
    'CAP_DAC_OVERRIDE',
    'capabilities(7)',
    'put f data\nchmod f 0\nu1^dac_override: open f O_RDWR\nu1: open f O_RDWR -> EACCES',
  ],
  [
    'access of each class',
    'access(2)',
    `
     put f data
     chown f u1 u2
     chmod f 0640
     u1: access f rw
     u1: access f x -> EACCES
     u2: access f r
     u2: access f w -> EACCES
     u3+u2: access f r
     u3: access f r -> EACCES`,
  ],
  [
    'sticky directory: unlink',
    'inode(7)',
    `
     mkdir d 0777
     chmod d 01777
     u1: create d/f 0666
     u2: unlink d/f -> EPERM
     u2^fowner: unlink d/f
     u1: create d/f 0666
     u1: unlink d/f`,
  ],
  [
    'sticky directory: rename from, over and rmdir',
    'rename(2) EPERM, rmdir(2) EPERM',
    `
     mkdir d 0777
     chmod d 01777
     u1: create d/f 0666
     u2: create d/g 0666
     u1: mkdir d/s 0777
     u2: rename d/f d/h -> EPERM
     u2: rename d/g d/f -> EPERM
     u2: rmdir d/s -> EPERM
     u1: rename d/f d/h
     u1: rmdir d/s
     ls d -> g,h`,
  ],
  [
    'sticky directory: its owner may',
    'inode(7)',
    `
     mkdir d 0777
     chmod d 01777
     chown d u2 u2
     u1: create d/f 0666
     u2: unlink d/f
     ls d -> -`,
  ],
  [
    'a directory that moves must be writable',
    'rename(2) EACCES',
    `
     mkdir a 0777
     mkdir b 0777
     chmod a 0777
     chmod b 0777
     mkdir a/d 0755
     u1: rename a/d b/d -> EACCES
     u1: rename a/d a/e
     ls a -> e`,
  ],
  [
    'open of a FIFO and a device of others',
    'open(2) EACCES',
    'mkfifo p 0600\nmknod c c 0600 1 3\nu1: open p O_RDONLY|O_NONBLOCK -> EACCES\nu1: open c O_RDONLY -> EACCES',
  ],
  [
    'O_NOATIME is for the owner',
    'open(2) EPERM',
    'put f data\nchmod f 0666\nu1: open f O_RDONLY|O_NOATIME -> EPERM\nchown f u1 u1\nu1: open f O_RDONLY|O_NOATIME',
  ],
  [
    'a descriptor outlives chmod',
    'open(2)',
    `
     put f data
     chown f u1 u1
     u1: open f O_RDWR => fd
     chmod f 0
     u1: write $fd DATA
     u1: pread $fd 0 4 -> DATA`,
  ],
  [
    'create with a mode that forbids the creator',
    'open(2)',
    `
     chmod . 0777
     u1: open f O_CREAT|O_RDWR 0 => fd
     u1: write $fd x
     u1: open f O_RDONLY -> EACCES
     stat f -> mode=00 size=1`,
  ],
  [
    'a mode change is seen by other users at once',
    'chmod(2)',
    `
     mkdir d 0777
     put d/f data
     u1: get d/f -> data
     chmod d 0700
     u1: get d/f -> EACCES
     chmod d 0711
     u1: get d/f -> data
     chmod d/f 0600
     u1: get d/f -> EACCES`,
  ],
  [
    'file capabilities go with a write and with chown',
    'capabilities(7)',
    `
     put f data
     sh setcap cap_net_raw+ep f
     listxattr f -> security.capability
     open f O_RDWR => fd
     write $fd x
     listxattr f -> -
     sh setcap cap_net_raw+ep f
     chown f u1 u1
     listxattr f -> -`,
    { needs: ['setcap'] },
  ],
]);
