/** File types of st_mode (inode(7)) and the DT_* of <dirent.h> that go with them. */
export const S_IFMT = 0o170000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;

/** SQL: the type bits of `mode`. */
export const TYPE = (mode: string): string => `(${mode} & ${S_IFMT})`;

/** SQL: whether `mode` has one of the seven types of inode(7). */
export const TYPE_VALID = (mode: string): string =>
  `(${TYPE(mode)} IN (${[0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000].join(',')}))`;

/** DT_* is the type nibble of st_mode. */
export const direntType = (mode: number): number => (mode & S_IFMT) >> 12;

/** Largest size of a file, 4 PiB: beyond it the filesystem answers EFBIG. */
export const MAX_FILE_BYTES = 2 ** 52;
/**
 * Numbers are counted up from 1 and those of the control directory begin at 2^52. Nobody counts half the way: a number
 * above this was not given by the filesystem.
 */
export const HIGHEST_INO = 2 ** 51;
export const ROOT = 1;
