import type { Inode } from './inode.ts';
import type { Inodes } from './inodes.ts';
import type { Mutation, Query, Store } from './store.ts';

/** One entry: [name, cookie, ino, DT_* type]. */
export type Dentry = [Buffer, number, number, number];

/** Length that '.' and '..' have in an empty directory, in bytes. */
export const EMPTY_SIZE = 24;

/**
 * The names. An entry keeps its cookie as long as its name stays, also when the name comes to mean another file, so a
 * reader who goes on after a cookie sees every name that stays exactly once, whatever happens around it.
 *
 * The size of a directory is the length that its present entries would have in an ext4 block: 8 bytes and the name,
 * rounded up to 4. It is shown rounded up to blocks (`attributes.ts`) and, unlike on ext4, shrinks again: equal
 * directories have equal sizes.
 *
 * Link counts and times are the caller's.
 */
export class Dentries {
  private readonly inodes: Inodes;
  private readonly selectOne: Query;
  private readonly selectAny: Query;
  private readonly selectAfter: Query;
  private readonly selectByIno: Query;
  private readonly insertOne: Mutation;
  private readonly updateOne: Mutation;
  private readonly deleteOne: Mutation;

  constructor(store: Store, inodes: Inodes) {
    const { database } = store;
    this.inodes = inodes;
    this.selectOne = database.query('SELECT ino, type FROM dentry WHERE parent = ? AND name = ?').raw();
    this.selectAny = database.query('SELECT 1 FROM dentry WHERE parent = ? LIMIT 1').raw();
    this.selectAfter = database
      .query('SELECT name, cookie, ino, type FROM dentry WHERE parent = ? AND cookie > ? ORDER BY cookie LIMIT ? + 0')
      .raw();
    this.selectByIno = database.query('SELECT name FROM dentry WHERE parent = ? AND ino = ? LIMIT 1').raw();
    this.insertOne = database.mutation('INSERT INTO dentry (parent, name, cookie, ino, type) VALUES (?, ?, ?, ?, ?)');
    this.updateOne = database.mutation('UPDATE dentry SET ino = ?, type = ? WHERE parent = ? AND name = ?');
    this.deleteOne = database.mutation('DELETE FROM dentry WHERE parent = ? AND name = ?');
  }

  /** The inode number of a name, or 0. */
  lookup(parent: number, name: Uint8Array): number {
    const row = this.selectOne.get(parent, name) as [number, number] | undefined;
    return row === undefined ? 0 : row[0];
  }

  /** DT_* of a name, or 0. */
  type(parent: number, name: Uint8Array): number {
    const row = this.selectOne.get(parent, name) as [number, number] | undefined;
    return row === undefined ? 0 : row[1];
  }

  /** Adds a name that is not there yet. */
  insert(parent: Inode, name: Uint8Array, inode: Inode): void {
    this.insertOne.run(parent.ino, name, parent.nextCookie++, inode.ino, inode.type);
    parent.size += entrySize(name);
    this.inodes.touch(parent);
  }

  /** Makes a name that is there mean another inode. */
  replace(parent: Inode, name: Uint8Array, inode: Inode): void {
    this.updateOne.run(inode.ino, inode.type, parent.ino, name);
  }

  /** Takes a name away. */
  remove(parent: Inode, name: Uint8Array): void {
    this.deleteOne.run(parent.ino, name);
    parent.size -= entrySize(name);
    this.inodes.touch(parent);
  }

  isEmpty(parent: number): boolean {
    return this.selectAny.get(parent) === undefined;
  }

  /** At most `limit` entries with cookies above `after`, in the order of cookies. */
  list(parent: number, after: number, limit: number): Dentry[] {
    return this.selectAfter.all(parent, after, limit) as Dentry[];
  }

  /** A name of `ino` in a directory: reads the directory, so it is for explanations only. */
  nameOf(parent: number, ino: number): Buffer | undefined {
    const row = this.selectByIno.get(parent, ino) as [Buffer] | undefined;
    return row?.[0];
  }
}

function entrySize(name: Uint8Array): number {
  return (8 + name.length + 3) & ~3;
}
