import { family } from '../case.ts';

/** FIFOs, sockets, devices; programs. */
export const special = family('special', [
  [
    'devices',
    'mknod(2)',
    `
     mknod c c 0644 1 3
     mknod b b 0600 259 1048575
     lstat c -> type=char mode=0644 rdev=1,3 size=0 blocks=0
     lstat b -> type=block mode=0600 rdev=259,1048575
     mknod z c 0644 4095 1048575
     lstat z -> rdev=4095,1048575
     mknod o c 0644 0 0
     lstat o -> rdev=0,0`,
  ],
  [
    'a device works',
    'mknod(2)',
    'mknod null c 0666 1 3\nmknod zero c 0666 1 5\nopen null O_WRONLY => n\nwrite $n gone -> 4\nopen zero O_RDONLY => z\nread $z 3 -> ...',
  ],
  [
    'devices need CAP_MKNOD',
    'mknod(2) EPERM',
    'chmod . 0777\nu1: mknod c c 0644 1 3 -> EPERM\nu1: mknod b b 0644 1 3 -> EPERM\nu1: mknod r r 0644\nu1: mknod p p 0644\nu1: mknod s s 0644\nu1^mknod: mknod c c 0644 1 3\nls . -> c,p,r,s',
  ],
  ['mknod of a directory', 'mknod(2) EPERM', 'mknod d d 0755 -> EPERM'],
  [
    'a FIFO carries data',
    'fifo(7)',
    `
     mkfifo p 0644
     open p O_WRONLY|O_NONBLOCK -> ENXIO
     open p O_RDWR => fd
     write $fd data
     read $fd 10 -> data
     stat p -> size=0 type=fifo
     @b& open p O_RDONLY
     open p O_WRONLY => w
     wait b => r
     @b& read $r 5
     write $w hello
     wait b -> hello`,
  ],
  [
    'a FIFO moves its times',
    'fifo(7)',
    'mkfifo p 0644\nopen p O_RDWR => fd\nmoves p:+m : write $fd x',
    { refusedByKernel: 'Times of FIFOs' },
  ],
  [
    'a socket',
    'unix(7)',
    'bind s => fd\nlstat s -> type=socket nlink=1\nconnect s\nbind s -> EADDRINUSE\nopen s O_RDWR -> ENXIO\nchmod s 0700\nu1: connect s -> EACCES\nclose $fd\nconnect s -> ECONNREFUSED\nunlink s',
  ],
  [
    'truncate of special files',
    'truncate(2)',
    'mkfifo p 0644\nmkdir d 0755\ntruncate p 0 -> EINVAL\ntruncate d 0 -> EISDIR',
  ],
  [
    'a program',
    'execve(2)',
    'sh cp /bin/true t\nexec ./t -> 0\nchmod t 0644\nexec ./t -> EACCES\nput s text\nchmod s 0755\nexec ./s -> ENOEXEC\nmkdir d 0755\nexec ./d -> EACCES',
  ],
  ['a script', 'execve(2)', "sh printf '#!/bin/sh\\nexit 7\\n' > s\nchmod s 0755\nexec ./s -> 7"],
  [
    'a program that runs is not written',
    'open(2) ETXTBSY',
    `
     sh cp /bin/sleep t
     @b& exec ./t 0.4
     sleep_ms 150
     open t O_WRONLY -> ETXTBSY
     truncate t 0 -> ETXTBSY
     unlink t
     wait b -> 0`,
  ],
  [
    'a program that is written does not run',
    'execve(2) ETXTBSY',
    'sh cp /bin/true t\nopen t O_WRONLY => fd\nexec ./t -> ETXTBSY\nclose $fd\nexec ./t -> 0',
  ],
  [
    'a set-user-ID program',
    'execve(2)',
    'sh cp /usr/bin/id t\nchown t u2 u2\nchmod t 06755\nchmod . 0755\nu1: sh ./t -u -> 60002\nu1: sh ./t -g -> 60002',
  ],
]);
