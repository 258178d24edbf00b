import { family } from '../case.ts';

/** flock(2), POSIX and open file description locks, leases of the kernel. */
export const locks = family('locks', [
  [
    'flock',
    'flock(2)',
    `
     create f
     open f O_RDWR => one
     @b open f O_RDWR => two
     flock $one LOCK_EX
     @b flock $two LOCK_EX|LOCK_NB -> EAGAIN
     @b flock $two LOCK_SH|LOCK_NB -> EAGAIN
     flock $one LOCK_SH
     @b flock $two LOCK_SH|LOCK_NB
     flock $one LOCK_EX|LOCK_NB -> EAGAIN
     @b flock $two LOCK_UN
     flock $one LOCK_EX|LOCK_NB`,
  ],
  [
    'flock: a waiter gets it',
    'flock(2)',
    'create f\nopen f O_RDWR => one\nflock $one LOCK_EX\n@b open f O_RDWR => two\n@b& flock $two LOCK_EX\nsleep_ms 30\nflock $one LOCK_UN\nwait b -> 0\nflock $one LOCK_EX|LOCK_NB -> EAGAIN',
  ],
  [
    'flock: goes with its holder',
    'flock(2)',
    'create f\nopen f O_RDWR => one\n@b open f O_RDWR => two\n@b flock $two LOCK_EX\nflock $one LOCK_EX|LOCK_NB -> EAGAIN\nkill b\nflock $one LOCK_EX|LOCK_NB',
  ],
  [
    'POSIX locks',
    'fcntl(2)',
    `
     create f
     open f O_RDWR => fd
     setlk $fd WRLCK 0 10
     @b getlk $fd WRLCK 5 10 -> write 0 10
     @b setlk $fd WRLCK 5 10 -> EAGAIN|EACCES
     @b setlk $fd WRLCK 10 10
     getlk $fd WRLCK 0 0 -> write 10 10
     setlk $fd UNLCK 3 3
     @b setlk $fd WRLCK 3 3
     @b setlk $fd RDLCK 0 1 -> EAGAIN|EACCES
     setlk $fd RDLCK 0 3
     @b setlk $fd RDLCK 0 1
     getlk $fd WRLCK 20 0 -> free`,
  ],
  [
    'POSIX locks: need the access mode',
    'fcntl(2) EBADF',
    'put f data\nopen f O_RDONLY => r\nopen f O_WRONLY => w\nsetlk $r WRLCK 0 1 -> EBADF\nsetlk $w RDLCK 0 1 -> EBADF',
  ],
  [
    'POSIX locks: go with any close',
    'fcntl(2)',
    'create f\nopen f O_RDWR => one\nopen f O_RDWR => two\nsetlk $one WRLCK 0 0\n@b setlk $one WRLCK 0 0 -> EAGAIN|EACCES\nclose $two\n@b setlk $one WRLCK 0 0',
  ],
  [
    'POSIX locks: a waiter gets it, and a deadlock is seen',
    'fcntl(2) EDEADLK',
    'create f\nopen f O_RDWR => fd\nsetlk $fd WRLCK 0 1\n@b setlk $fd WRLCK 1 1\n@b& setlkw $fd WRLCK 0 1\nsleep_ms 50\nsetlkw $fd WRLCK 1 1 -> EDEADLK\nsetlk $fd UNLCK 0 1\nwait b -> 0',
  ],
  [
    'POSIX locks: go with their holder',
    'fcntl(2)',
    'create f\nopen f O_RDWR => fd\n@b setlk $fd WRLCK 0 0\nsetlk $fd WRLCK 0 0 -> EAGAIN|EACCES\nkill b\nsetlk $fd WRLCK 0 0',
  ],
  [
    'OFD locks',
    'fcntl(2)',
    'create f\nopen f O_RDWR => one\nopen f O_RDWR => two\nofd_setlk $one WRLCK 0 10\nofd_setlk $two WRLCK 5 1 -> EAGAIN\nofd_setlk $two WRLCK 10 1\nsetlk $one WRLCK 10 1 -> EAGAIN\ndup $one => three\nclose $one\nofd_setlk $two WRLCK 5 1 -> EAGAIN\nclose $three\nofd_setlk $two WRLCK 5 1',
  ],
  ['POSIX locks guard a counter', 'fcntl(2)', 'lock_race f 4 200 posix -> good'],
  ['OFD locks guard a counter', 'fcntl(2)', 'lock_race f 4 200 ofd -> good'],
  [
    'a lease of the kernel',
    'fcntl(2) F_SETLEASE',
    'create f\nopen f O_RDONLY => fd\nsetlease $fd RDLCK\nsetlease $fd UNLCK\nopen f O_RDWR => w\nsetlease $fd RDLCK -> EAGAIN',
  ],
]);
