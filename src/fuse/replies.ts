/**
 * Writers of the structs that operations answer with, by hand because they are on the hot path; the tests hold them
 * against the tables of structs.ts. Each writes at `at` of `view` and returns the number of bytes it wrote, so that
 * `request.ok(putX(request.out.view, request.out.start, …))` is a whole reply. Every byte is written: the reply area
 * is reused and holds older replies.
 */
import { put64 } from './structs.ts';

/** Where attributes are taken from; sizes in bytes, `blocks512` in units of 512 bytes, times as in Timespec. */
export interface AttrSource {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Device number in the kernel's 32-bit encoding (new_encode_dev). */
  readonly rdev: number;
  readonly size: number;
  readonly blocks512: number;
  readonly atimeS: number;
  readonly atimeNs: number;
  readonly mtimeS: number;
  readonly mtimeNs: number;
  readonly ctimeS: number;
  readonly ctimeNs: number;
}

/** How long the kernel may answer from its cache without asking, in whole seconds. */
export interface Timeouts {
  /** A name leads to this inode (or to nothing). */
  entry: number;
  /** These attributes hold. */
  attr: number;
}

/** Sizes in bytes of what the writers below write. */
export const SIZE = {
  ATTR: 88,
  ENTRY_OUT: 128,
  ATTR_OUT: 104,
  STATX_OUT: 288,
  OPEN_OUT: 16,
  DIRENT: 24,
  KSTATFS: 80,
} as const;

function zero(view: DataView, at: number, words: number): void {
  for (let i = 0; i < words; i++) view.setUint32(at + 4 * i, 0, true);
}

/** fuse_attr. `flags`: bits of ATTR. */
export function putAttr(view: DataView, at: number, a: AttrSource, blksize: number, flags = 0): number {
  put64(view, at, a.ino);
  put64(view, at + 8, a.size);
  put64(view, at + 16, a.blocks512);
  put64(view, at + 24, a.atimeS);
  put64(view, at + 32, a.mtimeS);
  put64(view, at + 40, a.ctimeS);
  view.setUint32(at + 48, a.atimeNs, true);
  view.setUint32(at + 52, a.mtimeNs, true);
  view.setUint32(at + 56, a.ctimeNs, true);
  view.setUint32(at + 60, a.mode, true);
  view.setUint32(at + 64, a.nlink, true);
  view.setUint32(at + 68, a.uid, true);
  view.setUint32(at + 72, a.gid, true);
  view.setUint32(at + 76, a.rdev, true);
  view.setUint32(at + 80, blksize, true);
  view.setUint32(at + 84, flags, true);
  return SIZE.ATTR;
}

/** fuse_attr_out: the answer to GETATTR and SETATTR. */
export function putAttrOut(view: DataView, at: number, a: AttrSource, timeouts: Timeouts, blksize: number): number {
  put64(view, at, timeouts.attr);
  zero(view, at + 8, 2);
  putAttr(view, at + 16, a, blksize);
  return SIZE.ATTR_OUT;
}

/**
 * fuse_entry_out: the answer to LOOKUP, MKNOD, MKDIR, SYMLINK, LINK, and the first part of CREATE and of a READDIRPLUS
 * entry. The kernel counts one lookup of `nodeid`, to be paid back by FORGET.
 */
export function putEntry(
  view: DataView,
  at: number,
  a: AttrSource,
  timeouts: Timeouts,
  blksize: number,
  nodeid: number = a.ino,
  generation = 0,
): number {
  put64(view, at, nodeid);
  put64(view, at + 8, generation);
  put64(view, at + 16, timeouts.entry);
  put64(view, at + 24, timeouts.attr);
  zero(view, at + 32, 2);
  putAttr(view, at + 40, a, blksize);
  return SIZE.ENTRY_OUT;
}

/** fuse_entry_out with node id 0: "no such name", remembered by the kernel for `entrySeconds`. No lookup is counted. */
export function putNegativeEntry(view: DataView, at: number, entrySeconds: number): number {
  zero(view, at, SIZE.ENTRY_OUT / 4);
  put64(view, at + 16, entrySeconds);
  return SIZE.ENTRY_OUT;
}

/** A READDIRPLUS entry that the kernel shall not take up ('.', '..'): all zeros. */
export function putNoEntry(view: DataView, at: number): number {
  zero(view, at, SIZE.ENTRY_OUT / 4);
  return SIZE.ENTRY_OUT;
}

/** fuse_open_out; `flags` of FOPEN, `backingId` with FOPEN.PASSTHROUGH. */
export function putOpen(view: DataView, at: number, fh: number, flags: number, backingId = 0): number {
  put64(view, at, fh);
  view.setUint32(at + 8, flags, true);
  view.setUint32(at + 12, backingId, true);
  return SIZE.OPEN_OUT;
}

/** Bytes of a directory entry with a name of `length` bytes (READDIRPLUS: and SIZE.ENTRY_OUT before it). */
export function direntSize(length: number): number {
  return (SIZE.DIRENT + length + 7) & ~7;
}

