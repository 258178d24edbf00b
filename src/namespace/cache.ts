import type { Inode } from './inode.ts';

/**
 * The inodes in memory: second chance over the order of a Map. Nothing that is open, or newer than its row,
 * leaves; the bound is held by `trim`, which runs between operations, so that no operation loses an inode that it
 * works on.
 */
export class InodeCache {
  readonly capacity: number;
  private readonly byIno = new Map<number, Inode>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.byIno.size;
  }

  get(ino: number): Inode | undefined {
    const inode = this.byIno.get(ino);
    if (inode !== undefined) inode.referenced = true;
    return inode;
  }

  add(inode: Inode): void {
    this.byIno.set(inode.ino, inode);
  }

  remove(ino: number): void {
    this.byIno.delete(ino);
  }

  values(): IterableIterator<Inode> {
    return this.byIno.values();
  }

  /**
   * Brings the cache under its capacity by an eighth. `write` puts dirty inodes into their rows; it is called only
   * when those that are clean and were not used again do not suffice. With more open inodes than capacity the cache is
   * as large as they are.
   */
  trim(write: () => void): void {
    const target = this.capacity - (this.capacity >>> 3);
    this.sweep(target, this.byIno.size, false);
    if (this.byIno.size <= target) return;
    write();
    this.sweep(target, 2 * this.byIno.size, true);
  }

  /** `age`: what was used again is spared the first time round only. */
  private sweep(target: number, steps: number, age: boolean): void {
    let left = steps;
    for (const inode of this.byIno.values()) {
      if (this.byIno.size <= target || left-- === 0) return;
      const pinned = inode.opens > 0 || inode.dirty || inode.lazy;
      this.byIno.delete(inode.ino);
      if (!pinned && !inode.referenced) continue;
      if (age) inode.referenced = false;
      this.byIno.set(inode.ino, inode);
    }
  }
}
