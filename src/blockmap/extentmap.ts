import { type ExtentRun, MAX_FILE_BLOCKS, STATE, type State } from './extent.ts';
import type { Database } from './ports.ts';
import { END, MAYBE_SHARED, type Sheet, STATE_MASK } from './sheet.ts';
import { Sheets } from './sheets.ts';

type Row = [file: number, device: number, length: number, state: number];

/** Changes of more rows than this go by range, in one statement. */
const BULK = 8;
/** Rows of a window that grows in memory beyond this are read again when needed. */
const LARGEST_SHEET = 8192;

/**
 * Table extent: which device blocks a file maps. Extents of a file do not overlap, and two that touch in the file and
 * on the device in the same state are one. The table is the truth; the sheets remember parts of it.
 */
export class ExtentMap {
  readonly sheets: Sheets;
  private readonly insert;
  private readonly update;
  private readonly lengthen;
  private readonly removeOne;
  private readonly removeRange;
  private readonly lift;
  private readonly land;
  private readonly page;
  /** Rows of the last change, three at most: file, device, length, state of each. */
  private readonly pieces: Row[] = [
    [0, 0, 0, 0],
    [0, 0, 0, 0],
    [0, 0, 0, 0],
  ];
  private pieceCount = 0;

  /** `shares()`: some blocks of the volume have more than one owner, so extents that are read may. */
  constructor(database: Database, shares: () => boolean) {
    this.sheets = new Sheets(database, shares);
    const key = 'WHERE ino = ? AND file_block = ?';
    const range = 'WHERE ino = ? AND file_block >= ? AND file_block < ?';
    this.insert = database.mutation(
      'INSERT INTO extent (ino, file_block, device_block, length, state) VALUES (?, ?, ?, ?, ?)',
    );
    this.update = database.mutation(`UPDATE extent SET device_block = ?, length = ?, state = ? ${key}`);
    this.lengthen = database.mutation(`UPDATE extent SET length = ? ${key}`);
    this.removeOne = database.mutation(`DELETE FROM extent ${key}`);
    this.removeRange = database.mutation(`DELETE FROM extent ${range}`);
    // A shift goes through negative numbers: moved one by one, rows would meet those that have not moved yet.
    this.lift = database.mutation(
      'UPDATE extent SET file_block = -file_block - 1 - ? WHERE ino = ? AND file_block >= ?',
    );
    this.land = database.mutation('UPDATE extent SET file_block = -file_block - 1 WHERE ino = ? AND file_block < 0');
    this.page = database
      .query(`SELECT file_block, device_block, length, state FROM extent ${range} ORDER BY file_block LIMIT ? + 0`)
      .raw();
  }

  /** Fills `run` with the run at a block; MAYBE_SHARED stays in the answer's state, which is returned. */
  find(ino: number, block: number, run: ExtentRun): number {
    const sheet = this.sheets.at(ino, block);
    const i = sheet.seek(block);
    run.fileBlock = block;
    if (i < sheet.count) {
      const start = sheet.file(i);
      if (start <= block) {
        const state = sheet.state(i);
        run.deviceBlock = sheet.device(i) + block - start;
        run.length = sheet.end(i) - block;
        run.state = (state & STATE_MASK) as State;
        return state;
      }
      run.length = start - block;
    } else run.length = Math.min(sheet.to, block < MAX_FILE_BLOCKS ? MAX_FILE_BLOCKS : END) - block;
    run.deviceBlock = -1;
    run.state = STATE.HOLE;
    return STATE.HOLE;
  }

  /** The extent at a block was looked up and none of its blocks is shared: remembered until it is shared again. */
  knownUnshared(ino: number, block: number): void {
    const sheet = this.sheets.at(ino, block);
    const i = sheet.seek(block);
    if (i < sheet.count && sheet.file(i) <= block) sheet.setState(i, sheet.state(i) & STATE_MASK);
  }

  /** First block of the extent that maps `block`, and its length: for questions about all of it. */
  whole(ino: number, block: number): { deviceBlock: number; length: number } {
    const sheet = this.sheets.at(ino, block);
    const i = sheet.seek(block);
    return { deviceBlock: sheet.device(i), length: sheet.length(i) };
  }

  /**
   * File blocks [block, block + length) map to device blocks from `device` on, in `state`; of HOLE, to none. What was
   * mapped there before is forgotten here (its blocks are the caller's to free); neighbours are split and merged.
   */
  set(ino: number, block: number, length: number, device: number, state: State, maybeShared = false): void {
    const end = block + length;
    const sheet = this.sheets.around(ino, block - 1, end + 1);
    if (!sheet) {
      this.setAcross(ino, block, end, device, state, maybeShared);
      return;
    }
    let first = sheet.seek(block);
    let last = first;
    while (last < sheet.count && sheet.file(last) < end) last++;
    this.pieceCount = 0;
    if (first < last && sheet.file(first) < block) {
      this.piece(sheet.file(first), sheet.device(first), block - sheet.file(first), sheet.state(first));
    } else if (first > 0 && sheet.end(first - 1) === block && state !== STATE.HOLE) {
      const i = --first;
      this.piece(sheet.file(i), sheet.device(i), sheet.length(i), sheet.state(i));
    }
    if (state !== STATE.HOLE) this.piece(block, device, length, maybeShared ? state | MAYBE_SHARED : state);
    const tail = last - 1;
    if (tail >= first && sheet.end(tail) > end) {
      this.piece(end, sheet.device(tail) + end - sheet.file(tail), sheet.end(tail) - end, sheet.state(tail));
    } else if (last < sheet.count && sheet.file(last) === end && state !== STATE.HOLE) {
      this.piece(sheet.file(last), sheet.device(last), sheet.length(last), sheet.state(last));
      last++;
    }
    this.store(sheet, first, last);
    sheet.replace(first, last, this.pieceCount);
    for (let i = 0; i < this.pieceCount; i++) {
      const p = this.pieces[i];
      sheet.put(first + i, p[0], p[1], p[2], p[3]);
    }
    this.sheets.grew(sheet);
    if (sheet.count > LARGEST_SHEET) this.sheets.forget(ino);
  }

