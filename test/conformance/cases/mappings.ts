import { family } from '../case.ts';

/** mmap(2) together with everything else. */
export const mappings = family('mappings', [
  [
    'shared: read sees stores, loads see writes',
    'mmap(2)',
    'put f data\nopen f O_RDWR => fd\nmmap $fd 0 4096 rw shared => m\nload $m 1 -> a\nstore $m 0 X\npread $fd 0 9 -> Xata\npwrite $fd 2 Y\nload $m 2 -> Y\nmsync $m\nget f -> XaYa',
  ],
  [
    'private: stores stay here',
    'mmap(2)',
    'put f data\nopen f O_RDWR => fd\nmmap $fd 0 4096 rw private => m\nstore $m 0 X\nload $m 0 -> X\nget f -> data',
  ],
  [
    'private: of a file open for reading',
    'mmap(2) EACCES',
    'put f data\nopen f O_RDONLY => fd\nmmap $fd 0 4096 rw private => m\nstore $m 0 X\nmmap $fd 0 4096 rw shared -> EACCES\nopen f O_WRONLY => w\nmmap $w 0 4096 r shared -> EACCES',
  ],
  [
    'SIGBUS beyond the end',
    'mmap(2)',
    'put f data\nopen f O_RDWR => fd\nmmap $fd 0 16384 rw shared => m\nload $m 5 -> .\nload $m 4096 -> SIGBUS\nstore $m 8192 x -> SIGBUS\nftruncate $fd 16384\nload $m 4096 -> .\nstore $m 8192 x\ncheck $fd 8192 1 x -> same',
  ],
  [
    'truncate under a mapping',
    'mmap(2), truncate(2)',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 0 16384 x\nmmap $fd 0 16384 rw shared => m\nload $m 9000 -> x\n@b ftruncate $fd 5000\nload $m 9000 -> SIGBUS\nload $m 4999 -> x\nload $m 5001 -> .\nftruncate $fd 16384\nload $m 9000 -> .\nload $m 6000 -> .',
  ],
  [
    'what is stored behind the end never shows',
    'mmap(2)',
    'put f data\nopen f O_RDWR => fd\nmmap $fd 0 4096 rw shared => m\nstore $m 100 x\nmsync $m\nftruncate $fd 4096\ncheck $fd 4 4092 . -> same',
  ],
  [
    'what is stored behind the end does not show in a gap',
    'mmap(2), write(2)',
    'put f data\nopen f O_RDWR => fd\nmmap $fd 0 4096 rw shared => m\nstore $m 100 x\npwrite $fd 200 z\ncheck $fd 4 196 . -> same',
    { refusedByKernel: 'Stores behind the end of a file' },
  ],
  [
    'a mapping outlives close and unlink',
    'mmap(2)',
    'put f data\nopen f O_RDWR => fd\nmmap $fd 0 4096 rw shared => m\nclose $fd\nunlink f\nload $m 0 -> d\nstore $m 0 X\nmsync $m\nload $m 0 -> X\nmunmap $m',
  ],
  [
    'chattr +i keeps what was stored before',
    'mmap(2), ioctl_iflags(2)',
    'put f data\nopen f O_RDWR => fd\nmmap $fd 0 4096 rw shared => m\nstore $m 0 X\nchattr f +i\nmsync $m\nmunmap $m\nclose $fd\nopen f O_RDONLY|O_DIRECT => d\ndirect $d r 0 4096 0 -> 4\nget f -> Xata\nchattr f -i',
  ],
  ['many processes count in one mapping', 'mmap(2)', 'inc_map f 4 20000 -> good'],
  [
    'a hole is read and stored into',
    'mmap(2)',
    'open f O_CREAT|O_RDWR => fd\nftruncate $fd 1M\nmmap $fd 0 1M rw shared => m\nload $m 500000 -> .\nstore $m 500000 x\nmsync $m\nfsync $fd\ncheck $fd 500000 1 x -> same\nfstat $fd -> blocks=8',
  ],
  [
    'into what is allocated',
    'mmap(2), fallocate(2)',
    'open f O_CREAT|O_RDWR => fd\nfallocate $fd PLAIN 0 65536\nmmap $fd 0 65536 rw shared => m\nstore $m 10 x\nstore $m 65000 y\nmsync $m\ncheck $fd 10 1 x -> same\ncheck $fd 65000 1 y -> same\ncheck $fd 11 64989 . -> same',
  ],
  [
    'O_DIRECT write under a mapping',
    'open(2)',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 0 8192 x\nmmap $fd 0 8192 r shared => m\nload $m 0 -> x\nopen f O_RDWR|O_DIRECT => d\ndirect $d w 0 4096 0 -> 4096\nload $m 0 -> D\nload $m 4096 -> x',
  ],
  [
    'another process sees a store',
    'mmap(2)',
    'put f data\nopen f O_RDWR => fd\nmmap $fd 0 4096 rw shared => m\n@b load $m 0 -> d\nstore $m 0 X\n@b load $m 0 -> X\n@b store $m 1 Y\nload $m 1 -> Y\nget f -> XYta',
  ],
  [
    'copied with its stores',
    'cp(1)',
    'put f data\nopen f O_RDWR => fd\nmmap $fd 0 4096 rw shared => m\nstore $m 0 X\nsh cp f g\nget g -> Xata',
  ],
]);
