import { family } from '../case.ts';

/** What set-user-ID and set-group-ID bits survive: setattr_should_drop_suidgid() in the kernel's fs/attr.c. */
export const setId = family('set-id', [
  [
    'without group execution: a stranger to the group clears it, a member does not',
    'inode(7), write(2), truncate(2)',
    `
     put f data
     chown f 0 u2
     chmod f 06666
     u1+u2: open f O_WRONLY => m
     u1+u2: write $m x
     stat f -> mode=02666
     u1+u2: truncate f 2
     stat f -> mode=02666
     u1: open f O_WRONLY => s
     u1: write $s x
     stat f -> mode=0666
     chmod f 06666
     u1: truncate f 3
     stat f -> mode=0666
     chmod f 02666
     u1: open f O_WRONLY|O_TRUNC => t
     stat f -> mode=0666`,
  ],
  [
    'the owner may be a stranger to the group',
    'inode(7), write(2)',
    'put f data\nchown f u1 u2\nchmod f 06666\nu1: open f O_WRONLY => fd\nu1: write $fd x\nstat f -> mode=0666',
  ],
  ...(['PLAIN', 'KEEP', 'PUNCH|KEEP', 'ZERO'].map((mode) => [
    `fallocate ${mode}: root keeps them, others do not`,
    'fallocate(2), CAP_FSETID',
    `
     put f data
     chown f 0 u2
     chmod f 06777
     open f O_WRONLY => r
     fallocate $r ${mode} 0 4096
     stat f -> mode=06777
     u1: open f O_WRONLY => u
     u1: fallocate $u ${mode} 0 4096
     stat f -> mode=0777
     chmod f 06666
     u1: fallocate $u ${mode} 0 4096
     stat f -> mode=0666
     chmod f 06666
     u1+u2: fallocate $u ${mode} 0 4096
     stat f -> mode=02666`,
  ]) as [string, string, string][]),
  [
    'copy_file_range by root keeps them',
    'copy_file_range(2), CAP_FSETID',
    `
     put s data
     create f 0644
     chmod f 06777
     open s O_RDONLY => a
     open f O_WRONLY => b
     copy_range $a 0 $b 0 4 -> 4
     stat f -> mode=06777`,
  ],
  [
    'chown to nobody and no group is a chown',
    'chown(2)',
    `
     create f 0644
     chmod f 06755
     u1: chown f -1 -1 -> 0|EPERM
     stat f -> mode=06755
     moves f:+c-am : chown f -1 -1
     stat f -> mode=0755
     chmod f 06666
     chown f -1 -1
     stat f -> mode=02666`,
  ],
]);