  /** Adds a piece of the new rows, joined to the last one if the two are one extent. */
  private piece(file: number, device: number, length: number, state: number): void {
    if (this.pieceCount > 0) {
      const p = this.pieces[this.pieceCount - 1];
      const sameState = ((p[3] ^ state) & STATE_MASK) === 0;
      if (sameState && p[0] + p[2] === file && p[1] + p[2] === device) {
        p[2] += length;
        p[3] |= state;
        return;
      }
    }
    const p = this.pieces[this.pieceCount++];
    p[0] = file;
    p[1] = device;
    p[2] = length;
    p[3] = state;
  }

  /** Rows [first, last) of the sheet become the pieces, in the table. */
  private store(sheet: Sheet, first: number, last: number): void {
    const { ino } = sheet;
    if (last - first > BULK) {
      this.removeRange.run(ino, sheet.file(first), sheet.file(last - 1) + 1);
      for (let i = 0; i < this.pieceCount; i++) this.insertPiece(ino, this.pieces[i]);
      return;
    }
    // Old rows whose key stays are updated where they differ; others go first, for the new ones may take their place.
    for (let i = first; i < last; i++) if (this.pieceAt(sheet.file(i)) < 0) this.removeOne.run(ino, sheet.file(i));
    for (let k = 0; k < this.pieceCount; k++) {
      const p = this.pieces[k];
      let i = first;
      while (i < last && sheet.file(i) !== p[0]) i++;
      if (i === last) {
        this.insertPiece(ino, p);
        continue;
      }
      const state = p[3] & STATE_MASK;
      if (sheet.device(i) !== p[1] || (sheet.state(i) & STATE_MASK) !== state) {
        this.update.run(p[1], p[2], state, ino, p[0]);
      } else if (sheet.length(i) !== p[2]) this.lengthen.run(p[2], ino, p[0]);
    }
  }

  private pieceAt(file: number): number {
    for (let k = 0; k < this.pieceCount; k++) if (this.pieces[k][0] === file) return k;
    return -1;
  }

  private insertPiece(ino: number, p: Row): void {
    this.insert.run(ino, p[0], p[1], p[2], p[3] & STATE_MASK);
  }

  /** `set` over more extents than a sheet holds: those wholly inside go at once, then the edges one by one. */
  private setAcross(ino: number, block: number, end: number, device: number, state: State, maybeShared: boolean): void {
    this.split(ino, block);
    this.split(ino, end);
    this.removeRange.run(ino, block, end);
    this.sheets.forget(ino);
    if (state !== STATE.HOLE) this.set(ino, block, end - block, device, state, maybeShared);
  }

  /** Cuts the extent around a block in two, without joining them again. */
  private split(ino: number, block: number): void {
    if (block <= 0) return;
    const sheet = this.sheets.at(ino, block);
    const i = sheet.seek(block);
    if (i >= sheet.count || sheet.file(i) >= block) return;
    const before = block - sheet.file(i);
    this.lengthen.run(before, ino, sheet.file(i));
    this.insert.run(ino, block, sheet.device(i) + before, sheet.length(i) - before, sheet.state(i) & STATE_MASK);
    this.sheets.forget(ino);
  }

  /** All extents from a block on move by `delta` blocks; when it is negative, the way is free of extents. */
  shift(ino: number, fromBlock: number, delta: number): void {
    this.split(ino, fromBlock);
    this.lift.run(delta, ino, fromBlock);
    this.land.run(ino);
    this.sheets.forget(ino);
    const at = Math.max(0, fromBlock + Math.min(0, delta));
    this.rejoin(ino, at);
  }

  /** Merges the extents that meet at a block, if they are one. */
  private rejoin(ino: number, block: number): void {
    const sheet = this.sheets.at(ino, block);
    const i = sheet.seek(block);
    if (i >= sheet.count || sheet.file(i) !== block) return;
    this.set(ino, block, sheet.length(i), sheet.device(i), (sheet.state(i) & STATE_MASK) as State, true);
  }

  /** Rows that begin in [from, to), at most `limit`, from the table. */
  rows(ino: number, from: number, to: number, limit: number): Row[] {
    return this.page.all(ino, from, Math.min(to, END), limit) as Row[];
  }

  /** Extents of the file that map a block in [from, to) may be shared from now on. */
  suspect(ino: number, from: number, to: number): void {
    this.sheets.suspect(ino, from, to);
  }
}
