import { direntSize, putDirent, putNoEntry, SIZE } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import { FIRST_COOKIE, type Inode, S } from '../namespace/inode.ts';
import { E } from '../system/errno.ts';
import type { Filesystem } from './filesystem.ts';
import { writeEntry } from './reply.ts';

/** Fields of fuse_read_in, bytes from its start. */
const AT = { OFFSET: 8, SIZE: 16 } as const;

/** Entries asked of the database at a time. */
const BATCH = 256;

/** What a name takes in a reply, guessed: decides only how many rows are read in vain. */
const NAME_GUESS = 16;

const DIRECTORY = S.IFDIR >>> 12;
const DOT = Buffer.from('.');
const DOTDOT = Buffer.from('..');

/** FUSE_READDIR: names after a cookie, as many as fit. */
export function readdir(fs: Filesystem, request: Request): void {
  list(fs, request, false);
}

/** FUSE_READDIRPLUS: names with the attributes of their inodes; each one counts as a lookup. */
export function readdirplus(fs: Filesystem, request: Request): void {
  list(fs, request, true);
}

function list(fs: Filesystem, request: Request, plus: boolean): void {
  const directory = fs.inodes.get(request.nodeid);
  if (directory === undefined) return request.error(E.STALE);
  if (!directory.isDirectory) return request.error(E.NOTDIR);
  const { start } = request.out;
  const end = start + Math.min(request.u32(AT.SIZE), request.out.capacity);
  let cookie = request.u64(AT.OFFSET);
  let at = start;
  // Who renames or adds files as he reads would read for ever if names that came after the beginning were listed too. A
  // directory has no handle: who began last decides for all, and they see no less than they have to (readdir(3)).
  if (cookie === 0 || directory.listedTo === 0) directory.listedTo = directory.nextCookie;
  for (; cookie < FIRST_COOKIE - 1; cookie++) {
    const next = putDots(request, directory, at, end, cookie === 0, plus);
    if (next < 0) return finish(fs, request, directory, at);
    at = next;
  }
  const head = plus ? SIZE.ENTRY_OUT : 0;
  for (;;) {
    const guess = Math.ceil((end - at) / (head + SIZE.DIRENT + NAME_GUESS)) + 1;
    const wanted = Math.min(BATCH, guess);
    const entries = fs.dentries.list(directory.ino, cookie, wanted);
    for (const [name, position, ino, type] of entries) {
      if (position >= directory.listedTo) return finish(fs, request, directory, at);
      if (at + head + direntSize(name.length) > end) return finish(fs, request, directory, at);
      if (plus) at += putInode(fs, request, ino, at);
      at += putDirent(request.out.bytes, request.out.view, at, ino, position, name, type);
      cookie = position;
    }
    if (entries.length < wanted) return finish(fs, request, directory, at);
  }
}

function finish(fs: Filesystem, request: Request, directory: Inode, at: number): void {
  fs.inodes.noteAccess(directory);
  request.ok(at - request.out.start);
}

/** '.' or '..', whose inodes the kernel does not take up; answers where the next entry goes, or -1 if it does not fit. */
function putDots(request: Request, directory: Inode, at: number, end: number, own: boolean, plus: boolean): number {
  const { bytes, view } = request.out;
  const name = own ? DOT : DOTDOT;
  if (at + (plus ? SIZE.ENTRY_OUT : 0) + direntSize(name.length) > end) return -1;
  const from = plus ? at + putNoEntry(view, at) : at;
  const ino = own ? directory.ino : directory.parent;
  return from + putDirent(bytes, view, from, ino, own ? 1 : 2, name, DIRECTORY);
}

/** A name whose inode is missing (fsck's affair) is listed without attributes; looking it up will say EIO. */
function putInode(fs: Filesystem, request: Request, ino: number, at: number): number {
  const inode = fs.inodes.get(ino);
  return inode === undefined ? putNoEntry(request.out.view, at) : writeEntry(fs, request, inode, at);
}
