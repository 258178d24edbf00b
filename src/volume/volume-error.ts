/** Stable codes of what keeps a volume from being made or opened. */
export type VolumeErrorCode =
  | 'BUSY' // another process has it; `pid` says which
  | 'EXISTS' // something is there and `force` was not given
  | 'NOT_A_VOLUME'
  | 'DAMAGED' // header or database cannot be read
  | 'MISMATCH' // device and database belong to different volumes
  | 'TOO_NEW' // newer major version, or an unknown incompatible feature
  | 'READ_ONLY_ONLY' // newer minor version: only reading is safe
  | 'INVALID' // size, block size or another argument
  | 'SYSTEM'; // a system call failed: `errno`

export class VolumeError extends Error {
  readonly code: VolumeErrorCode;
  /** Owner of a busy volume, 0 when unknown. */
  readonly pid: number;
  /** Positive errno of a system call, 0 when none failed. */
  readonly errno: number;

  constructor(code: VolumeErrorCode, message: string, detail: { pid?: number; errno?: number } = {}) {
    super(message);
    this.name = 'VolumeError';
    this.code = code;
    this.pid = detail.pid ?? 0;
    this.errno = detail.errno ?? 0;
  }
}

/**
 * Thrown by a query or mutation when SQLite itself failed (full, I/O error, corrupt), and by every mutation afterwards:
 * the open transaction is rolled back and the mount is read-only (`commits.failed`).
 */
export class MetadataError extends Error {
  /** Positive errno: EIO, ENOSPC or EROFS. */
  readonly errno: number;

  constructor(errno: number, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'MetadataError';
    this.errno = errno;
  }
}
