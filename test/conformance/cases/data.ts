import { family } from '../case.ts';

/** read, write and their relatives. */
export const data = family('data', [
  [
    'write and read',
    'write(2)',
    'open f O_CREAT|O_RDWR => fd\nwrite $fd hello -> 5\nread $fd 5 -> <eof>\nlseek $fd 0 SET\nread $fd 3 -> hel\nread $fd 30 -> lo\nread $fd 30 -> <eof>\nstat f -> size=5',
  ],
  [
    'a write past the end leaves zeros',
    'lseek(2)',
    'open f O_CREAT|O_RDWR => fd\nwrite $fd ab\npwrite $fd 6 yz\npread $fd 0 100 -> ab....yz\npwrite $fd 100000 end\ncheck $fd 8 99992 . -> same\nstat f -> size=100003',
  ],
  [
    'access mode',
    'write(2) EBADF',
    'put f data\nopen f O_RDONLY => r\nopen f O_WRONLY => w\nwrite $r x -> EBADF\nread $w 1 -> EBADF\nftruncate $r 0 -> EINVAL|EBADF\nfallocate $r PLAIN 0 10 -> EBADF',
  ],
  [
    'bad addresses',
    'write(2) EFAULT',
    'open f O_CREAT|O_RDWR => fd\nwrite_fault $fd -> EFAULT\nwrite $fd data\nlseek $fd 0 SET\nread_fault $fd -> EFAULT\nstat f -> size=4',
  ],
  [
    'O_APPEND',
    'open(2)',
    'put f one\nopen f O_RDWR|O_APPEND => fd\nlseek $fd 0 SET\nwrite $fd two\nget f -> onetwo\npwrite $fd 0 tri\nget f -> onetwotri\nopen f O_RDWR => other\npwrite $other 9 four\nwrite $fd end\nget f -> onetwotrifourend',
  ],
  [
    'O_APPEND by fcntl',
    'fcntl(2)',
    'put f one\nopen f O_RDWR => fd\nsetfl $fd O_RDWR|O_APPEND\nwrite $fd two\nget f -> onetwo\nsetfl $fd O_RDWR\npwrite $fd 0 X\nget f -> Xnetwo',
  ],
  ['O_APPEND by many', 'open(2)', 'append_race f 4 250 -> good\nstat f -> size=128000'],
  [
    'truncate',
    'truncate(2)',
    'put f abcdef\ntruncate f 3\nget f -> abc\ntruncate f 6\nget f -> abc...\ntruncate f 0\nget f -> <eof>\ntruncate f -1 -> EINVAL\nopen f O_RDWR => fd\nftruncate $fd -1 -> EINVAL',
  ],
  [
    'truncate within a block leaves no old data',
    'truncate(2)',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 0 20000 x\nftruncate $fd 5000\nftruncate $fd 20000\ncheck $fd 0 5000 x -> same\ncheck $fd 5000 15000 . -> same',
  ],
  [
    'the largest offsets',
    'truncate(2) EFBIG',
    'open f O_CREAT|O_RDWR => fd\nftruncate $fd 16T-4096 \nfstat $fd -> size=17592186040320 blocks=0\npwrite $fd 16T-4097 z\npread $fd 16T-4097 5 -> z\nftruncate $fd 9223372036854775807 -> EFBIG\npwrite $fd 9223372036854775807 x -> EFBIG|EINVAL',
  ],
  [
    'sparse to 4 PiB',
    'truncate(2)',
    'open f O_CREAT|O_RDWR => fd\npwrite $fd 4P-1 z\nfstat $fd -> size=4503599627370496 blocks=8\nlseek $fd 1 DATA -> 4503599627366400\npread $fd 4P-2 9 -> .z\npwrite $fd 4P x -> EFBIG\nftruncate $fd 4P+1 -> EFBIG\nftruncate $fd 1\nfstat $fd -> blocks=0',
    { unlikeExt4: 'its files end at 16 TiB' },
  ],
  ['RLIMIT_FSIZE', 'setrlimit(2) EFBIG', 'fsize f 5000 -> 5000 EFBIG\nstat f -> size=5000'],
  [
    'lseek',
    'lseek(2)',
    'put f data\nopen f O_RDONLY => fd\nlseek $fd 0 END -> 4\nlseek $fd 10 CUR -> 14\nlseek $fd -20 CUR -> EINVAL\nlseek $fd -1 SET -> EINVAL\nread $fd 1 -> <eof>',
  ],
  [
    'pwritev2 and preadv2',
    'readv(2)',
    'open f O_CREAT|O_RDWR => fd\npwritev2 $fd 0 data DSYNC -> 4\npreadv2 $fd 0 4 HIPRI|PLAIN -> data|EOPNOTSUPP\npwritev2 $fd 0 end APPEND -> 3\npread $fd 0 10 -> dataend',
  ],
  [
    'O_SYNC and O_DSYNC',
    'open(2)',
    'open f O_CREAT|O_RDWR|O_SYNC => fd\nwrite $fd data -> 4\nopen g O_CREAT|O_RDWR|O_DSYNC => g\nwrite $g data -> 4\nfsync $g\nfdatasync $g\nsyncfs $g\nsync_file_range $g 0 0',
  ],
  [
    'fsync of a directory',
    'fsync(2)',
    'mkdir d 0755\nopen d O_RDONLY|O_DIRECTORY => fd\ncreate d/f\nfsync $fd\nfdatasync $fd',
  ],
  [
    'O_DIRECT',
    'open(2)',
    'open f O_CREAT|O_RDWR|O_DIRECT => fd\ndirect $fd w 0 8192 0 -> 8192\ndirect $fd r 4096 4096 0 -> 4096\nopen f O_RDWR => b\npread $b 8190 10 -> DD\npwrite $b 0 buffered\ndirect $fd r 0 4096 0 -> 4096\ndirect $fd r 8192 4096 0 -> 0\ndirect $fd r 4096 8192 0 -> 4096',
  ],
  [
    'O_DIRECT and the page cache agree',
    'open(2)',
    'open f O_CREAT|O_RDWR => b\nfill $b 0 16384 x\ncheck $b 0 16384 x -> same\nopen f O_RDWR|O_DIRECT => d\ndirect $d w 4096 4096 0 -> 4096\ncheck $b 4096 4096 D -> same\ncheck $b 0 4096 x -> same\ncheck $b 8192 8192 x -> same',
  ],
  [
    'RWF_NOAPPEND writes where it says',
    'pwritev2(2)',
    `open f O_CREAT|O_RDWR|O_APPEND => fd
     write $fd hello
     pwritev2 $fd 0 XY NOAPPEND -> 2|EOPNOTSUPP
     pread $fd 0 9 -> XYllo|hello
     open f O_RDONLY|O_DIRECT => d
     pread $d 0 9 -> XYllo|hello|EINVAL
     fstat $fd -> size=5
     pwrite $fd 0 end
     pread $fd 5 9 -> end`,
  ],
  [
    'RWF_NOAPPEND on a file that is appended to only',
    'pwritev2(2), ioctl_iflags(2)',
    `put f hello
     chattr f +a
     open f O_WRONLY|O_APPEND => fd
     pwritev2 $fd 0 XY NOAPPEND -> EPERM|EOPNOTSUPP
     get f -> hello`,
  ],
  [
    'fadvise and readahead',
    'posix_fadvise(2)',
    'put f data\nopen f O_RDWR => fd\nfadvise $fd 0 0 0\nfadvise $fd 0 0 2\nfadvise $fd 0 0 3\nfadvise $fd 0 0 4\nfadvise $fd 0 0 5\nfadvise $fd 0 0 99 -> EINVAL\nreadahead $fd 0 4096\nget f -> data',
  ],
  [
    'copy_file_range',
    'copy_file_range(2)',
    'open a O_CREAT|O_RDWR => s\nfill $s 0 100000 x\nopen b O_CREAT|O_RDWR => d\ncopy_range $s 0 $d 0 100000 -> 100000\ncheck $d 0 100000 x -> same\nfstat $d -> size=100000\ncopy_range $s 99990 $d 200000 100 -> 10\nfstat $d -> size=200010\ncheck $d 100000 100000 . -> same\ncopy_range $s 100000 $d 0 10 -> 0\ncopy_range $s 0 $s 50 100 -> EINVAL\ncopy_range $s 0 $s 200000 100 -> 100\ncopy_range $s 0 $d 0 10 1 -> EINVAL',
  ],
  [
    'copy_file_range: copies are independent',
    'copy_file_range(2)',
    'open a O_CREAT|O_RDWR => s\nfill $s 0 65536 x\nopen b O_CREAT|O_RDWR => d\ncopy_range $s 0 $d 0 65536 -> 65536\npwrite $s 10 CHANGED\ncheck $d 0 65536 x -> same\nfill $d 4096 4096 y\ncheck $s 4096 61440 x -> same\nftruncate $s 0\ncheck $d 8192 57344 x -> same\ncheck $d 0 4096 x -> same',
  ],
  [
    'copy_file_range: of what is only in the page cache',
    'copy_file_range(2)',
    'put a data\nopen a O_RDWR => s\nmmap $s 0 4096 rw shared => m\nstore $m 0 D\nopen b O_CREAT|O_RDWR => d\ncopy_range $s 0 $d 0 4 -> 4\nget b -> Data',
  ],
  [
    'copy_file_range: over cached pages',
    'copy_file_range(2)',
    'open a O_CREAT|O_RDWR => s\nfill $s 0 16384 x\nopen b O_CREAT|O_RDWR => d\nfill $d 0 16384 y\nmmap $d 0 16384 r shared => m\nload $m 5000 -> y\ncopy_range $s 4096 $d 4096 4096 -> 4096\nload $m 5000 -> x\nload $m 9000 -> y\ncheck $d 4096 4096 x -> same',
  ],
  [
    'copy_file_range: modes and kinds',
    'copy_file_range(2)',
    'put a data\nmkdir d 0755\nopen a O_RDONLY => s\nopen b O_CREAT|O_WRONLY|O_APPEND => ap\nopen d O_RDONLY => dir\nopen a O_RDONLY => r\ncopy_range $s 0 $ap 0 4 -> EBADF\ncopy_range $s 0 $r 0 4 -> EBADF\ncopy_range $dir 0 $ap 0 4 -> EISDIR|EBADF',
  ],
  [
    'sendfile and splice',
    'sendfile(2), splice(2)',
    'put a datadata\nopen a O_RDONLY => s\nopen b O_CREAT|O_RDWR => d\nsendfile $d $s 2 4 -> 4\nget b -> tada\nsplice $s $d 3 -> 3\nget b -> tadadat',
  ],
  [
    'FICLONE',
    'ioctl_ficlone(2)',
    'put a data\nopen a O_RDONLY => s\nopen b O_CREAT|O_RDWR => d\nficlone $s $d\nget b -> data',
    { refusedByKernel: 'FICLONE, FICLONERANGE and FIDEDUPERANGE', unlikeExt4: 'it has no reflinks' },
  ],
  [
    'a write of another process is seen at once',
    'write(2)',
    'put f data\nopen f O_RDWR => fd\npread $fd 0 9 -> data\n@b pwrite $fd 0 DATAS\npread $fd 0 9 -> DATAS\n@b ftruncate $fd 2\npread $fd 0 9 -> DA\nfstat $fd -> size=2',
  ],
  [
    'a write that overlaps a read of the same mapping',
    'write(2)',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 0 8192 x\nmmap $fd 0 8192 rw shared => m\npwrite_from_map $fd 4096 $m 4096 -> 4096\npread_to_map $fd 0 $m 4096 -> 4096\ncheck $fd 0 8192 x -> same',
  ],
  [
    'a gigabyte offset by offset',
    'write(2)',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 1G-4096 8192 x\nfill $fd 2G-4096 8192 y\nfill $fd 4G-4096 8192 z\ncheck $fd 1G-4096 8192 x -> same\ncheck $fd 2G-4096 8192 y -> same\ncheck $fd 4G-4096 8192 z -> same\nfstat $fd -> blocks=48',
  ],
  [
    'large writes',
    'write(2)',
    'open f O_CREAT|O_RDWR => fd\nfill $fd 1 12M x\ncheck $fd 1 12M x -> same\nfstat $fd -> size=12582913',
  ],
]);
