import type { Inode } from './inode.ts';
import type { Mutation, Query, Store } from './store.ts';

/** Targets of symbolic links, as bytes. They never change; `Inodes.remove` removes them. */
export class Symlinks {
  private readonly select: Query;
  private readonly insert: Mutation;

  constructor(store: Store) {
    this.select = store.database.query('SELECT target FROM symlink WHERE ino = ?').raw();
    this.insert = store.database.mutation('INSERT INTO symlink (ino, target) VALUES (?, ?)');
  }

  read(ino: number): Buffer | undefined {
    const row = this.select.get(ino) as [Buffer] | undefined;
    return row?.[0];
  }

  /** Gives a new inode its target; its size is the target's length. */
  create(inode: Inode, target: Uint8Array): void {
    this.insert.run(inode.ino, target);
    inode.size = target.length;
  }
}
