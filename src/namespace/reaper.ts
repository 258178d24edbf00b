import type { Inode } from './inode.ts';
import type { Inodes } from './inodes.ts';
import type { Orphans } from './orphans.ts';

/**
 * Takes away the inodes that have no name and that nothing holds any more: at once, or piece by piece where a file has
 * very many extents, and at mount those that the last daemon has left.
 */
export class Reaper {
  /** Frees blocks of a file that goes away, and says whether all are gone. The assembly sets it to `BlockMap.remove`. */
  freeBlocks: (inode: Inode) => boolean = () => true;
  /** Runs `fn` when the requests at hand are served. */
  later: (fn: () => void) => void = (fn) => fn();
  /** Whether something else than handles and the kernel, a lease, keeps an inode without names alive. */
  holds: (ino: number) => boolean = () => false;

  /** Files without names whose blocks are not all free yet. */
  private readonly unfinished = new Set<number>();
  private running = false;
  private readonly inodes: Inodes;
  private readonly orphans: Orphans;

  constructor(inodes: Inodes, orphans: Orphans) {
    this.inodes = inodes;
    this.orphans = orphans;
  }

  /** Removes an inode for good if nothing holds it any more; says whether it is gone. */
  reap(inode: Inode): boolean {
    const { ino } = inode;
    this.unfinished.delete(ino);
    if (inode.nlink > 0 || inode.opens > 0 || this.inodes.lookups.count(ino) > 0 || this.holds(ino)) return false;
    if (inode.isRegular && !this.freeBlocks(inode)) return this.reapLater(inode);
    this.inodes.remove(inode);
    return true;
  }

  /** Reaps by number: when a lease that held an unlinked file ends. */
  reapIno(ino: number): boolean {
    const inode = this.inodes.get(ino);
    return inode !== undefined && inode.nlink === 0 && this.reap(inode);
  }

  /** The file has more extents than are freed in one go: it stays an orphan until the last of them is. */
  private reapLater(inode: Inode): false {
    this.orphans.add(inode);
    this.inodes.touch(inode);
    this.unfinished.add(inode.ino);
    this.goOn();
    return false;
  }

  private goOn(): void {
    if (this.running || this.unfinished.size === 0) return;
    this.running = true;
    this.later(() => {
      this.running = false;
      const [ino] = this.unfinished;
      if (ino !== undefined) this.reapIno(ino);
      this.goOn();
    });
  }

  /** Frees at once what `reap` has left for later: before ENOSPC, and before the volume is closed. */
  finish(): void {
    for (const ino of this.unfinished) while (this.unfinished.has(ino)) this.reapIno(ino);
  }

  /**
   * Recovery at mount: removes the files that had no name when the last daemon ended, except those that are still open
   * or known to the kernel (a daemon took over a live mount), or that `holds` keeps. Answers how many went.
   */
  recover(): number {
    let gone = 0;
    let after = 0;
    for (;;) {
      const numbers = this.orphans.after(after);
      for (const ino of numbers) {
        after = ino;
        const inode = this.inodes.get(ino);
        if (inode === undefined || inode.nlink > 0) this.orphans.erase(ino);
        else if (this.reap(inode)) gone++;
      }
      this.inodes.trim();
      if (numbers.length === 0) return gone;
    }
  }
}
