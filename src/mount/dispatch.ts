import { isControlNode } from '../control/nodes.ts';
import { OP, OPCODES } from '../fuse/protocol.ts';
import type { Request } from '../fuse/request.ts';
import type { Handler } from '../fuse/session.ts';
import { access } from '../operations/access.ts';
import { batchForget } from '../operations/batch-forget.ts';
import { copyFileRange } from '../operations/copy-file-range.ts';
import { create } from '../operations/create.ts';
import { fallocate } from '../operations/fallocate.ts';
import type { Filesystem, Operation } from '../operations/filesystem.ts';
import { forget } from '../operations/forget.ts';
import { fsync } from '../operations/fsync.ts';
import { getattr } from '../operations/getattr.ts';
import { getxattr } from '../operations/getxattr.ts';
import { ioctl } from '../operations/ioctl.ts';
import { link } from '../operations/link.ts';
import { listxattr } from '../operations/listxattr.ts';
import { lookup } from '../operations/lookup.ts';
import { lseek } from '../operations/lseek.ts';
import { mkdir } from '../operations/mkdir.ts';
import { mknod } from '../operations/mknod.ts';
import { open } from '../operations/open.ts';
import { opendir, releasedir } from '../operations/opendir.ts';
import { poll } from '../operations/poll.ts';
import { read } from '../operations/read.ts';
import { readdir, readdirplus } from '../operations/readdir.ts';
import { readlink } from '../operations/readlink.ts';
import { release } from '../operations/release.ts';
import { removexattr } from '../operations/removexattr.ts';
import { rename, rename2 } from '../operations/rename.ts';
import { rmdir } from '../operations/rmdir.ts';
import { setattr } from '../operations/setattr.ts';
import { setxattr } from '../operations/setxattr.ts';
import { statfs } from '../operations/statfs.ts';
import { statx } from '../operations/statx.ts';
import { symlink } from '../operations/symlink.ts';
import { tmpfile } from '../operations/tmpfile.ts';
import { unlink } from '../operations/unlink.ts';
import { write } from '../operations/write.ts';
import { E } from '../system/errno.ts';

/** Operations by code; FSYNCDIR is FSYNC of a directory. */
const OPERATIONS: readonly (readonly [number, Operation])[] = [
  [OP.LOOKUP, lookup],
  [OP.FORGET, forget],
  [OP.GETATTR, getattr],
  [OP.SETATTR, setattr],
  [OP.READLINK, readlink],
  [OP.SYMLINK, symlink],
  [OP.MKNOD, mknod],
  [OP.MKDIR, mkdir],
  [OP.UNLINK, unlink],
  [OP.RMDIR, rmdir],
  [OP.RENAME, rename],
  [OP.LINK, link],
  [OP.OPEN, open],
  [OP.READ, read],
  [OP.WRITE, write],
  [OP.STATFS, statfs],
  [OP.RELEASE, release],
  [OP.FSYNC, fsync],
  [OP.SETXATTR, setxattr],
  [OP.GETXATTR, getxattr],
  [OP.LISTXATTR, listxattr],
  [OP.REMOVEXATTR, removexattr],
  [OP.OPENDIR, opendir],
  [OP.READDIR, readdir],
  [OP.RELEASEDIR, releasedir],
  [OP.FSYNCDIR, fsync],
  [OP.ACCESS, access],
  [OP.CREATE, create],
  [OP.IOCTL, ioctl],
  [OP.POLL, poll],
  [OP.BATCH_FORGET, batchForget],
  [OP.FALLOCATE, fallocate],
  [OP.READDIRPLUS, readdirplus],
  [OP.RENAME2, rename2],
  [OP.LSEEK, lseek],
  [OP.COPY_FILE_RANGE, copyFileRange],
  [OP.TMPFILE, tmpfile],
  [OP.STATX, statx],
  [OP.COPY_FILE_RANGE_64, copyFileRange],
];

const BY_CODE: ReadonlyMap<number, Operation> = new Map(OPERATIONS);

/** Where the second inode of an operation is named, and what it answers when that is one of the hidden directory. */
const SECOND_INODE: ReadonlyMap<number, readonly [at: number, errno: number]> = new Map([
  [OP.RENAME, [0, E.XDEV]],
  [OP.RENAME2, [0, E.XDEV]],
  [OP.LINK, [0, E.XDEV]],
  [OP.COPY_FILE_RANGE, [16, E.XDEV]],
  [OP.COPY_FILE_RANGE_64, [16, E.XDEV]],
]);

/** Takes the requests on nodes of the hidden directory. */
export interface ControlDispatch {
  handle(request: Request): void;
}

/**
 * Handlers by operation code: an operation on a file of the volume, or the control layer for nodes of the hidden
 * directory. FLUSH is left out on purpose: the kernel then stops sending it, and there is nothing to do at close(2).
 */
export function dispatchTable(fs: Filesystem, control: ControlDispatch | undefined): (Handler | undefined)[] {
  const table: (Handler | undefined)[] = new Array(OPCODES).fill(undefined);
  for (const [opcode, operation] of OPERATIONS) {
    table[opcode] =
      control === undefined ? (request) => operation(fs, request) : routed(fs, operation, opcode, control);
  }
  return table;
}

/** Does a request on an inode of the volume, whatever way it came. */
export function operate(fs: Filesystem, request: Request): void {
  const operation = BY_CODE.get(request.opcode);
  if (operation === undefined) request.error(E.NOSYS);
  else operation(fs, request);
}

function routed(fs: Filesystem, operation: Operation, opcode: number, control: ControlDispatch): Handler {
  const second = SECOND_INODE.get(opcode);
  if (second === undefined) {
    return (request) => (isControlNode(request.nodeid) ? control.handle(request) : operation(fs, request));
  }
  const [at, errno] = second;
  const isRename = opcode === OP.RENAME || opcode === OP.RENAME2;
  return (request) => {
    const one = isControlNode(request.nodeid);
    const other = isControlNode(request.u64(at));
    if (one && other && isRename) control.handle(request);
    else if (one || other) request.error(errno);
    else operation(fs, request);
  };
}
