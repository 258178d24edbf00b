import type { BlockMap } from '../blockmap/blockmap.ts';
import { STATE } from '../blockmap/extent.ts';
import type { Notifier } from '../fuse/notifier.ts';
import type { MapFacts, MapPort, Run } from '../lease/ports.ts';
import type { Inodes } from '../namespace/inodes.ts';
import { E } from '../system/errno.ts';
import type { Volume } from '../volume/volume.ts';

/** Extents looked at in one go. */
const PAGE = 1024;

interface Parts {
  volume: Volume;
  inodes: Inodes;
  blockmap: BlockMap;
  /** There is none before the mount. */
  notifier: () => Notifier | undefined;
  /** Runs of device blocks now in quarantine. */
  quarantined: () => Iterable<Run>;
}

interface Piece {
  fileBlock: number;
  deviceBlock: number;
  length: number;
  state: number;
  shared: boolean;
}

/** What the lease engine asks of files and their block maps. */
export class LeaseMap implements MapPort {
  private readonly parts: Parts;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  facts(ino: number, offset: number, end: number, align: number): MapFacts | undefined {
    const inode = this.parts.inodes.get(ino);
    if (inode === undefined) return undefined;
    const { blockSize } = this.parts.volume;
    const facts: MapFacts = {
      regular: inode.isRegular,
      size: inode.size,
      gen: inode.gen,
      hole: false,
      shared: false,
      unwritten: false,
      misaligned: false,
    };
    if (!inode.isRegular) return facts;
    const first = Math.floor(offset / blockSize);
    const last = Math.ceil(Math.min(end, inode.size) / blockSize);
    let at = first;
    let deviceAt = -1;
    for (const piece of this.pieces(ino, first, last)) {
      if (piece.fileBlock > at) facts.hole = true;
      if (piece.shared) facts.shared = true;
      if (piece.state === STATE.UNWRITTEN) facts.unwritten = true;
      // What differs in its state alone is still one run of the device. One that is not the last ends on a boundary, too.
      if (align !== 0 && (piece.deviceBlock !== deviceAt || piece.fileBlock !== at)) {
        const bounds = [piece.fileBlock, piece.deviceBlock, ...(deviceAt < 0 ? [] : [at])];
        if (bounds.some((block) => (block * blockSize) % align !== 0)) facts.misaligned = true;
      }
      at = piece.fileBlock + piece.length;
      deviceAt = piece.deviceBlock + piece.length;
    }
    if (at < last) facts.hole = true;
    return facts;
  }

  gen(ino: number): number {
    return this.parts.inodes.get(ino)?.gen ?? 0;
  }

  sealed(ino: number): number {
    return this.parts.inodes.get(ino)?.sealed ?? 0;
  }

  setSealed(ino: number, value: number): void {
    const { inodes } = this.parts;
    const inode = inodes.get(ino);
    if (inode === undefined) return;
    inode.sealed = value;
    inodes.touchAttributes(inode);
  }

  extents(ino: number, offset: number, end: number): Run[] {
    const { blockSize } = this.parts.volume;
    const runs: Run[] = [];
    for (const piece of this.pieces(ino, Math.floor(offset / blockSize), Math.ceil(end / blockSize))) {
      runs.push({ start: piece.deviceBlock, length: piece.length });
    }
    return runs;
  }

  /**
   * The old place is punched out only once the switch is durable, and only where it lies in quarantine: blocks that
   * nobody could reach were freed, and may belong to another file by then.
   */
  relocate(ino: number, offset: number, end: number, done: (errno: number) => void): void {
    const { volume, inodes, blockmap } = this.parts;
    const inode = inodes.get(ino);
    if (inode === undefined) return done(E.NOENT);
    const { blockSize } = volume;
    const first = Math.floor(offset / blockSize);
    const last = Math.min(Math.ceil(end / blockSize), Math.ceil(inode.size / blockSize) + 1);
    const old = this.extents(ino, offset, last * blockSize);
    const errno = blockmap.relocate(inode, first, Math.max(0, last - first));
    if (errno !== 0) return done(errno);
    volume.commits.whenMetadataDurable((failed) => {
      if (failed === 0) for (const run of this.inQuarantine(old)) this.punch(run);
      done(failed);
    });
  }

  flushInvalidate(ino: number, done: (errno: number) => void): void {
    const notifier = this.parts.notifier();
    const inode = this.parts.inodes.get(ino);
    if (notifier === undefined || inode?.mayHavePages === false) return done(0);
    const given = inode?.handlesGiven ?? 0;
    notifier.invalInode(ino, 0, 0).then((result) => {
      const errno = result === -E.NOENT ? 0 : -result;
      // With a handle open, or one opened meanwhile, there may be pages again at any time.
      if (inode !== undefined && errno === 0 && inode.handles === 0) inode.handlesDropped = given;
      done(errno);
    });
  }

  reap(ino: number): void {
    this.parts.inodes.reaper.reapIno(ino);
  }

  private punch(run: Run): void {
    const { blockSize, device } = this.parts.volume;
    device.punch(run.start * blockSize, run.length * blockSize);
  }

  private *inQuarantine(runs: readonly Run[]): IterableIterator<Run> {
    for (const held of this.parts.quarantined()) {
      for (const run of runs) {
        const start = Math.max(run.start, held.start);
        const length = Math.min(run.start + run.length, held.start + held.length) - start;
        if (length > 0) yield { start, length };
      }
    }
  }

  /** Mapped pieces of file blocks [from, to), clipped to that, in order. */
  private *pieces(ino: number, from: number, to: number): IterableIterator<Piece> {
    let at = from;
    while (at < to) {
      const rows = this.parts.blockmap.extents(ino, at, PAGE);
      for (const row of rows) {
        if (row.fileBlock >= to) return;
        const skip = Math.max(0, at - row.fileBlock);
        const fileBlock = row.fileBlock + skip;
        const length = Math.min(row.length - skip, to - fileBlock);
        if (length <= 0) continue;
        yield { fileBlock, deviceBlock: row.deviceBlock + skip, length, state: row.state, shared: row.shared };
        at = fileBlock + length;
      }
      if (rows.length < PAGE) return;
    }
  }
}
