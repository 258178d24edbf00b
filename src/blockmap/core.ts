import { E } from '../system/errno.ts';
import { type ExtentRun, MAX_FILE_BLOCKS, type MappedInode, STATE, type State } from './extent.ts';
import { ExtentMap } from './extentmap.ts';
import type { Commits, Database, Device } from './ports.ts';
import { Reservations } from './reservations.ts';
import { Shared } from './shared.ts';
import { MAYBE_SHARED } from './sheet.ts';
import type { Space } from './space.ts';

export interface CoreOptions {
  database: Database;
  device: Device;
  commits: Commits;
  space: Space;
  /** Bytes. */
  blockSize: number;
  /** Marks an inode as changed: its row is written with the open transaction. */
  touch: (inode: MappedInode) => void;
  /** A reader of a volume that nobody recovered: what may not have arrived reads as zeros. Default false. */
  unsyncedLost?: boolean;
}

/** A place taken for file blocks, which the map does not know of yet. Blocks. */
export interface Claim {
  fileBlock: number;
  deviceBlock: number;
  length: number;
}

/** A first write of so many bytes is taken for the beginning of a long file. */
const LONG_WRITE = 128 * 1024;
/** Files whose numbers are near each other, thus made one after the other, go near each other on the device. */
const NEIGHBOURS = 32;
const NEIGHBOURHOODS = 256;

/**
 * What all operations on the block map are made of. An operation first finds out what it needs and takes it
 * (`space.ensure`, `claim`), then writes data to places that nobody sees yet, and only then changes the map (`map`,
 * `unmap`), which cannot fail but with the metadata itself.
 */
export class Core {
  readonly extents: ExtentMap;
  readonly shared: Shared;
  readonly space: Space;
  readonly device: Device;
  readonly commits: Commits;
  readonly reservations: Reservations;
  readonly blockSize: number;
  onFree: (ino: number, fileBlock: number, deviceBlock: number, length: number) => void;
  onMoved: (ino: number, gen: number) => void = () => {};
  readonly touch: (inode: MappedInode) => void;
  /** Files that shrank to within a block, and the transaction: until it is durable their last block stays as it is. */
  private readonly shrunk = new Map<number, number>();
  /** Files that shrank to within a block and have not grown beyond it since: what is behind their end may not be zeros. */
  private readonly unclean = new Set<number>();
  /** Where the last blocks of each neighbourhood of files went. */
  private readonly goals = new Float64Array(NEIGHBOURHOODS).fill(-1);
  private lastGoal = 0;
  /** Blocks that relocate has moved. */
  moved = 0;
  private readonly run: ExtentRun = { fileBlock: 0, deviceBlock: -1, length: 0, state: STATE.HOLE };

  constructor(options: CoreOptions) {
    this.space = options.space;
    this.device = options.device;
    this.commits = options.commits;
    this.blockSize = options.blockSize;
    this.touch = options.touch;
    this.shared = new Shared(options.database, options.commits);
    this.extents = new ExtentMap(options.database, () => this.shared.any);
    this.extents.sheets.unsyncedLost = options.unsyncedLost === true;
    this.reservations = new Reservations(options.space, options.commits, options.blockSize);
    this.onFree = (_ino, _fileBlock, deviceBlock, length) => this.space.release(deviceBlock, length);
    this.commits.convert = (ino, from, to) => this.convert(ino, from, to);
    this.commits.onFail(() => this.extents.sheets.clear());
    this.commits.onDurable((sequence) => {
      for (const [ino, since] of this.shrunk) if (since <= sequence) this.shrunk.delete(ino);
    });
  }

  /** EFBIG unless the byte range ends within the largest file. */
  tooBig(offset: number, length: number): number {
    return offset + length > MAX_FILE_BLOCKS * this.blockSize ? E.FBIG : 0;
  }

  /** EINVAL unless both are whole blocks. */
  unaligned(offset: number, length: number): number {
    return offset % this.blockSize !== 0 || length % this.blockSize !== 0 ? E.INVAL : 0;
  }

