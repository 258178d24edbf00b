import { family } from '../case.ts';

/** Holes, allocation, accounting. */
export const space = family('space', [
  [
    'st_blocks',
    'stat(2)',
    'open f O_CREAT|O_RDWR => fd\nfstat $fd -> blocks=0\nfill $fd 0 100 x\nfsync $fd\nfstat $fd -> blocks=8\nfill $fd 8192 1 x\nfsync $fd\nfstat $fd -> blocks=16\nftruncate $fd 4096\nfstat $fd -> blocks=8\nftruncate $fd 1M\nfstat $fd -> blocks=8\nftruncate $fd 0\nfstat $fd -> blocks=0',
  ],
  [
    'fallocate',
    'fallocate(2)',
    'open f O_CREAT|O_RDWR => fd\nfallocate $fd PLAIN 0 100000\nfstat $fd -> size=100000 blocks=200\ncheck $fd 0 100000 . -> same\nfallocate $fd KEEP 100000 100000\nfstat $fd -> size=100000\nfallocate $fd KEEP 4M 8192\nfstat $fd -> size=100000',
  ],
  [
    'fallocate: bad arguments',
    'fallocate(2)',
    'open f O_CREAT|O_RDWR => fd\nfallocate $fd PLAIN -1 10 -> EINVAL\nfallocate $fd PLAIN 0 0 -> EINVAL\nfallocate $fd PLAIN 0 -1 -> EINVAL\nfallocate $fd PUNCH 0 10 -> EOPNOTSUPP\nfallocate $fd PLAIN 9223372036854775807 10 -> EFBIG\nmkdir d 0755\nopen d O_RDONLY => dd\nfallocate $dd PLAIN 0 10 -> EBADF|EISDIR\nmkfifo p 0644\nopen p O_RDWR => pp\nfallocate $pp PLAIN 0 10 -> ESPIPE',
  ],
  [
    'fallocate: more than there is',
    'fallocate(2) ENOSPC',
    'open f O_CREAT|O_RDWR => fd\nfallocate $fd PLAIN 0 8T -> ENOSPC\nfstat $fd -> size=0',
    { unlikeExt4: 'it keeps what it had got so far' },
  ],
  [
    'posix_fallocate',
    'posix_fallocate(3)',
    'put f data\nopen f O_RDWR => fd\nposix_fallocate $fd 0 10000\nfstat $fd -> size=10000\npread $fd 0 8 -> data....\nposix_fallocate $fd -1 10 -> EINVAL\nposix_fallocate $fd 0 0 -> EINVAL',
  ],
  [
    'punch',
    'fallocate(2)',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 0 32768 x\nfsync $fd\nfallocate $fd PUNCH|KEEP 8192 8192\nfstat $fd -> size=32768 blocks=48\ncheck $fd 8192 8192 . -> same\ncheck $fd 0 8192 x -> same\ncheck $fd 16384 16384 x -> same\nfallocate $fd PUNCH|KEEP 100 200\ncheck $fd 100 200 . -> same\ncheck $fd 0 100 x -> same\ncheck $fd 300 7892 x -> same\nfstat $fd -> blocks=48\nfallocate $fd PUNCH|KEEP 30000 100000\nfstat $fd -> size=32768\ncheck $fd 30000 2768 . -> same',
  ],
  [
    'punch: of cached and mapped pages',
    'fallocate(2)',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 0 16384 x\nmmap $fd 0 16384 rw shared => m\nstore $m 5000 y\nfallocate $fd PUNCH|KEEP 4096 4096\nload $m 5000 -> .\nload $m 100 -> x\ncheck $fd 4096 4096 . -> same',
  ],
  [
    'zero range',
    'fallocate(2)',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 0 32768 x\nfallocate $fd ZERO 1000 20000\ncheck $fd 1000 20000 . -> same\ncheck $fd 0 1000 x -> same\ncheck $fd 21000 11768 x -> same\nfallocate $fd ZERO|KEEP 30000 10000\nfstat $fd -> size=32768\nfallocate $fd ZERO 30000 10000\nfstat $fd -> size=40000\ncheck $fd 30000 10000 . -> same',
  ],
  [
    'collapse and insert',
    'fallocate(2)',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 0 12288 x\nfill $fd 4096 4096 y\nfallocate $fd COLLAPSE 4096 4096\nfstat $fd -> size=8192\ncheck $fd 0 8192 x -> same\nfallocate $fd INSERT 4096 4096\ncheck $fd 4096 4096 . -> same',
    { refusedByKernel: 'fallocate: COLLAPSE_RANGE, INSERT_RANGE, UNSHARE_RANGE' },
  ],
  [
    'SEEK_DATA and SEEK_HOLE',
    'lseek(2)',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 0 8192 x\nfill $fd 65536 4096 x\nftruncate $fd 100000\nfsync $fd\nlseek $fd 0 DATA -> 0\nlseek $fd 0 HOLE -> 8192\nlseek $fd 8192 DATA -> 65536\nlseek $fd 9000 HOLE -> 9000\nlseek $fd 65536 HOLE -> 69632\nlseek $fd 70000 DATA -> ENXIO\nlseek $fd 70000 HOLE -> 70000\nlseek $fd 100000 HOLE -> ENXIO\nlseek $fd 100000 DATA -> ENXIO\nlseek $fd -1 DATA -> ENXIO',
  ],
  [
    'SEEK_HOLE of a full and of an empty file',
    'lseek(2)',
    'put f data\nopen f O_RDWR => fd\nlseek $fd 0 HOLE -> 4\nlseek $fd 2 DATA -> 2\ncreate g\nopen g O_RDWR => g\nlseek $g 0 DATA -> ENXIO\nlseek $g 0 HOLE -> ENXIO\nftruncate $g 10000\nlseek $g 0 DATA -> ENXIO\nlseek $g 0 HOLE -> 0',
  ],
  [
    'SEEK_DATA: what is allocated and not written is a hole',
    'lseek(2)',
    'open f O_CREAT|O_RDWR => fd\nfallocate $fd PLAIN 0 65536\nlseek $fd 0 DATA -> ENXIO\nfill $fd 8192 4096 x\nfsync $fd\nlseek $fd 0 DATA -> 8192\nlseek $fd 8192 HOLE -> 12288\nfallocate $fd PUNCH|KEEP 8192 4096\nlseek $fd 0 DATA -> ENXIO',
  ],
  [
    'SEEK_DATA of what is only in the page cache',
    'lseek(2)',
    'open f O_CREAT|O_RDWR => fd\nftruncate $fd 65536\nmmap $fd 0 65536 rw shared => m\nstore $m 8192 x\nlseek $fd 0 DATA -> 8192',
    { refusedByKernel: 'SEEK_DATA and SEEK_HOLE over dirty mapped pages' },
  ],
  [
    'blocks of a file that is gone come back',
    'unlink(2)',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 0 4M x\nfsync $fd\nstatvfs . bfree => before\nunlink f\nclose $fd\nsh sync .\nsleep_ms 1300\nstatvfs . bfree => after\nassert $after > $before',
    { unlikeExt4: 'the host is used by others at the same time' },
  ],
  [
    'statfs',
    'statfs(2)',
    'statvfs . namemax -> 255\nstatvfs . bsize -> 4096\nstatvfs . files => n\nassert $n > 0\nopen . O_RDONLY => fd\nput f x\nstatvfs f namemax -> 255',
  ],
  [
    'a hole that is written is a file of its own blocks',
    'write(2)',
    'open f O_CREAT|O_RDWR => fd\nftruncate $fd 1M\nfill $fd 12288 4096 x\nfill $fd 4096 4096 y\nfsync $fd\nfstat $fd -> blocks=16\ncheck $fd 0 4096 . -> same\ncheck $fd 8192 4096 . -> same\ncheck $fd 12288 4096 x -> same',
  ],
  [
    'fallocate keeps what is there',
    'fallocate(2)',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 4096 4096 x\nfallocate $fd PLAIN 0 16384\ncheck $fd 4096 4096 x -> same\ncheck $fd 0 4096 . -> same\nfstat $fd -> size=16384 blocks=32',
  ],
  [
    'a write into what is allocated shows nothing else',
    'fallocate(2)',
    'open f O_CREAT|O_RDWR => fd\nfallocate $fd PLAIN 0 1M\npwrite $fd 5000 x\ncheck $fd 0 5000 . -> same\ncheck $fd 5001 1000000 . -> same',
  ],
  [
    'truncate frees what was allocated beyond the end',
    'fallocate(2)',
    'open f O_CREAT|O_RDWR => fd\nfallocate $fd KEEP 0 1M\nfstat $fd -> size=0 blocks=2048\nftruncate $fd 0\nfstat $fd -> blocks=0',
  ],
  ['FIBMAP', 'fs/ioctl.c', 'put f data\nopen f O_RDONLY => fd\nfsync $fd\nu1: fibmap $fd -> EPERM\nfibmap $fd'],
]);
