import type { Inode } from './inode.ts';
import { FIRST_COOKIE } from './inode.ts';
import type { Inodes } from './inodes.ts';
import { type KnownName, KnownNames } from './known-names.ts';
import type { Mutation, Query, Store } from './store.ts';

/** One entry: [name, cookie, ino, DT_* type]. */
export type Dentry = [Buffer, number, number, number];

/** Length that '.' and '..' have in an empty directory, in bytes. */
export const EMPTY_SIZE = 24;

/** Names that wait for the table, at most: writing them takes some milliseconds, in which nobody else is served. */
const MOST_UNWRITTEN = 1024;

/**
 * The names. An entry keeps its cookie as long as its name stays, also when the name comes to mean another file, so a
 * reader who goes on after a cookie sees every name that stays exactly once, whatever happens around it.
 *
 * A change goes to the redo log at once and into the table later: when a directory is read, when many changes wait, and
 * before COMMIT. A name that comes and goes in between never gets there.
 *
 * The size of a directory is the length that its present entries would have in an ext4 block: 8 bytes and the name,
 * rounded up to 4. It is shown rounded up to blocks (`attributes.ts`) and, unlike on ext4, shrinks again: equal
 * directories have equal sizes.
 *
 * Link counts and times are the caller's.
 */
export class Dentries {
  private readonly inodes: Inodes;
  private readonly known: KnownNames;
  private unwritten: KnownName[] = [];
  private readonly selectOne: Query;
  private readonly selectAny: Query;
  private readonly selectAfter: Query;
  private readonly selectByIno: Query;
  private readonly insertOne: Mutation;
  private readonly updateOne: Mutation;
  private readonly renewOne: Mutation;
  private readonly deleteOne: Mutation;

  constructor(store: Store, inodes: Inodes) {
    const { database } = store;
    this.inodes = inodes;
    this.known = new KnownNames(() => this.flush());
    this.selectOne = database.query('SELECT ino, type FROM dentry WHERE parent = ? AND name = ?').raw();
    this.selectAny = database.query('SELECT 1 FROM dentry WHERE parent = ? LIMIT 1').raw();
    this.selectAfter = database
      .query('SELECT name, cookie, ino, type FROM dentry WHERE parent = ? AND cookie > ? ORDER BY cookie LIMIT ? + 0')
      .raw();
    this.selectByIno = database.query('SELECT name FROM dentry WHERE parent = ? AND ino = ? LIMIT 1').raw();
    this.insertOne = database.mutation('INSERT INTO dentry (parent, name, cookie, ino, type) VALUES (?, ?, ?, ?, ?)');
    this.updateOne = database.mutation('UPDATE dentry SET ino = ?, type = ? WHERE parent = ? AND name = ?');
    this.renewOne = database.mutation('UPDATE dentry SET cookie = ?, ino = ?, type = ? WHERE parent = ? AND name = ?');
    this.deleteOne = database.mutation('DELETE FROM dentry WHERE parent = ? AND name = ?');
    store.commits.onFlush(() => this.flush());
    store.commits.onFail(() => {
      this.unwritten.length = 0;
      this.known.clear();
    });
  }

  /** Names in memory. */
  get cached(): number {
    return this.known.size;
  }

  /** The inode number of a name, or 0. */
  lookup(parent: number, name: Uint8Array): number {
    const key = keyOf(name);
    const known = this.known.get(parent, key);
    if (known !== undefined) return known.ino;
    if (this.known.isWhole(parent)) return 0;
    const row = this.selectOne.get(parent, name) as [number, number] | undefined;
    if (row !== undefined) return row[0];
    // Somebody who asks for a name that is not there is often about to make it.
    this.known.add(parent, key, false);
    return 0;
  }

  /** Adds a name that is not there yet. */
  insert(parent: Inode, name: Uint8Array, inode: Inode): void {
    const key = keyOf(name);
    const cookie = parent.nextCookie++;
    if (cookie === FIRST_COOKIE) this.known.addWhole(parent.ino);
    const known = this.known.get(parent.ino, key) ?? this.known.add(parent.ino, key, false);
    if (known.ino !== 0) throw new Error(`a name of directory ${parent.ino} was added twice`);
    this.insertOne.note(parent.ino, name, cookie, inode.ino, inode.type);
    this.change(known, inode.ino, inode.type, cookie);
    parent.size += entrySize(name);
    this.inodes.touch(parent);
  }

  /** Makes a name that is there mean another inode. */
  replace(parent: Inode, name: Uint8Array, inode: Inode): void {
    const key = keyOf(name);
    const known = this.known.get(parent.ino, key) ?? this.known.add(parent.ino, key, true);
    this.updateOne.note(inode.ino, inode.type, parent.ino, name);
    this.change(known, inode.ino, inode.type, known.cookie);
  }

  /** Takes a name away. */
  remove(parent: Inode, name: Uint8Array): void {
    const key = keyOf(name);
    const known = this.known.get(parent.ino, key) ?? this.known.add(parent.ino, key, true);
    this.deleteOne.note(parent.ino, name);
    this.change(known, 0, 0, -1);
    parent.size -= entrySize(name);
    this.inodes.touch(parent);
  }

  isEmpty(directory: Inode): boolean {
    if (directory.nextCookie === FIRST_COOKIE) return true;
    this.flush();
    return this.selectAny.get(directory.ino) === undefined;
  }

  /** At most `limit` entries with cookies above `after`, in the order of cookies. */
  list(parent: number, after: number, limit: number): Dentry[] {
    this.flush();
    return this.selectAfter.all(parent, after, limit) as Dentry[];
  }

  /** A name of `ino` in a directory: reads the directory, so it is for explanations only. */
  nameOf(parent: number, ino: number): Buffer | undefined {
    this.flush();
    const row = this.selectByIno.get(parent, ino) as [Buffer] | undefined;
    return row?.[0];
  }

  /** What waits for the table, of one directory: for tools that read the table as it is. */
  waiting(parent: number): readonly KnownName[] {
    return this.unwritten.filter((known) => known.dirty && known.parent === parent);
  }

  private change(known: KnownName, ino: number, type: number, cookie: number): void {
    known.ino = ino;
    known.type = type;
    known.cookie = cookie;
    if (known.dirty) return;
    known.dirty = true;
    this.unwritten.push(known);
    if (this.unwritten.length >= MOST_UNWRITTEN) this.flush();
  }

  /** Puts what waits into the table. */
  private flush(): void {
    const { unwritten } = this;
    if (unwritten.length === 0) return;
    for (const known of unwritten) {
      const { parent, ino, type, cookie, stored } = known;
      known.dirty = false;
      known.stored = ino !== 0;
      if (ino === 0 && !stored) continue;
      const name = Buffer.from(known.name, 'latin1');
      if (ino === 0) this.deleteOne.apply(parent, name);
      else if (!stored) this.insertOne.apply(parent, name, cookie, ino, type);
      else if (cookie < 0) this.updateOne.apply(ino, type, parent, name);
      else this.renewOne.apply(cookie, ino, type, parent, name);
    }
    unwritten.length = 0;
  }
}

function entrySize(name: Uint8Array): number {
  return (8 + name.length + 3) & ~3;
}

/** A character for each byte. */
function keyOf(name: Uint8Array): string {
  const bytes = Buffer.isBuffer(name) ? name : Buffer.from(name);
  return bytes.toString('latin1');
}