  /**
   * The run at a block, cut to [block, end) and to blocks that are all shared or all not; true if they are shared.
   */
  shareRun(ino: number, block: number, end: number, run: ExtentRun): boolean {
    const state = this.extents.find(ino, block, run);
    if (run.length > end - block) run.length = end - block;
    if ((state & MAYBE_SHARED) === 0) return false;
    const first = this.shared.first(run.deviceBlock, run.length);
    if (first < 0) {
      const whole = this.extents.whole(ino, block);
      const { deviceBlock, length } = whole;
      if (this.shared.first(deviceBlock, length) < 0 && !this.shared.isParting(deviceBlock, length)) {
        this.extents.knownUnshared(ino, block);
      }
      return false;
    }
    if (first > run.deviceBlock) {
      run.length = first - run.deviceBlock;
      return false;
    }
    run.length = this.shared.overlapLength;
    return true;
  }

  /**
   * File blocks [block, end) are about to be changed where they are: those that another file shared until a moment ago must
   * be this one's alone on the disk too, or a crash shows the other file what is written now. Called before the operation
   * changes anything; 0 or errno.
   */
  settleShares(ino: number, block: number, end: number): number {
    if (!this.shared.parting) return 0;
    const { run } = this;
    for (let at = block; at < end; at += run.length) {
      const state = this.extents.find(ino, at, run);
      if (run.length > end - at) run.length = end - at;
      if ((state & MAYBE_SHARED) === 0 || !this.shared.isParting(run.deviceBlock, run.length)) continue;
      return this.commits.commitNow();
    }
    return 0;
  }

  /** Where blocks for a file at `fileBlock` should be: behind the block before, or near the file's neighbours. */
  goal(ino: number, fileBlock: number): number {
    if (fileBlock > 0) {
      this.extents.find(ino, fileBlock - 1, this.run);
      if (this.run.state !== STATE.HOLE) return this.run.deviceBlock + 1;
    }
    const near = this.goals[Math.floor(ino / NEIGHBOURS) % NEIGHBOURHOODS];
    return near >= 0 ? near : this.lastGoal;
  }

  /** Blocks of the hole at `fileBlock` if a write there is likely to go on through it, else 0. */
  private ahead(ino: number, fileBlock: number, count: number): number {
    this.extents.find(ino, fileBlock, this.run);
    if (this.run.state !== STATE.HOLE) return 0; // a copy on write
    const hole = this.run.length;
    if (fileBlock === 0) return count * this.blockSize >= LONG_WRITE ? hole : 0;
    this.extents.find(ino, fileBlock - 1, this.run);
    return this.run.state !== STATE.HOLE ? hole : 0;
  }

  /** Takes places for file blocks, for a write; adds them to `claims`. False: no space, and `claims` is given back. */
  claim(inode: MappedInode, fileBlock: number, count: number, claims: Claim[]): boolean {
    const { ino } = inode;
    const end = fileBlock + count;
    let goal = this.goal(ino, fileBlock);
    const ahead = this.ahead(ino, fileBlock, count);
    for (let at = fileBlock; at < end; ) {
      const run = this.reservations.take(ino, at, end - at, goal, inode.blocks, ahead - (at - fileBlock));
      if (!run) {
        this.giveBack(claims);
        return false;
      }
      claims.push({ fileBlock: at, deviceBlock: run.start, length: run.length });
      at += run.length;
      goal = run.start + run.length;
    }
    this.lastGoal = goal;
    this.goals[Math.floor(ino / NEIGHBOURS) % NEIGHBOURHOODS] = goal;
    return true;
  }

  giveBack(claims: Claim[]): void {
    for (const { deviceBlock, length } of claims) this.space.giveBack(deviceBlock, length);
    claims.length = 0;
  }

  /** A taken place becomes part of the file, where it has a hole. */
  map(inode: MappedInode, claim: Claim, state: State): void {
    const { fileBlock, deviceBlock, length } = claim;
    this.space.use(deviceBlock, length);
    this.extents.set(inode.ino, fileBlock, length, deviceBlock, state);
    inode.blocks += length;
    if (state === STATE.UNSYNCED) this.commits.dataWritten(inode.ino, fileBlock, length);
  }

