import type { Clock } from '../system/clock.ts';
import { InodeCache } from './cache.ts';
import { FIRST_COOKIE, FLAG, Inode, ORPHAN, S, XATTRS } from './inode.ts';
import { Lookups, type TableMemory } from './lookups.ts';
import { Orphans } from './orphans.ts';
import { Reaper } from './reaper.ts';
import { InodeRows } from './rows.ts';
import type { Mutation, Query, Store } from './store.ts';
import type { AtimePolicy } from './times.ts';
import { Times } from './times.ts';

/** Counts that a supervisor keeps over the death of the daemon, and what the operation under way did to them. */
export interface SharedCounts {
  lookups: TableMemory;
  opens: TableMemory;
  movedEnds: TableMemory;
  tally: {
    looked(ino: number): void;
    opened(ino: number): void;
    closing(unique: number, ino: number): void;
  };
}

export interface InodesOptions {
  clock: Clock;
  /** Inodes held in memory while they are clean and closed. */
  capacity?: number;
  /** Most inodes of the volume; 0 for no limit. */
  maxInodes?: number;
  atime?: AtimePolicy;
  /** Without: the counts end with the process. */
  shared?: SharedCounts;
}

const DEFAULT_CAPACITY = 65_536;

/** Inodes that wait for their rows, at most: writing them takes some milliseconds, in which nobody else is served. */
const MOST_UNWRITTEN = 1024;

/**
 * The inodes of the volume. Objects are shared: as long as one is in memory, `get` answers the same object. Changes
 * stay in memory (`touch`) and reach SQL in one pass before COMMIT; at the end of each operation they go to the redo log
 * of the volume.
 *
 * An inode is kept, without a name, while it has open handles, while the kernel knows it (`remember`, `forget`) or
 * while `reaper.holds` says so; until then its number is in table `orphan`.
 */
export class Inodes {
  readonly times: Times;
  readonly lookups: Lookups;
  /** How often an inode was asked for, and had to be read from the database. */
  readonly counts = { asked: 0, read: 0 };
  readonly maxInodes: number;
  readonly reaper: Reaper;

  private readonly cache: InodeCache;
  private readonly rows: InodeRows;
  private readonly orphans: Orphans;
  private readonly commits: Store['commits'];
  private readonly atime: AtimePolicy;
  private readonly shared: SharedCounts | undefined;
  /** Handles that the kernel has of each inode, where they have to outlive this process. */
  private readonly openTable: Lookups | undefined;
  /** Inodes with `endMoved`, likewise. */
  private readonly movedEnds: Lookups | undefined;
  /** Inodes that are dirty or lazy; may hold reaped ones, which are neither. */
  private unwritten: Inode[] = [];
  /** Inodes changed by the operation that runs now. */
  private changed: Inode[] = [];
  private nextIno = 0;
  private total = 0;
  private counterDirty = false;
  private counterUnrecorded = false;

  private readonly selectCounter: Query;
  private readonly updateCounter: Mutation;
  private readonly deleteXattrs: Mutation;
  private readonly deleteSymlink: Mutation;

  constructor(store: Store, options: InodesOptions) {
    const { database } = store;
    this.times = new Times(options.clock);
    this.atime = options.atime ?? 'relatime';
    this.maxInodes = options.maxInodes ?? 0;
    this.shared = options.shared;
    this.lookups = new Lookups(options.shared?.lookups);
    this.openTable = options.shared && new Lookups(options.shared.opens);
    this.movedEnds = options.shared && new Lookups(options.shared.movedEnds);
    this.cache = new InodeCache(options.capacity ?? DEFAULT_CAPACITY);
    this.rows = new InodeRows(store);
    this.orphans = new Orphans(store);
    this.reaper = new Reaper(this, this.orphans);
    this.commits = store.commits;
    this.updateCounter = database.mutation('UPDATE volume SET next_ino = ?, inodes = ? WHERE id = 1');
    this.deleteXattrs = database.mutation('DELETE FROM xattr WHERE ino = ?');
    this.deleteSymlink = database.mutation('DELETE FROM symlink WHERE ino = ?');
    this.selectCounter = database.query('SELECT next_ino, inodes FROM volume WHERE id = 1').raw();
    this.loadCounter();
    store.commits.onFlush(() => this.flush());
    store.commits.onOperationEnd(() => this.recordDirty());
    store.commits.onFail(() => this.rollBack());
  }

  /** Inodes of the volume, those without names included. */
  get count(): number {
    return this.total;
  }

  /** Inodes in memory. */
  get cached(): number {
    return this.cache.size;
  }

  /** Whether `max_inodes` forbids another one (ENOSPC). */
  get isFull(): boolean {
    return this.maxInodes > 0 && this.total >= this.maxInodes;
  }

