import { E } from '../system/errno.ts';
import type { Inode } from './inode.ts';
import { XATTRS } from './inode.ts';
import type { Mutation, Query, Store } from './store.ts';

/** Largest value, in bytes: XATTR_SIZE_MAX of <linux/limits.h>. */
const VALUE_MAX = 65_536;

/** Most bytes that all names of a file may take in listxattr(2), NULs included: XATTR_LIST_MAX. */
const LIST_MAX = 65_536;

/** Most bytes of names and values of one file. */
const TOTAL_MAX = 1_048_576;

/** Flags of setxattr(2). */
export const XATTR = { CREATE: 1, REPLACE: 2 } as const;

/**
 * Extended attributes as stored: names and values are bytes. Who may do what, and which names exist, is decided by
 * the operations. `inode.xattrs` remembers that a file has none, which spares most files any look into the table.
 */
export class Xattrs {
  private readonly selectValue: Query;
  private readonly selectNames: Query;
  private readonly selectSizes: Query;
  private readonly replaceOne: Mutation;
  private readonly deleteOne: Mutation;

  constructor(store: Store) {
    const { database } = store;
    this.selectValue = database.query('SELECT value FROM xattr WHERE ino = ? AND name = ?').raw();
    this.selectNames = database.query('SELECT name FROM xattr WHERE ino = ? ORDER BY name').raw();
    this.selectSizes = database
      .query('SELECT coalesce(sum(length(name) + 1), 0), coalesce(sum(length(value)), 0) FROM xattr WHERE ino = ?')
      .raw();
    this.replaceOne = database.mutation('INSERT OR REPLACE INTO xattr (ino, name, value) VALUES (?, ?, ?)');
    this.deleteOne = database.mutation('DELETE FROM xattr WHERE ino = ? AND name = ?');
  }

  get(inode: Inode, name: Uint8Array): Buffer | undefined {
    if (this.hasNone(inode)) return undefined;
    const row = this.selectValue.get(inode.ino, name) as [Buffer] | undefined;
    return row?.[0];
  }

  /** Names in the order of their bytes. */
  list(inode: Inode): Buffer[] {
    if (this.hasNone(inode)) return [];
    return (this.selectNames.all(inode.ino) as [Buffer][]).map(([name]) => name);
  }

  /** What `set` would answer, without doing it: 0, EEXIST, ENODATA, E2BIG, or ENOSPC for one attribute too many. */
  check(inode: Inode, name: Uint8Array, size: number, flags: number): number {
    if (size > VALUE_MAX) return E['2BIG'];
    const old = this.get(inode, name);
    if (old !== undefined && (flags & XATTR.CREATE) !== 0) return E.EXIST;
    if (old === undefined && (flags & XATTR.REPLACE) !== 0) return E.NODATA;
    const [names, values] = this.hasNone(inode) ? [0, 0] : (this.selectSizes.get(inode.ino) as [number, number]);
    const added = old === undefined ? name.length + 1 : 0;
    if (names + added > LIST_MAX) return E.NOSPC;
    return names + added + values - (old?.length ?? 0) + size > TOTAL_MAX ? E.NOSPC : 0;
  }

  /** Stores a value; `check` said 0. The change time is the caller's. */
  set(inode: Inode, name: Uint8Array, value: Uint8Array): void {
    this.replaceOne.run(inode.ino, name, value);
    inode.xattrs = XATTRS.SOME;
  }

  /** Whether there was one to remove. */
  remove(inode: Inode, name: Uint8Array): boolean {
    if (this.hasNone(inode) || this.deleteOne.run(inode.ino, name) === 0) return false;
    inode.xattrs = XATTRS.UNKNOWN;
    return true;
  }

  private hasNone(inode: Inode): boolean {
    if (inode.xattrs === XATTRS.UNKNOWN) {
      inode.xattrs = this.selectNames.get(inode.ino) === undefined ? XATTRS.NONE : XATTRS.SOME;
    }
    return inode.xattrs === XATTRS.NONE;
  }
}
