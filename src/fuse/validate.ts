import type { Operation } from './catalogue.ts';
import { OP } from './protocol.ts';
import type { Request } from './request.ts';
import { sizeOf } from './structs.ts';

/** How much of a request must be there, by operation code. */
export interface Shape {
  /** Bytes of its struct. */
  readonly size: number;
  readonly names: number;
}

/** Shapes of all operations of a table; `setxattrExt`: SETXATTR has its long struct (SETXATTR_EXT). */
export function shapes(operations: readonly (Operation | undefined)[], setxattrExt: boolean): (Shape | undefined)[] {
  const table = operations.map((op) => op && { size: op.request ? sizeOf(op.request) : 0, names: op.names });
  table[OP.SETXATTR] = { size: sizeOf(setxattrExt ? 'setxattr_in' : 'setxattr_in_compat'), names: 1 };
  return table;
}

/**
 * Whether all that the request's struct announces lies within the message: its struct, its names each with a NUL and
 * not empty, its data. After this a handler may read without looking where the message ends. The kernel never sends
 * anything else; this is for what is not the kernel.
 */
export function isWhole(request: Request, shape: Shape): boolean {
  let at = request.body + shape.size;
  if (request.end < at) return false;
  for (let i = 0; i < shape.names; i++) {
    const nul = request.bytes.indexOf(0, at);
    const emptyAllowed = request.opcode === OP.SYMLINK || request.opcode === OP.TMPFILE;
    if (nul < 0 || nul >= request.end || (nul === at && !emptyAllowed)) return false;
    at = nul + 1;
  }
  const left = request.end - at;
  switch (request.opcode) {
    case OP.WRITE:
      return left >= request.u32(16);
    case OP.SETXATTR:
      return left >= request.u32(0);
    case OP.IOCTL:
      return left >= request.u32(24);
    case OP.BATCH_FORGET:
      return left >= request.u32(0) * 16;
    case OP.NOTIFY_REPLY:
      return left >= request.u32(16);
    case OP.REMOVEMAPPING:
      return left >= request.u32(0) * 16;
    default:
      return true;
  }
}