  get(ino: number): Inode | undefined {
    this.counts.asked++;
    const cached = this.cache.get(ino);
    if (cached !== undefined) return cached;
    this.counts.read++;
    const inode = this.rows.read(ino);
    if (inode === undefined) return undefined;
    if (inode.nlink === 0) inode.orphan = ORPHAN.STORED;
    if (this.openTable !== undefined) this.restoreOpens(inode);
    this.cache.add(inode);
    return inode;
  }

  /** A new inode with a number never used before, all times now, and no link yet: the caller names it. */
  create(mode: number, uid: number, gid: number, rdev = 0): Inode {
    const inode = new Inode(this.nextIno++);
    this.changeCount(1);
    inode.mode = mode;
    inode.uid = uid;
    inode.gid = gid;
    inode.rdev = rdev;
    inode.nextCookie = (mode & S.IFMT) === S.IFDIR ? FIRST_COOKIE : 0;
    inode.xattrs = XATTRS.NONE;
    this.times.stampBirth(inode);
    this.cache.add(inode);
    this.touch(inode);
    return inode;
  }

  /** `inode` has changed: it reaches its row before the next COMMIT, and the redo log with the end of the operation. */
  touch(inode: Inode): void {
    if (!inode.dirty) {
      if (inode.lazy) inode.lazy = false;
      else this.unwritten.push(inode);
      inode.dirty = true;
      this.commits.touch();
    }
    if (inode.unrecorded) return;
    inode.unrecorded = true;
    this.changed.push(inode);
    // Of an inode that is dirty already too: else this operation would not be in the redo log.
    this.commits.touch();
  }

  /** Contents changed: mtime, ctime. */
  touchChange(inode: Inode): void {
    this.times.stampChange(inode);
    this.touch(inode);
  }

  /**
   * A verb gives a file a new size (bytes); stamping it is the caller's. The kernel, which did not ask for it, goes on appending at the end
   * that it knows, also when another daemon serves it.
   */
  moveEnd(inode: Inode, size: number): void {
    if (size === inode.size) return;
    inode.size = size;
    // With the next look-up it would hear of the new one.
    if (inode.endMoved || this.lookups.count(inode.ino) === 0) return;
    inode.endMoved = true;
    this.movedEnds?.add(inode.ino);
  }

  /** Contents were overwritten in place: mtime, ctime, at a coarser grain. */
  touchOverwritten(inode: Inode): void {
    if (this.times.stampOverwrite(inode)) this.touch(inode);
  }

  /** Attributes changed: ctime. */
  touchAttributes(inode: Inode): void {
    this.times.stampAttributes(inode);
    this.touch(inode);
  }

  /**
   * Somebody read from the file, the directory or the link: moves the access time by the mount's policy. The new
   * time begins no transaction; it is written together with the next change of anything, or by `settle`.
   */
  noteAccess(inode: Inode): void {
    if ((inode.flags & FLAG.NOATIME) !== 0 || !this.times.access(inode, this.atime)) return;
    if (inode.dirty || inode.lazy) return;
    inode.lazy = true;
    this.unwritten.push(inode);
  }

  /** The kernel was told of the inode `n` times. */
  remember(ino: number, n = 1): void {
    this.lookups.add(ino, n);
    this.shared?.tally.looked(ino);
  }

  /** The kernel gives `n` of them back; the last may end a file without names. */
  forget(ino: number, n: number): void {
    if (this.lookups.count(ino) === 0 || this.lookups.subtract(ino, n) > 0) return;
    if (this.movedEnds !== undefined && this.movedEnds.size > 0) this.movedEnds.subtract(ino, 1);
    const inode = this.get(ino);
    if (inode === undefined) return;
    inode.endMoved = false;
    if (inode.nlink === 0) this.reaper.reap(inode);
  }

  /** One handle more: the object stays in memory until `closed`. */
  opened(inode: Inode): void {
    inode.opens++;
  }

  closed(inode: Inode): void {
    if (inode.opens > 0) inode.opens--;
    if (inode.opens === 0 && inode.nlink === 0) this.reaper.reap(inode);
  }

  /** As `opened`, of a handle that the kernel gets with the reply under way. */
  handleOpened(inode: Inode): void {
    this.opened(inode);
    inode.handles++;
    inode.handlesGiven++;
    if (this.openTable === undefined) return;
    this.openTable.add(inode.ino);
    this.shared?.tally.opened(inode.ino);
  }

  /** As `closed`, by the RELEASE `unique` of the kernel. */
  handleClosed(inode: Inode, unique: number): void {
    if (this.openTable !== undefined) {
      this.shared?.tally.closing(unique, inode.ino);
      this.openTable.subtract(inode.ino, 1);
    }
    if (inode.handles > 0) inode.handles--;
    this.closed(inode);
  }

  /** Corrects what a daemon that died had counted for a reply that did not get out. */
  countLookup(ino: number, by: number): void {
    if (by > 0) this.lookups.add(ino, by);
    else this.lookups.subtract(ino, -by);
  }

