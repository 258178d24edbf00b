import { family } from '../case.ts';

/** Extended attributes, access control lists, file flags. */
export const attributes = family('attributes', [
  [
    'set, get, list, remove',
    'xattr(7)',
    `
     create f
     setxattr f user.one first
     setxattr f user.two second
     getxattr f user.one -> first
     listxattr f -> user.one,user.two
     setxattr f user.one other
     getxattr f user.one -> other
     removexattr f user.one
     getxattr f user.one -> ENODATA
     removexattr f user.one -> ENODATA
     listxattr f -> user.two`,
  ],
  [
    'CREATE and REPLACE',
    'setxattr(2)',
    'create f\nsetxattr f user.a v replace -> ENODATA\nsetxattr f user.a v create\nsetxattr f user.a w create -> EEXIST\nsetxattr f user.a w replace\ngetxattr f user.a -> w',
  ],
  [
    'an empty value',
    'setxattr(2)',
    'create f\nsetxattr f user.a <empty>\ngetxattr_size f user.a 0 -> 0\nlistxattr f -> user.a',
  ],
  [
    'sizes',
    'getxattr(2) ERANGE',
    'create f\nsetxattr f user.a value\ngetxattr_size f user.a 0 -> 5\ngetxattr_size f user.a 5 -> 5\ngetxattr_size f user.a 4 -> ERANGE',
  ],
  [
    'name of 255 bytes',
    'xattr(7)',
    'create f\nsetxattr f user.{n*250} v\ngetxattr f user.{n*250} -> v\nsetxattr f user.{n*251} v -> ERANGE\nsetxattr f user. v -> EINVAL\nsetxattr f none v -> EOPNOTSUPP\nsetxattr f other.a v -> EOPNOTSUPP',
  ],
  [
    'a value of 64 KiB',
    'xattr(7)',
    'create f\nsetxattr_bytes f user.big 65536\ngetxattr_size f user.big 0 -> 65536\nsetxattr_bytes f user.big 65537 -> E2BIG',
    { unlikeExt4: 'all attributes of a file share one block' },
  ],
  [
    'user attributes need permission of the file',
    'xattr(7)',
    `
     create f
     setxattr f user.a v
     chmod f 0644
     u1: getxattr f user.a -> v
     u1: setxattr f user.a w -> EACCES
     chmod f 0600
     u1: getxattr f user.a -> EACCES
     u1: listxattr f -> user.a`,
  ],
  [
    'user attributes are for files and directories',
    'xattr(7) EPERM',
    'symlink x l\nmkfifo p 0644\nlsetxattr l user.a v -> EPERM\nsetxattr p user.a v -> EPERM\nmkdir d 0755\nsetxattr d user.a v\ngetxattr d user.a -> v\nlgetxattr l user.a -> EPERM|ENODATA',
  ],
  [
    'user attributes of a sticky directory',
    'xattr(7) EPERM',
    'mkdir d 0777\nchmod d 01777\nu1: setxattr d user.a v -> EPERM\nsetxattr d user.a v',
  ],
  [
    'trusted attributes',
    'xattr(7)',
    'create f\nchmod f 0666\nsetxattr f trusted.a v\ngetxattr f trusted.a -> v\nu1: setxattr f trusted.a w -> EPERM\nu1: getxattr f trusted.a -> ENODATA\nu1: listxattr f -> -\nlistxattr f -> trusted.a\nsymlink x l\nlsetxattr l trusted.a v\nlgetxattr l trusted.a -> v',
  ],
  [
    'security attributes',
    'xattr(7)',
    'create f\nsetxattr f security.a v\nu1: getxattr f security.a -> v\nu1: setxattr f security.a w -> EPERM\nlistxattr f -> security.a',
  ],
  [
    'attributes follow the file',
    'xattr(7)',
    'create f\nsetxattr f user.a v\nlink f g\nrename f h\ngetxattr g user.a -> v\ngetxattr h user.a -> v\nopen h O_RDONLY => fd\nfsetxattr $fd user.b w\ngetxattr g user.b -> w',
  ],
  [
    'ACL: a named user',
    'acl(5)',
    `
     put f data
     chmod f 0600
     sh setfacl -m u:60001:r f
     stat f -> mode=0640
     u1: get f -> data
     u1: open f O_WRONLY -> EACCES
     u2: get f -> EACCES
     chmod f 0600
     u1: get f -> EACCES
     chmod f 0640
     u1: get f -> data`,
    { needs: ['setfacl'] },
  ],
  [
    'ACL: groups and mask',
    'acl(5)',
    `
     put f data
     chmod f 0600
     sh setfacl -m g:60002:rw,m::r f
     u1+u2: get f -> data
     u1+u2: open f O_WRONLY -> EACCES
     sh setfacl -m m::rw f
     u1+u2: open f O_WRONLY
     u2: open f O_RDWR
     u3: get f -> EACCES
     sh getfacl -cpn f -> user::rw-,group::---,group:60002:rw-,mask::rw-,other::---
     stat f -> mode=0660`,
    { needs: ['setfacl'] },
  ],
  [
    'ACL: chmod changes the mask',
    'acl(5)',
    'create f\nsh setfacl -m u:60001:rwx f\nchmod f 0701\nsh getfacl -cpnE f -> user::rwx,user:60001:rwx,group::r--,mask::---,other::--x',
    { needs: ['setfacl'] },
  ],
  [
    'ACL: a default list is inherited',
    'acl(5)',
    `
     mkdir d 0755
     umask 077
     sh setfacl -d -m u:60001:rwx,g::r-x,o::- d
     create d/f 0666
     mkdir d/s 0777
     sh getfacl -cpnE d/f -> user::rw-,user:60001:rwx,group::r-x,mask::rw-,other::---
     stat d/f -> mode=0660
     sh getfacl -cpn d/s | grep -c default -> 5
     create d/s/g 0600
     stat d/s/g -> mode=0600
     mkfifo d/p 0666
     stat d/p -> mode=0660
     u1: open d/f O_RDWR
     open d O_TMPFILE|O_RDWR 0666 => fd
     fstat $fd -> mode=0660`,
    { needs: ['setfacl'] },
  ],
  [
    'ACL: the umask counts where there is no default list',
    'umask(2)',
    'mkdir d 0755\numask 027\ncreate d/f 0666\nstat d/f -> mode=0640\nsh setfacl -d -m u:60001:r d\nsh setfacl -k d\ncreate d/g 0666\nstat d/g -> mode=0640',
    { needs: ['setfacl'] },
  ],
  [
    'ACL: a list that says no more than the mode',
    'acl(5)',
    'create f\nsh setfacl -m u:60001:r f\nlistxattr f -> system.posix_acl_access\nsh setfacl -b f\nlistxattr f -> -\nstat f -> mode=0644',
    { needs: ['setfacl'] },
  ],
  [
    'ACL: for the owner to change',
    'acl(5)',
    'create f\nchmod f 0666\nu1: sh setfacl -m u:60001:rw f -> 1\nchown f u1 u1\nu1: sh setfacl -m u:60002:rw f\nlistxattr f -> system.posix_acl_access',
    { needs: ['setfacl'] },
  ],
  [
    'ACL: a default list only of directories',
    'acl(5)',
    'create f\nsh setfacl -d -m u:60001:r f -> 1',
    { needs: ['setfacl'] },
  ],
  [
    'ACL: a change drops set-group-ID of a stranger',
    'acl(5), posix_acl_update_mode()',
    'create f\nchown f u1 u2\nchmod f 02755\nu1: sh setfacl -m u:60003:r f\nstat f -> mode=0755\nchmod f 02755\nu1+u2: sh setfacl -m u:60003:rx f\nstat f -> mode=02755',
    { needs: ['setfacl'] },
  ],
  ['ACL: moves ctime', 'acl(5)', 'create f\nmoves f:+c-am : sh setfacl -m u:60001:r f', { needs: ['setfacl'] }],
  [
    'ACL: search of directories',
    'acl(5)',
    'mkdir d 0700\nput d/f data\nu1: get d/f -> EACCES\nsh setfacl -m u:60001:x d\nu1: get d/f -> data\nu1: ls d -> EACCES\nu2: get d/f -> EACCES\nsh setfacl -b d\nchmod d 0700\nu1: get d/f -> EACCES',
    { needs: ['setfacl'] },
  ],
  [
    'chattr +i: a directory',
    'ioctl_iflags(2)',
    `
     mkdir d 0755
     create d/f
     chattr d +i
     unlink d/f -> EPERM
     rename d/f d/g -> EPERM
     rename d/f g -> EPERM
     rmdir d -> EPERM
     put d/f data
     chmod d 0700 -> EPERM
     lsattr d -> +i
     chattr d -i
     unlink d/f
     rmdir d`,
  ],
  [
    'chattr +a: a directory',
    'ioctl_iflags(2)',
    'mkdir d 0755\ncreate d/f\nchattr d +a\ncreate d/g\nunlink d/f -> EPERM\nrename d/f d/h -> EPERM\nrename d/f h -> EPERM\nmkdir d/s 0755\nrmdir d/s -> EPERM\nchattr d -a\nrmdir d/s',
  ],
  [
    'chattr: what a directory hands on',
    'chattr(1)',
    `
     mkdir d 0755
     chattr d +dA
     create d/f
     mkdir d/s 0755
     symlink x d/l
     mkfifo d/p 0644
     lsattr d/f -> +Ad
     lsattr d/s -> +Ad
     create d/s/g
     lsattr d/s/g -> +Ad
     chattr d -dA
     create d/h
     lsattr d/h -> +
     lsattr d/f -> +Ad`,
  ],
  [
    'chattr +a: a file',
    'ioctl_iflags(2)',
    'put f data\nchattr f +a\nopen f O_WRONLY|O_APPEND => fd\nwrite $fd more\nget f -> datamore\nopen f O_RDWR -> EPERM\nftruncate $fd 0 -> EPERM\nfallocate $fd PUNCH|KEEP 0 4 -> EPERM\nchattr f -a\nlsattr f -> +',
  ],
  [
    'chattr +a: O_APPEND stays',
    'fcntl(2) EPERM',
    'put f data\nchattr f +a\nopen f O_WRONLY|O_APPEND => fd\nsetfl $fd O_WRONLY -> EPERM',
    { refusedByKernel: 'File flags in the kernel' },
  ],
  [
    'chattr +a: without O_APPEND nothing is written',
    'ioctl_iflags(2)',
    'put f data\nchattr f +a\nopen f O_WRONLY|O_APPEND => fd\nsetfl $fd O_WRONLY\npwrite $fd 0 X -> EPERM\nget f -> data',
    { unlikeExt4: 'its kernel does not let O_APPEND go' },
  ],
  [
    'chattr +a: times become now together or not at all',
    'utimensat(2) EPERM',
    'create f\nchattr f +a\nutimensat f now now\nutimensat f now omit -> EPERM\nutimensat f omit now -> EPERM\nutimensat f 1.0 omit -> EPERM\nutimensat f omit omit',
  ],
  [
    'chattr +i: what was opened before',
    'ioctl_iflags(2)',
    'put f data\nopen f O_RDWR => fd\nchattr f +i\nftruncate $fd 0 -> EPERM\nfallocate $fd PLAIN 0 10 -> EPERM\nfchmod $fd 0 -> EPERM\nchattr f -i',
  ],
  [
    'chattr +i: only with CAP_LINUX_IMMUTABLE',
    'ioctl_iflags(2) EPERM',
    'create f\nchown f u1 u1\nu1: chattr f +i -> EPERM\nu1: chattr f +a -> EPERM\nu1: chattr f +d\nlsattr f -> +d\nu2: chattr f -d -> EACCES|EPERM\nu1^linux_immutable: chattr f +i\nu1: chattr f -i -> EPERM\nchattr f -i',
  ],
  [
    'chattr: only by the owner',
    'ioctl_iflags(2) EACCES',
    'create f\nu1: chattr f +d -> EACCES|EPERM\nu1^fowner: chattr f +d',
  ],
  [
    'chattr +A: no access time',
    'ioctl_iflags(2)',
    'put f data\nutimensat f 5.0 6.0\nchattr f +A\nmoves f:-acm : get f',
  ],
  ['chattr moves ctime', 'ioctl_iflags(2)', 'create f\nmoves f:+c-am : chattr f +d'],
  [
    'FSSETXATTR',
    'ioctl_xfs_fsgetxattr(2)',
    'create f\nxflags f +i -> +i\nopen f O_WRONLY -> EPERM\nlsattr f -> +i\nxflags f +\nxflags f ? -> +\nopen f O_WRONLY',
  ],
  [
    'an immutable file keeps its ACL and attributes',
    'ioctl_iflags(2)',
    'create f\nsetxattr f user.a v\nchattr f +i\nremovexattr f user.a -> EPERM\nsh setfacl -m u:60001:r f -> 1\nchattr f -i\nremovexattr f user.a',
    { needs: ['setfacl'] },
  ],
]);