  /** A taken place replaces what the file has there, on which nobody else's map changes. */
  remap(inode: MappedInode, claim: Claim, state: State): void {
    this.free(inode.ino, claim.fileBlock, claim.length);
    this.space.use(claim.deviceBlock, claim.length);
    this.extents.set(inode.ino, claim.fileBlock, claim.length, claim.deviceBlock, state);
    if (state === STATE.UNSYNCED) this.commits.dataWritten(inode.ino, claim.fileBlock, claim.length);
  }

  /** Blocks in [fromBlock, toBlock) leave the map; answers how many. */
  unmap(inode: MappedInode, fromBlock: number, toBlock: number): number {
    const freed = this.free(inode.ino, fromBlock, toBlock - fromBlock);
    if (freed === 0) return 0;
    this.extents.set(inode.ino, fromBlock, toBlock - fromBlock, -1, STATE.HOLE);
    inode.blocks -= freed;
    return freed;
  }

  /** Frees the device blocks of a range, which stay in the map for the caller to replace. */
  private free(ino: number, fromBlock: number, count: number): number {
    const { run } = this;
    const end = fromBlock + count;
    let freed = 0;
    for (let block = fromBlock; block < end; block += run.length) {
      const state = this.extents.find(ino, block, run);
      if (run.length > end - block) run.length = end - block;
      if (run.state === STATE.HOLE) continue;
      freed += run.length;
      const { deviceBlock, length } = run;
      if ((state & MAYBE_SHARED) === 0) this.onFree(ino, block, deviceBlock, length);
      else {
        this.shared.drop(deviceBlock, length, (start, n) => this.onFree(ino, block + start - deviceBlock, start, n));
        run.length = length;
      }
    }
    return freed;
  }

  /** The operation changed which blocks the file has; `since`: the generation when it began, which rises only once. */
  changed(inode: MappedInode, since: number): void {
    if (inode.gen === since) {
      inode.gen++;
      this.onMoved(inode.ino, inode.gen);
    }
    this.touch(inode);
  }

  /** Data of the range is on the device: it becomes written in the open transaction, which is about to commit. */
  private convert(ino: number, from: number, to: number): void {
    const run: ExtentRun = { fileBlock: 0, deviceBlock: -1, length: 0, state: STATE.HOLE };
    for (let block = from; block < to; block += run.length) {
      const state = this.extents.find(ino, block, run);
      if (run.length > to - block) run.length = to - block;
      if (run.state !== STATE.UNSYNCED) continue;
      const { length } = run;
      this.extents.set(ino, block, length, run.deviceBlock, STATE.WRITTEN, (state & MAYBE_SHARED) !== 0);
      run.length = length;
    }
  }

  /** Bytes [from, to) of one mapped block, or of several in one run, become zeros on the device; 0 or errno. */
  zero(deviceBlock: number, from: number, to: number): number {
    if (from >= to) return 0;
    const r = this.device.zero(deviceBlock * this.blockSize + from, to - from);
    return r < 0 ? -r : 0;
  }

  /** The file shrank to a size within a block in the open transaction. */
  noteShrunk(ino: number): void {
    this.shrunk.set(ino, this.commits.sequence);
    this.unclean.add(ino);
  }

  /**
   * The file is about to end at `end`, its last block having been changed where it is. If that block may hold what the file
   * had before it shrank, the new size waits for the data: a crash would show those bytes again.
   */
  growing(inode: MappedInode, end: number): void {
    if (this.unclean.size === 0 || !this.unclean.has(inode.ino)) return;
    this.commits.orderedData();
    if (end >= Math.ceil(inode.size / this.blockSize) * this.blockSize) this.unclean.delete(inode.ino);
  }

  /** Whether the commit that shrank the file is still to come: a crash now brings the old end back. */
  shrankJustNow(ino: number): boolean {
    return this.shrunk.size > 0 && (this.shrunk.get(ino) ?? -1) > this.commits.durable;
  }

  forget(ino: number): void {
    this.shrunk.delete(ino);
    this.unclean.delete(ino);
    this.reservations.drop(ino);
  }
}
