/**
 * What each operation's request and reply look like: the session refuses requests that are too short by this table,
 * and the trace prints by it.
 */
import { OP } from './protocol.ts';
import type { StructName } from './structs.ts';

export interface Operation {
  readonly name: string;
  /** Struct the request begins with, after the header. */
  readonly request?: StructName;
  /** NUL-terminated names that follow it. */
  readonly names: number;
  /** Structs the successful reply begins with; absent: nothing or plain data. */
  readonly reply?: readonly StructName[];
  /** The kernel waits for no reply and must not get one. */
  readonly silent: boolean;
}

type Row = readonly [request: StructName | '', names: 0 | 1 | 2, reply?: readonly StructName[]];

const ROWS = {
  LOOKUP: ['', 1, ['entry_out']],
  FORGET: ['forget_in', 0],
  GETATTR: ['getattr_in', 0, ['attr_out']],
  SETATTR: ['setattr_in', 0, ['attr_out']],
  READLINK: ['', 0],
  SYMLINK: ['', 2, ['entry_out']],
  MKNOD: ['mknod_in', 1, ['entry_out']],
  MKDIR: ['mkdir_in', 1, ['entry_out']],
  UNLINK: ['', 1],
  RMDIR: ['', 1],
  RENAME: ['rename_in', 2],
  LINK: ['link_in', 1, ['entry_out']],
  OPEN: ['open_in', 0, ['open_out']],
  READ: ['read_in', 0],
  WRITE: ['write_in', 0, ['write_out']],
  STATFS: ['', 0, ['statfs_out']],
  RELEASE: ['release_in', 0],
  FSYNC: ['fsync_in', 0],
  SETXATTR: ['setxattr_in_compat', 0],
  GETXATTR: ['getxattr_in', 1],
  LISTXATTR: ['getxattr_in', 0],
  REMOVEXATTR: ['', 1],
  FLUSH: ['flush_in', 0],
  INIT: ['init_in_compat', 0, ['init_out']],
  OPENDIR: ['open_in', 0, ['open_out']],
  READDIR: ['read_in', 0],
  RELEASEDIR: ['release_in', 0],
  FSYNCDIR: ['fsync_in', 0],
  GETLK: ['lk_in', 0, ['lk_out']],
  SETLK: ['lk_in', 0],
  SETLKW: ['lk_in', 0],
  ACCESS: ['access_in', 0],
  CREATE: ['create_in', 1, ['entry_out', 'open_out']],
  INTERRUPT: ['interrupt_in', 0],
  BMAP: ['bmap_in', 0, ['bmap_out']],
  DESTROY: ['', 0],
  IOCTL: ['ioctl_in', 0, ['ioctl_out']],
  POLL: ['poll_in', 0, ['poll_out']],
  NOTIFY_REPLY: ['notify_retrieve_in', 0],
  BATCH_FORGET: ['batch_forget_in', 0],
  FALLOCATE: ['fallocate_in', 0],
  READDIRPLUS: ['read_in', 0],
  RENAME2: ['rename2_in', 2],
  LSEEK: ['lseek_in', 0, ['lseek_out']],
  COPY_FILE_RANGE: ['copy_file_range_in', 0, ['write_out']],
  SETUPMAPPING: ['setupmapping_in', 0],
  REMOVEMAPPING: ['removemapping_in', 0],
  SYNCFS: ['syncfs_in', 0],
  TMPFILE: ['create_in', 1, ['entry_out', 'open_out']],
  STATX: ['statx_in', 0, ['statx_out']],
  COPY_FILE_RANGE_64: ['copy_file_range_in', 0, ['copy_file_range_out']],
} as const satisfies Record<keyof typeof OP, Row>;

export type OperationName = keyof typeof ROWS;
/** The struct that a request of this operation begins with; '' for none. */
export type RequestStruct<Name extends OperationName> = (typeof ROWS)[Name][0];
/** How many names follow it. */
export type NameCount<Name extends OperationName> = (typeof ROWS)[Name][1];

const SILENT: ReadonlySet<number> = new Set([OP.FORGET, OP.BATCH_FORGET, OP.INTERRUPT, OP.NOTIFY_REPLY]);

/** Operations by their code; undefined for codes that this engine has never heard of. */
export const OPERATIONS: readonly (Operation | undefined)[] = (() => {
  const table: (Operation | undefined)[] = [];
  for (const [name, [request, names, reply]] of Object.entries(ROWS) as [keyof typeof OP, Row][]) {
    const code = OP[name];
    table[code] = { name, request: request || undefined, names, reply, silent: SILENT.has(code) };
  }
  return table;
})();

/** 'LOOKUP', or 'OP99' for an unknown code. */
export function operationName(opcode: number): string {
  return OPERATIONS[opcode]?.name ?? `OP${opcode}`;
}