  countOpen(ino: number, by: number): void {
    if (by > 0) this.openTable?.add(ino, by);
    else this.openTable?.subtract(ino, -by);
    const inode = this.cache.get(ino);
    if (inode === undefined) return;
    inode.opens = Math.max(0, inode.opens + by);
    inode.handles = Math.max(0, inode.handles + by);
  }

  /** Handles that an earlier daemon gave out go on. */
  private restoreOpens(inode: Inode): void {
    inode.opens = this.openTable?.count(inode.ino) ?? 0;
    inode.handles = inode.opens;
    inode.endMoved = this.movedEnds !== undefined && this.movedEnds.count(inode.ino) > 0;
    // Whether a name may be given to it the kernel knows by itself (I_LINKABLE).
    if (inode.nlink === 0) inode.linkable = true;
  }

  /** A file lost a name (a directory its only one); the caller has stamped the times. Without names it is an orphan. */
  dropLink(inode: Inode): void {
    inode.nlink = inode.isDirectory ? 0 : inode.nlink - 1;
    this.touch(inode);
    if (inode.nlink === 0 && !this.reaper.reap(inode)) this.adoptOrphan(inode);
  }

  /** An inode has no name, or none yet (O_TMPFILE), and lives on: its number goes to table `orphan`. */
  adoptOrphan(inode: Inode): void {
    this.orphans.add(inode);
  }

  /** Gives a name to an inode: `nlink` rises, an orphan is one no longer. */
  addLink(inode: Inode): void {
    if (inode.nlink === 0) {
      inode.linkable = false;
      this.orphans.remove(inode);
    }
    inode.nlink++;
    this.touchAttributes(inode);
  }

  /** Row, attributes and target go, and the object from memory: `reaper` has found that nothing holds the inode. */
  remove(inode: Inode): void {
    const { ino } = inode;
    if (inode.isSymlink) this.deleteSymlink.run(ino);
    if (inode.xattrs !== XATTRS.NONE) this.deleteXattrs.run(ino);
    this.rows.delete(inode);
    this.orphans.remove(inode);
    this.cache.remove(ino);
    inode.dirty = false;
    inode.lazy = false;
    inode.unrecorded = false;
    this.changeCount(-1);
  }

  private changeCount(by: number): void {
    this.total += by;
    this.counterDirty = true;
    this.counterUnrecorded = true;
    this.commits.touch();
  }

  /**
   * Brings the cache back under its bound: to be called between operations (the session's `afterBatch`), never within
   * one, which may hold objects that would go. Costs nothing while the cache is not full.
   */
  trim(): void {
    if (this.cache.size > this.cache.capacity) this.cache.trim(() => this.store());
  }

  /** Puts what the operation changed in memory into the redo log. */
  private recordDirty(): void {
    for (const inode of this.changed) {
      if (!inode.unrecorded) continue;
      inode.unrecorded = false;
      this.rows.note(inode);
    }
    this.changed.length = 0;
    if (this.counterUnrecorded) {
      this.counterUnrecorded = false;
      this.updateCounter.note(this.nextIno, this.total);
    }
    // Here, where a failure still is one of the operation.
    if (this.unwritten.length >= MOST_UNWRITTEN) this.store();
  }

  /** Writes what is dirty into SQL, access times included; part of every COMMIT, after which the redo log is empty. */
  flush(): void {
    this.store();
    for (const inode of this.changed) inode.unrecorded = false;
    this.changed.length = 0;
    this.counterUnrecorded = false;
  }

  /** The same at the end of an operation, or between two; what these have changed the redo log knows. */
  private store(): void {
    const { unwritten } = this;
    for (const inode of unwritten) {
      if (!inode.dirty && !inode.lazy) continue;
      this.rows.write(inode);
      inode.dirty = false;
      inode.lazy = false;
    }
    unwritten.length = 0;
    this.orphans.store();
    if (this.counterDirty) {
      this.updateCounter.apply(this.nextIno, this.total);
      this.counterDirty = false;
    }
  }

  /** Puts waiting access times into the open transaction: before a clean unmount. */
  settle(): void {
    if (this.unwritten.length > 0) this.commits.touch();
  }

  private loadCounter(): void {
    [this.nextIno, this.total] = this.selectCounter.get() as [number, number];
  }

  /** The metadata failed: memory goes back to what is committed, as far as that can be read. The mount only reads now. */
  private rollBack(): void {
    try {
      this.loadCounter();
      for (const inode of [...this.cache.values()]) {
        const committed = this.rows.read(inode.ino);
        if (committed === undefined) this.cache.remove(inode.ino);
        else Object.assign(inode, committed, { opens: inode.opens, handles: inode.handles });
      }
    } catch {
      // Whoever asks for what cannot be read gets EIO from his own operation.
    }
    this.unwritten.length = 0;
    this.changed.length = 0;
    this.orphans.clear();
    this.counterDirty = false;
    this.counterUnrecorded = false;
  }
}
