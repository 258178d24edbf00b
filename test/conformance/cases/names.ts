import { family } from '../case.ts';

/** Names, links, directories and rename(2). */
export const names = family('names', [
  [
    'any bytes but slash and NUL',
    'path_resolution(7)',
    `
     create \xffname\x7fok
     create a\\b*c?
     sh ls | wc -l -> 2
     unlink a\\b*c?`,
  ],
  [
    'dot and dot-dot',
    'path_resolution(7)',
    `
     mkdir d 0755
     stat . ino => here
     stat d/.. ino -> $here
     stat d/. ino => inner
     stat d ino -> $inner
     rmdir d/. -> EINVAL
     mkdir d/s 0755
     rmdir d/s/.. -> ENOTEMPTY
     unlink d/. -> EISDIR|EINVAL
     rename d/. e -> EBUSY|EINVAL
     rename d/s/.. e -> EBUSY|EINVAL
     mkdir . 0755 -> EEXIST
     mkdir d/.. 0755 -> EEXIST`,
  ],
  [
    'dot-dot after a move',
    'rename(2)',
    `
     mkdir a 0755
     mkdir b 0755
     mkdir a/d 0755
     rename a/d b/d
     stat b ino => b
     stat b/d/.. ino -> $b
     stat a -> nlink=2
     stat b -> nlink=3
     sh cd b/d && cd .. && ls -> d`,
  ],
  ['PATH_MAX: 4095 bytes', 'path_resolution(7)', 'mkdir d 0755\nstat {d/../*682}. -> type=dir'],
  [
    'a tree deeper than PATH_MAX',
    'getcwd(3)',
    `
     sh i=0; while [ $((i+=1)) -le 40 ]; do mkdir {n*200} && cd {n*200} || exit 1; done
     sh rm -r {n*200}
     ls . -> -`,
  ],
  [
    'create moves the times of the directory',
    'open(2), inode(7)',
    `
     moves .:+cm : create f
     moves .:+cm : mkdir d 0755
     moves .:+cm : mkfifo p 0644
     moves .:+cm : symlink x s
     moves .:+cm f:+c-m : link f g
     moves .:+cm f:+c-m : unlink g
     moves .:+cm : rmdir d
     moves .:+cm : rename f h
     moves .:-cm h:-cm : open h O_CREAT|O_RDWR`,
  ],
  [
    'a failed call moves nothing',
    'POSIX',
    `
     mkdir d 0755
     create d/f
     moves .:-cm d:-cm : rmdir d -> ENOTEMPTY
     moves .:-cm d:-cm : mkdir d 0755 -> EEXIST
     moves d:-cm d/f:-cm : rename d/f d/none/x -> ENOENT
     moves d:-cm : unlink d/none -> ENOENT`,
  ],
  [
    'link counts',
    'link(2)',
    `
     put f data
     link f g
     stat f -> nlink=2
     link g h
     stat h -> nlink=3
     stat f ino => i
     stat h ino -> $i
     unlink f
     stat g -> nlink=2
     get g -> data`,
  ],
  [
    'link across directories',
    'link(2)',
    'mkdir a 0755\nmkdir b 0755\nput a/f data\nlink a/f b/g\nunlink a/f\nget b/g -> data\nstat b/g -> nlink=1',
  ],
  [
    'link of a link names the link',
    'link(2)',
    'create f\nsymlink f l\nlink l m\nlstat m -> type=link nlink=2\nlinkfollow l n\nlstat n -> type=file',
  ],
  [
    'link of special files',
    'link(2)',
    'mkfifo p 0644\nmknod c c 0644 1 3\nmknod s s 0644\nlink p p2\nlink c c2\nlink s s2\nlstat c2 -> type=char rdev=1,3 nlink=2',
  ],
  ['link of a directory', 'link(2) EPERM', 'mkdir d 0755\nlink d e -> EPERM\nu1: link d e -> EPERM|EACCES'],
  [
    'more links than ext4 has',
    'link(2) EMLINK',
    'put f data\nlinks f 64999 -> 64999\nstat f -> nlink=65000\nsh rm l*\nstat f -> nlink=1',
  ],
  [
    'a directory counts its subdirectories',
    'ext4(5)',
    `
     mkdir d 0755
     stat d -> nlink=2
     mkdir d/a 0755
     mkdir d/b 0755
     create d/f
     stat d -> nlink=4
     rmdir d/a
     stat d -> nlink=3
     stat d -> size=4096`,
  ],
  [
    'rmdir',
    'rmdir(2)',
    `
     mkdir d 0755
     create d/f
     rmdir d -> ENOTEMPTY
     unlink d/f
     rmdir d
     stat d -> ENOENT
     rmdir d -> ENOENT`,
  ],
  [
    'a removed directory that is open',
    'rmdir(2)',
    `
     mkdir d 0755
     open d O_RDONLY => fd
     chdir d
     rmdir ../d
     fstat $fd -> nlink=0
     create f -> ENOENT
     mkdir x 0755 -> ENOENT
     symlink a b -> ENOENT
     mkfifo p 0644 -> ENOENT
     rename ../none x -> ENOENT
     ls . -> -|ENOENT
     open . O_TMPFILE|O_RDWR -> ENOENT|EPERM`,
  ],
  [
    'a removed file that is open',
    'unlink(2)',
    `
     put f data
     open f O_RDWR => fd
     moves .:+cm : unlink f
     fstat $fd -> nlink=0 size=4
     pwrite $fd 4 more
     pread $fd 0 100 -> datamore
     fchmod $fd 0600
     fstat $fd -> mode=0600 size=8
     put f other
     pread $fd 0 100 -> datamore
     linkfd $fd g -> ENOENT`,
  ],
  ['unlink moves ctime of what stays', 'unlink(2)', 'create f\nlink f g\nmoves g:+c-am : unlink f'],
  [
    'unlink of a link takes the link',
    'unlink(2)',
    'create f\nsymlink f l\nunlink l\nstat f -> type=file\nlstat l -> ENOENT',
  ],
  [
    'O_TMPFILE',
    'open(2)',
    `
     open . O_TMPFILE|O_RDWR 0640 => fd
     fstat $fd -> nlink=0 mode=0640 type=file
     write $fd data
     ls . -> -
     linkfd $fd f
     get f -> data
     stat f -> nlink=1 mode=0640`,
  ],
  ['O_TMPFILE|O_EXCL gets no name', 'open(2)', 'open . O_TMPFILE|O_RDWR|O_EXCL 0640 => fd\nlinkfd $fd f -> ENOENT'],
  ['O_TMPFILE for reading only', 'open(2) EINVAL', 'open . O_TMPFILE|O_RDONLY -> EINVAL'],
  [
    'O_CREAT of a directory',
    'open(2) EISDIR',
    'mkdir d 0755\nopen d O_CREAT|O_RDONLY -> EISDIR\nopen d O_CREAT|O_RDWR -> EISDIR\nopen d O_RDONLY|O_DIRECTORY',
  ],
  ['O_DIRECTORY of a file', 'open(2) ENOTDIR', 'create f\nopen f O_RDONLY|O_DIRECTORY -> ENOTDIR'],
  [
    'O_CREAT through a dangling link',
    'open(2)',
    'symlink f l\nopen l O_CREAT|O_RDWR => fd\nstat f -> type=file\nsymlink g m\nopen m O_CREAT|O_EXCL|O_RDWR -> EEXIST\nstat g -> ENOENT',
  ],
  [
    'O_NOFOLLOW',
    'open(2) ELOOP',
    'create f\nsymlink f l\nopen l O_RDONLY|O_NOFOLLOW -> ELOOP\nopen l O_PATH|O_NOFOLLOW => fd\nfstat $fd -> type=link',
  ],
  ['O_TRUNC', 'open(2)', 'put f data\nmoves f:+cm .:-cm : open f O_WRONLY|O_TRUNC => fd\nstat f -> size=0 blocks=0'],
  [
    'a name that was missing appears at once',
    'POSIX',
    'stat f -> ENOENT\ncreate f\nstat f -> type=file\nunlink f\nstat f -> ENOENT\nmkdir f 0755\nstat f -> type=dir',
  ],
  [
    'a symbolic link of 4095 bytes',
    'symlink(2)',
    `
     symlink {t*4095} l
     readlink_length l -> 4095
     lstat l -> size=4095
     symlink {t*4096} m -> ENAMETOOLONG
     symlink <empty> m -> ENOENT`,
    { unlikeExt4: 'one link holds 4094 bytes or less where the block has 4096: ENAMETOOLONG' },
  ],
  [
    'a symbolic link',
    'symlink(2), readlink(2)',
    `
     symlink some/where l
     readlink l -> some/where
     lstat l -> type=link mode=0777 size=10 nlink=1
     chmod . 0777
     u1: symlink x m
     lstat m -> uid=60001
     readlink . -> EINVAL`,
  ],
  [
    'links in a chain: 40',
    'path_resolution(7) ELOOP',
    `
     put f0 data
     sh I=0; while [ \${I} -lt 45 ]; do J=\${I}; I=$((I+1)); ln -s f\${J} f\${I}; done
     get f40 -> data
     get f41 -> ELOOP`,
  ],
  [
    'rename: a file over a file',
    'rename(2)',
    `
     put a one
     put b two
     open b O_RDONLY => fd
     stat a ino => i
     moves .:+cm : rename a b
     get b -> one
     stat b ino -> $i
     stat a -> ENOENT
     fstat $fd -> nlink=0
     pread $fd 0 10 -> two`,
  ],
  [
    'rename: two names of one file do nothing',
    'rename(2)',
    'put a data\nlink a b\nmoves .:-cm a:-cm : rename a b\nls . -> a,b\nrename a a\nls . -> a,b',
  ],
  [
    'rename: over an empty directory',
    'rename(2)',
    `
     mkdir a 0755
     mkdir a/s 0755
     mkdir b 0755
     open b O_RDONLY => fd
     rename a b
     ls b -> s
     fstat $fd -> nlink=0
     stat . -> nlink=3
     mkdir c 0755
     rename c b -> ENOTEMPTY|EEXIST`,
  ],
  [
    'rename: kinds must agree',
    'rename(2)',
    `
     mkdir d 0755
     create f
     symlink d l
     rename f d -> EISDIR
     rename d f -> ENOTDIR
     rename l d -> EISDIR
     rename d l -> ENOTDIR
     rename d/ e/
     rename f g/ -> ENOTDIR`,
  ],
  [
    'rename: into itself',
    'rename(2) EINVAL',
    `
     mkdir d 0755
     mkdir d/s 0755
     rename d d/x -> EINVAL
     rename d d/s/x -> EINVAL
     rename d/s d -> ENOTEMPTY
     rename d d`,
  ],
  [
    'rename: across directories',
    'rename(2)',
    `
     mkdir a 0755
     mkdir b 0755
     put a/f data
     moves a:+cm b:+cm : rename a/f b/f
     ls a -> -
     get b/f -> data
     moves a:-cm b:-cm : rename b/none a/x -> ENOENT`,
  ],
  [
    'rename: link counts of the parents',
    'rename(2)',
    `
     mkdir a 0755
     mkdir b 0755
     mkdir a/d 0755
     mkdir b/d 0755
     rename a/d b/d
     stat a -> nlink=2
     stat b -> nlink=3
     rename b/d a/e
     stat a -> nlink=3
     stat b -> nlink=2`,
  ],
  [
    'rename: special files and links',
    'rename(2)',
    'mkfifo p 0644\nsymlink x l\nmknod s s 0644\nrename p p2\nrename l l2\nrename s s2\nrename l2 p2\nreadlink p2 -> x\nls . -> p2,s2',
  ],
  [
    'renameat2: NOREPLACE',
    'rename(2)',
    'put a one\nput b two\nrenameat2 a b noreplace -> EEXIST\nget b -> two\nrenameat2 a c noreplace\nget c -> one\nrenameat2 c c noreplace -> EEXIST',
  ],
  [
    'renameat2: EXCHANGE of files',
    'rename(2)',
    'put a one\nput b two\nmoves .:+cm : renameat2 a b exchange\nget a -> two\nget b -> one\nrenameat2 a none exchange -> ENOENT',
  ],
  [
    'renameat2: EXCHANGE of a file and a directory',
    'rename(2)',
    `
     mkdir x 0755
     mkdir y 0755
     put x/f data
     mkdir y/d 0755
     create y/d/inner
     renameat2 x/f y/d exchange
     stat x -> nlink=3
     stat y -> nlink=2
     ls x/f -> inner
     get y/d -> data
     stat x ino => x
     stat x/f/.. ino -> $x
     renameat2 x x/f exchange -> EINVAL`,
  ],
  [
    'renameat2: WHITEOUT',
    'rename(2)',
    'put a one\nrenameat2 a b whiteout\nlstat a -> type=char rdev=0,0 nlink=1\nget b -> one\nu1: renameat2 b c whiteout -> EPERM|EACCES',
  ],
  [
    'renameat2: flags that do not agree',
    'rename(2) EINVAL',
    'put a one\nput b two\nrenameat2 a b noreplace|exchange -> EINVAL\nrenameat2 a b exchange|whiteout -> EINVAL\nrenameat2 a b unknown -> EINVAL',
  ],
  ['rename is atomic to readers', 'rename(2)', 'put name x\nrename_race 300 -> good'],
  ['O_EXCL has one winner', 'open(2)', 'mkdir d 0755\ncreate_race d 4 100 -> good'],
  ['readdir of a directory that changes', 'POSIX readdir()', 'mkdir d 0755\nmany d 2000\nchurn d 2000 -> good'],
  ['telldir and seekdir', 'seekdir(3)', 'mkdir d 0755\nmany d 500\nseekdir d -> good'],
  ['removal while reading', 'readdir(3)', 'mkdir d 0755\nmany d 1500\nremove_read d\nls . -> -'],
  [
    'a directory shows what was made in it',
    'readdir(3)',
    'mkdir d 0755\nls d -> -\ncreate d/a\nls d -> a\nmkdir d/b 0755\nls d -> a,b\nrename d/a d/c\nls d -> b,c\nunlink d/c\nls d -> b\nrmdir d/b\nls d -> -',
  ],
  [
    'directories are not read or written',
    'read(2) EISDIR',
    'mkdir d 0755\nopen d O_RDONLY => fd\npread $fd 0 10 -> EISDIR\nwrite $fd x -> EBADF\nftruncate $fd 0 -> EINVAL\nlseek $fd 0 SET -> 0\nfsync $fd',
  ],
  [
    'a file by its handle',
    'open_by_handle_at(2)',
    'put f data\nby_handle f O_RDONLY => fd\npread $fd 0 9 -> data\nu1: by_handle f O_RDONLY -> EPERM\nmkdir d 0755\nby_handle d O_RDONLY => dfd\nfstat $dfd -> type=dir',
  ],
  [
    'getcwd in a moved directory',
    'getcwd(3)',
    'mkdir a 0755\nsh pwd => p\nchdir a\nrename ../a ../b\nsh pwd -P -> $p/b',
  ],
]);
