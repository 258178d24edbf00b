/** A whole filesystem: a directory with one file, `data`, whose bytes are those of a descriptor. */

import { FOPEN, OP, ROOT_ID } from '../../src/fuse/protocol.ts';
import {
  type AttrSource,
  direntSize,
  putAttrOut,
  putDirent,
  putEntry,
  putOpen,
  putWrite,
} from '../../src/fuse/replies.ts';
import type { Request } from '../../src/fuse/request.ts';
import type { Handler } from '../../src/fuse/session.ts';
import { E } from '../../src/system/errno.ts';
import { pread, pwrite } from '../../src/system/libc.ts';

const FILE_ID = 2;
const NAME = Buffer.from('data');

export interface Example {
  handlers: (Handler | undefined)[];
  /** Attributes of the file; a test may change them behind the kernel's back. */
  file: { -readonly [K in keyof AttrSource]: AttrSource[K] };
}

/** `seconds`: how long the kernel may cache; `flags` of FOPEN for the file. */
export function exampleFilesystem(fd: number, size: number, seconds = 0, flags: number = FOPEN.DIRECT_IO): Example {
  const owner = { uid: 0, gid: 0, rdev: 0, atimeS: 1, atimeNs: 0, mtimeS: 2, mtimeNs: 0, ctimeS: -3, ctimeNs: 0 };
  const root: AttrSource = { ...owner, ino: ROOT_ID, mode: 0o40755, nlink: 2, size: 0, blocks512: 0 };
  const file = { ...owner, ino: FILE_ID, mode: 0o100644, nlink: 1, size, blocks512: Math.ceil(size / 512) };
  const timeouts = { entry: seconds, attr: seconds };
  const of = (r: Request) => (r.nodeid === FILE_ID ? file : root);

  const handlers: (Handler | undefined)[] = [];
  handlers[OP.LOOKUP] = (r) => {
    if (r.nodeid !== ROOT_ID || !r.name(0).equals(NAME)) r.error(E.NOENT);
    else r.ok(putEntry(r.out.view, r.out.start, file, timeouts, 4096));
  };
  handlers[OP.FORGET] = (r) => r.none();
  handlers[OP.BATCH_FORGET] = (r) => r.none();
  handlers[OP.GETATTR] = (r) => r.ok(putAttrOut(r.out.view, r.out.start, of(r), timeouts, 4096));
  handlers[OP.SETATTR] = handlers[OP.GETATTR];
  handlers[OP.OPEN] = (r) => r.ok(putOpen(r.out.view, r.out.start, 7, flags));
  handlers[OP.RELEASE] = (r) => r.ok();
  handlers[OP.READ] = (r) => {
    const n = pread(fd, r.out.address, Math.min(r.u32(16), r.out.capacity), r.u64(8));
    if (n < 0) r.error(-n);
    else r.ok(n);
  };
  handlers[OP.WRITE] = (r) => {
    const n = pwrite(fd, r.address + r.body + 40, r.u32(16), r.u64(8));
    file.size = Math.max(file.size, r.u64(8) + n);
    if (n < 0) r.error(-n);
    else r.ok(putWrite(r.out.view, r.out.start, n));
  };
  handlers[OP.READDIR] = (r) => {
    const { out } = r;
    const fits = r.u64(8) === 0 && direntSize(NAME.length) <= r.u32(16);
    r.ok(fits ? putDirent(out.bytes, out.view, out.start, FILE_ID, 1, NAME, 8) : 0);
  };
  return { handlers, file };
}
