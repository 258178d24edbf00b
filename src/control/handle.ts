import type { Request } from './ports.ts';

/** Numbers of handles of the hidden directory begin here, apart from those of data files. */
export const FIRST_HANDLE = 2 ** 48;

/** Places in `ControlPorts.numbers`. */
export const NUMBER = { HANDLE: 0, SESSION: 1, SESSION_NODE: 2, DIRECT_NODE: 3 } as const;

/** What an open file of the hidden directory does. Every method ends its request, or parks it. */
export interface Handle {
  read(request: Request, offset: number, size: number, flags: number): void;
  write(request: Request, offset: number, size: number, flags: number): void;
  /** Bits of poll(2) that are true now; `kernelHandle` is to be woken when that changes, 0 if nobody asks. */
  poll?(kernelHandle: number): number;
  ioctl?(request: Request): void;
  fsync?(request: Request): void;
  lseek?(request: Request, offset: number, whence: number): void;
  /** Bytes; `mode` as of fallocate(2). */
  fallocate?(request: Request, offset: number, length: number, mode: number): void;
  release(): void;
  /** Of a device window: its lease. */
  readonly deviceOf?: number;
}

/** Positions in fuse_read_in and fuse_write_in. */
export const READ_IN = { FH: 0, OFFSET: 8, SIZE: 16, FLAGS: 32 } as const;
export const WRITE_IN = { FH: 0, OFFSET: 8, SIZE: 16, WRITE_FLAGS: 20, FLAGS: 32, LENGTH: 40 } as const;
