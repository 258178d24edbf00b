import type { DeviceRun } from './extent.ts';
import type { Commits } from './ports.ts';
import type { Space } from './space.ts';

/** Most files that have a window at a time, and most pieces a window may break into. */
const WINDOWS = 1024;
const PIECES = 8;
/** A window that was not used for so many transactions goes back. */
const IDLE_COMMITS = 16;

/** Bytes: smallest window, largest window, and the alignment of those that are at least as long. */
const SMALLEST = 64 * 1024;
const LARGEST = 4 * 1024 ** 3;
const HUGE_PAGE = 2 * 1024 ** 2;

interface Window {
  /** File block that belongs on `deviceBlock`. */
  fileBlock: number;
  deviceBlock: number;
  /** File blocks [from, to) of the window that were not handed out yet. */
  pieces: { from: number; to: number }[];
  sequence: number;
}

/**
 * Blocks kept ready behind what a file has, so that writers who take turns do not cut each other's files to pieces.
 * Only in memory: statfs does not see them, and a crash needs no cleaning. A window doubles the file each time, up to
 * 4 GiB or an eighth of what is free; from 2 MiB on it lies so that 2 MiB pages of the file are 2 MiB pages of the
 * device. It goes back at the last close, when nobody used it for a while, and as soon as space runs out.
 */
export class Reservations {
  private readonly windows = new Map<number, Window>();
  private readonly space: Space;
  private readonly commits: Commits;
  private readonly blockSize: number;

  constructor(space: Space, commits: Commits, blockSize: number) {
    this.space = space;
    this.commits = commits;
    this.blockSize = blockSize;
    space.onPressure = () => this.dropAll();
    commits.onDurable((sequence) => this.dropIdle(sequence));
  }

  /**
   * Device blocks for the file blocks from `fileBlock` on: at most `want`, one run, taken from the space.
   * `ahead`: so many blocks from there on may be written next, in order; 0 if nothing says so.
   */
  take(
    ino: number,
    fileBlock: number,
    want: number,
    goal: number,
    fileBlocks: number,
    ahead: number,
  ): DeviceRun | undefined {
    const ready = this.fromWindow(ino, fileBlock, want);
    if (ready) return ready;
    if (ahead > want) {
      const length = Math.min(this.windowLength(fileBlocks, want), ahead);
      if (length > want) return this.open(ino, fileBlock, want, goal, length) ?? this.space.take(goal, want);
    }
    return this.space.take(goal, want);
  }

  private windowLength(fileBlocks: number, want: number): number {
    const wish = Math.max(SMALLEST / this.blockSize, 2 * (fileBlocks + want));
    const rounded = 2 ** Math.ceil(Math.log2(wish));
    return Math.min(rounded, LARGEST / this.blockSize, Math.floor(this.space.open / 8));
  }

  private open(ino: number, fileBlock: number, want: number, goal: number, length: number): DeviceRun | undefined {
    this.drop(ino);
    const huge = HUGE_PAGE / this.blockSize;
    const align = huge > 1 && length >= huge ? huge : 1;
    const run = this.space.take(goal, length, { align, phase: fileBlock % align });
    if (!run) return undefined;
    if (run.length <= want) {
      if (run.length === want || align === 1) return run;
      this.space.giveBack(run.start, run.length); // aligned, and too short for that: any run is better
      return undefined;
    }
    if (this.windows.size >= WINDOWS) this.drop(this.windows.keys().next().value as number);
    this.windows.set(ino, {
      fileBlock,
      deviceBlock: run.start,
      pieces: [{ from: fileBlock + want, to: fileBlock + run.length }],
      sequence: this.commits.sequence,
    });
    run.length = want;
    return run;
  }

  private fromWindow(ino: number, fileBlock: number, want: number): DeviceRun | undefined {
    const window = this.windows.get(ino);
    if (!window) return undefined;
    const { pieces } = window;
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i];
      if (fileBlock < piece.from || fileBlock >= piece.to) continue;
      const length = Math.min(want, piece.to - fileBlock);
      const end = piece.to;
      window.sequence = this.commits.sequence;
      if (fileBlock > piece.from) {
        piece.to = fileBlock;
        if (fileBlock + length < end) pieces.push({ from: fileBlock + length, to: end });
        if (pieces.length > PIECES) this.giveSmallest(window);
      } else if (fileBlock + length < end) piece.from = fileBlock + length;
      else pieces.splice(i, 1);
      if (pieces.length === 0) this.windows.delete(ino);
      return { start: window.deviceBlock + fileBlock - window.fileBlock, length };
    }
    return undefined;
  }

  private giveSmallest(window: Window): void {
    let smallest = 0;
    window.pieces.forEach((piece, i) => {
      const than = window.pieces[smallest];
      if (piece.to - piece.from < than.to - than.from) smallest = i;
    });
    this.give(window, window.pieces.splice(smallest, 1)[0]);
  }

  private give(window: Window, piece: { from: number; to: number }): void {
    this.space.giveBack(window.deviceBlock + piece.from - window.fileBlock, piece.to - piece.from);
  }

  /** What is ready for this file goes back. */
  drop(ino: number): void {
    const window = this.windows.get(ino);
    if (!window) return;
    this.windows.delete(ino);
    for (const piece of window.pieces) this.give(window, piece);
  }

  dropAll(): void {
    for (const ino of [...this.windows.keys()]) this.drop(ino);
  }

  private dropIdle(sequence: number): void {
    for (const [ino, window] of this.windows) if (window.sequence + IDLE_COMMITS < sequence) this.drop(ino);
  }
}