/** fuse_dirent with its name and padding; `cookie` is where READDIR goes on after it, `type` a DT_* number. */
export function putDirent(
  bytes: Buffer,
  view: DataView,
  at: number,
  ino: number,
  cookie: number,
  name: Uint8Array,
  type: number,
): number {
  const length = name.length;
  const size = direntSize(length);
  put64(view, at + size - 8, 0); // the padding; what of it is name is written last
  put64(view, at, ino);
  put64(view, at + 8, cookie);
  view.setUint32(at + 16, length, true);
  view.setUint32(at + 20, type, true);
  bytes.set(name, at + SIZE.DIRENT);
  return size;
}

export interface StatfsSource {
  /** Blocks in units of `frsize` bytes. */
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly bsize: number;
  readonly namelen: number;
  readonly frsize: number;
}

/** fuse_statfs_out. */
export function putStatfs(view: DataView, at: number, s: StatfsSource): number {
  put64(view, at, s.blocks);
  put64(view, at + 8, s.bfree);
  put64(view, at + 16, s.bavail);
  put64(view, at + 24, s.files);
  put64(view, at + 32, s.ffree);
  view.setUint32(at + 40, s.bsize, true);
  view.setUint32(at + 44, s.namelen, true);
  view.setUint32(at + 48, s.frsize, true);
  zero(view, at + 52, 7);
  return SIZE.KSTATFS;
}

/** fuse_write_out: bytes taken by WRITE or COPY_FILE_RANGE. */
export function putWrite(view: DataView, at: number, size: number): number {
  view.setUint32(at, size, true);
  view.setUint32(at + 4, 0, true);
  return 8;
}

/** fuse_copy_file_range_out: bytes copied by COPY_FILE_RANGE_64. */
export function putCopied(view: DataView, at: number, bytes: number): number {
  put64(view, at, bytes);
  return 8;
}

/** fuse_getxattr_out: the size that GETXATTR or LISTXATTR would need, asked for with size 0. */
export function putXattrSize(view: DataView, at: number, size: number): number {
  return putWrite(view, at, size);
}

/** fuse_lseek_out. */
export function putLseek(view: DataView, at: number, offset: number): number {
  put64(view, at, offset);
  return 8;
}

/** fuse_bmap_out. */
export function putBmap(view: DataView, at: number, block: number): number {
  put64(view, at, block);
  return 8;
}

/** fuse_poll_out; `revents` as of poll(2). */
export function putPoll(view: DataView, at: number, revents: number): number {
  return putWrite(view, at, revents);
}

/** fuse_ioctl_out of a restricted ioctl; the data follows at `at` + 16. `result` is what ioctl(2) returns. */
export function putIoctl(view: DataView, at: number, result: number): number {
  view.setInt32(at, result, true);
  zero(view, at + 4, 3);
  return 16;
}

/** fuse_lk_out; `type` F_RDLCK 0, F_WRLCK 1, F_UNLCK 2; bytes `start` to `end` inclusive, Infinity for "to any end". */
export function putLock(view: DataView, at: number, start: number, end: number, type: number, pid: number): number {
  put64(view, at, start);
  if (end >= Number.MAX_SAFE_INTEGER) {
    view.setUint32(at + 8, 0xffffffff, true);
    view.setUint32(at + 12, 0x7fffffff, true);
  } else put64(view, at + 8, end);
  view.setUint32(at + 16, type, true);
  view.setUint32(at + 20, pid, true);
  return 24;
}

/** statx(2) bits that AttrSource and a birth time answer: STATX_BASIC_STATS and STATX_BTIME. */
export const STATX_MASK = 0xfff;

/** fuse_statx_out (7.39). `attributes` are STATX_ATTR_* of those in `attributesMask`. */
export function putStatx(
  view: DataView,
  at: number,
  a: AttrSource & { readonly btimeS: number; readonly btimeNs: number },
  timeouts: Timeouts,
  blksize: number,
  attributes = 0,
  attributesMask = 0,
): number {
  zero(view, at, SIZE.STATX_OUT / 4);
  put64(view, at, timeouts.attr);
  const s = at + 32;
  view.setUint32(s, STATX_MASK, true);
  view.setUint32(s + 4, blksize, true);
  put64(view, s + 8, attributes);
  view.setUint32(s + 16, a.nlink, true);
  view.setUint32(s + 20, a.uid, true);
  view.setUint32(s + 24, a.gid, true);
  view.setUint16(s + 28, a.mode, true);
  put64(view, s + 32, a.ino);
  put64(view, s + 40, a.size);
  put64(view, s + 48, a.blocks512);
  put64(view, s + 56, attributesMask);
  put64(view, s + 64, a.atimeS);
  view.setUint32(s + 72, a.atimeNs, true);
  put64(view, s + 80, a.btimeS);
  view.setUint32(s + 88, a.btimeNs, true);
  put64(view, s + 96, a.ctimeS);
  view.setUint32(s + 104, a.ctimeNs, true);
  put64(view, s + 112, a.mtimeS);
  view.setUint32(s + 120, a.mtimeNs, true);
  view.setUint32(s + 128, (a.rdev >>> 8) & 0xfff, true); // new_encode_dev: 12 bits of major, 20 of minor
  view.setUint32(s + 132, (a.rdev & 0xff) | ((a.rdev >>> 12) & 0xfff00), true);
  return SIZE.STATX_OUT;
}
