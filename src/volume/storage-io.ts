import { fallocate, fdatasync, fdatasyncAsync, pread, pwrite } from '../system/libc.ts';

/**
 * The one boundary through which the volume touches storage: every call as the kernel gives it, short transfers
 * and -errno included. Tests put faults here (`FaultyIo`), the crash explorer a recorder (`RecordingIo`).
 *
 * SQLite writes its files itself. What the boundary sees of it are the moments that matter: `mark` is called right
 * after a COMMIT (the -wal file has grown by that transaction, unsynced), the syncs of the -wal and the database file
 * come as `fdatasync` of `role`, and `mark('checkpoint')` says that database pages were written back. A recorder that
 * copies or compares the files at those moments knows every write that may be lost, torn or reordered between two syncs.
 */
export interface StorageIo {
  pread(fd: number, address: number, length: number, offset: number): number;
  pwrite(fd: number, address: number, length: number, offset: number): number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  fdatasync(fd: number, role: StorageRole): number;
  fdatasyncAsync(fd: number, role: StorageRole): Promise<number>;
  mark?(event: StorageEvent, sequence: number): void;
}

export type StorageRole = 'device' | 'wal' | 'database';

/** `commit`: COMMIT returned. `checkpoint`: pages went from the -wal to the database file. `reset`: the WAL may be reused. */
export type StorageEvent = 'commit' | 'checkpoint' | 'reset';

export const systemIo: StorageIo = { pread, pwrite, fallocate, fdatasync, fdatasyncAsync };
