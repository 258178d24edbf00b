/** File types and permission bits of st_mode, inode(7). */
export const S = {
  IFMT: 0o170000,
  IFSOCK: 0o140000,
  IFLNK: 0o120000,
  IFREG: 0o100000,
  IFBLK: 0o060000,
  IFDIR: 0o040000,
  IFCHR: 0o020000,
  IFIFO: 0o010000,
  ISUID: 0o4000,
  ISGID: 0o2000,
  ISVTX: 0o1000,
  IXGRP: 0o010,
  PERMISSIONS: 0o7777,
} as const;

/** File flags, FS_*_FL of <linux/fs.h>, as chattr(1) sets them. */
export const FLAG = {
  SYNC: 0x8,
  IMMUTABLE: 0x10,
  APPEND: 0x20,
  NODUMP: 0x40,
  NOATIME: 0x80,
  DIRSYNC: 0x10000,
  DAX: 0x2000000,
  PROJINHERIT: 0x20000000,
} as const;

export const ROOT_INO = 1;

/** Cookie of the first entry of a directory; 1 and 2 are those of '.' and '..'. */
export const FIRST_COOKIE = 3;

/**
 * Most names of a file, as on ext4. Directories may have any number of subdirectories; beyond this number they
 * show a link count of 1 ("unknown"), as ext4 with dir_nlink does.
 */
export const LINK_MAX = 65_000;

/** How much is known in memory of the extended attributes of an inode. */
export const XATTRS = { UNKNOWN: 0, NONE: 1, SOME: 2 } as const;

/** Whether an inode is in table `orphan`: it waits to be put there, it may be there. */
export const ORPHAN = { NO: 0, WAITS: 1, STORED: 2 } as const;

/**
 * One file in memory: a row of table `inode`, plus what lives only as long as the object.
 * After a change of any stored field call `Inodes.touch`.
 */
export class Inode {
  readonly ino: number;
  mode = 0;
  uid = 0;
  gid = 0;
  nlink = 0;
  /** Device number in the kernel's 32-bit encoding. */
  rdev = 0;
  /** Bytes. Of a directory: the length of its entries, see `Dentries`. */
  size = 0;
  /** Allocated blocks of the device. */
  blocks = 0;
  /** FLAG bits. */
  flags = 0;
  xflags = 0;
  projid = 0;
  /** 0 no, 1 sealed, 2 sealed with unwritten extents. */
  sealed = 0;
  /** Generation of the block map. */
  gen = 0;
  /** Of a directory: the ino of '..'; else 0. */
  parent = 0;
  /** Of a directory: cookie of its next entry. */
  nextCookie = 0;
  /** Of a directory: where listings of it end, a cookie; 0: none was begun. Kept by READDIR. */
  listedTo = 0;
  atimeS = 0;
  atimeNs = 0;
  mtimeS = 0;
  mtimeNs = 0;
  ctimeS = 0;
  ctimeNs = 0;
  btimeS = 0;
  btimeNs = 0;

  /** Newer than its row. Kept by `Inodes`. */
  dirty = false;
  /** Has a row, be it out of date. Kept by `Inodes`. */
  stored = false;
  /** ORPHAN: whether its number is in table `orphan`. Kept by `Inodes`. */
  orphan: number = ORPHAN.NO;
  /** Changed in the operation that runs now, and not yet in the redo log. Kept by `Inodes`. */
  unrecorded = false;
  /** Newer than its row by nothing but the access time, which waits for another reason to be written. */
  lazy = false;
  /** Open handles and other users that keep the object in memory; kept by `Inodes.opened` and `closed`. */
  opens = 0;
  /** Handles of it that the kernel has, by which pages come into its cache; kept by `Inodes`. */
  handles = 0;
  /** How many handles it was given so far, and as many there were when it had last dropped all pages (-1: never). */
  handlesGiven = 0;
  handlesDropped = -1;
  /** O_TMPFILE without O_EXCL: may be given a first name though nlink is 0. */
  linkable = false;
  /** A verb has moved the end: the kernel may still append at the one that it knew. */
  endMoved = false;
  /** Its times were shown to somebody since they moved last: what is overwritten now has to differ. Kept by `Times`. */
  timesShown = false;
  /** XATTRS: spares the look into table `xattr` for most files. Kept by `Xattrs`. */
  xattrs: number = XATTRS.UNKNOWN;
  /** Used again since the cache's hand last came by; a file seen only once (a scan) does not push out others. */
  referenced = false;

  constructor(ino: number) {
    this.ino = ino;
  }

  /** A file whose contents, or what there are of them, nobody changes: chattr +i, +a. */
  get isFixed(): boolean {
    return this.isImmutable || this.isAppendOnly;
  }

  /** May the kernel have pages of it in its cache, clean or dirty? */
  get mayHavePages(): boolean {
    return this.handles > 0 || this.handlesGiven !== this.handlesDropped;
  }

  get isDirectory(): boolean {
    return (this.mode & S.IFMT) === S.IFDIR;
  }

  get isRegular(): boolean {
    return (this.mode & S.IFMT) === S.IFREG;
  }

  get isSymlink(): boolean {
    return (this.mode & S.IFMT) === S.IFLNK;
  }

  get isImmutable(): boolean {
    return (this.flags & FLAG.IMMUTABLE) !== 0;
  }

  get isAppendOnly(): boolean {
    return (this.flags & FLAG.APPEND) !== 0;
  }

  /** DT_* of <dirent.h>. */
  get type(): number {
    return (this.mode & S.IFMT) >>> 12;
  }
}
