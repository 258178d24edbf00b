import { type Inode, ORPHAN } from './inode.ts';
import type { Mutation, Query, Store } from './store.ts';

/**
 * Table `orphan`: inodes without a name that live on, because they are open, known to the kernel, leased, or too large
 * to be freed at once. As with dentries, one that goes before the next COMMIT never gets into the table.
 */
export class Orphans {
  /** Those that wait to be put there, or waited and need not any more. */
  private waiting: Inode[] = [];
  private readonly insertOne: Mutation;
  private readonly deleteOne: Mutation;
  private readonly selectAfter: Query;

  constructor(store: Store) {
    const { database } = store;
    this.insertOne = database.mutation('INSERT OR IGNORE INTO orphan (ino) VALUES (?)');
    this.deleteOne = database.mutation('DELETE FROM orphan WHERE ino = ?');
    this.selectAfter = database.query('SELECT ino FROM orphan WHERE ino > ? ORDER BY ino LIMIT 256').raw();
  }

  add(inode: Inode): void {
    if (inode.orphan !== ORPHAN.NO) return;
    inode.orphan = ORPHAN.WAITS;
    this.waiting.push(inode);
    this.insertOne.note(inode.ino);
  }

  /** It has a name again, or is gone. */
  remove(inode: Inode): void {
    if (inode.orphan === ORPHAN.STORED) this.deleteOne.run(inode.ino);
    else if (inode.orphan === ORPHAN.WAITS) this.deleteOne.note(inode.ino);
    inode.orphan = ORPHAN.NO;
  }

  /** A number that is no orphan's. */
  erase(ino: number): void {
    this.deleteOne.run(ino);
  }

  /** Some numbers above `ino`, in order; none: that was all. */
  after(ino: number): number[] {
    return (this.selectAfter.all(ino) as [number][]).map(([each]) => each);
  }

  /** Puts what waits into the table. */
  store(): void {
    for (const inode of this.waiting) {
      if (inode.orphan !== ORPHAN.WAITS) continue;
      this.insertOne.apply(inode.ino);
      inode.orphan = ORPHAN.STORED;
    }
    this.waiting.length = 0;
  }

  /** The open transaction was rolled back. */
  clear(): void {
    this.waiting.length = 0;
  }
}
