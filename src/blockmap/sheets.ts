import { STATE } from './extent.ts';
import type { Database } from './ports.ts';
import { END, MAYBE_SHARED, Sheet } from './sheet.ts';

type Row = [file: number, device: number, length: number, state: number];

/** A map of so many extents at most is known whole. */
const WHOLE = 1024;
/** Rows read at a time from a larger map: when it is read in order … */
const AHEAD = 256;
/** … and for a change somewhere in it. */
const NEAR = 8;
/** A change over more rows than this does without a sheet. */
const ACROSS = 512;

/** Memory for all sheets, bytes. */
const MEMORY = 48 * 1024 * 1024;

/** The sheets in memory, at most so many bytes; those not looked at for a while go first. */
export class Sheets {
  private readonly sheets = new Map<number, Sheet>();
  private recent: Sheet | undefined;
  private bytes = 0;
  /** Extents in state UNSYNCED are read as UNWRITTEN. */
  unsyncedLost = false;
  private readonly limit: number;
  private readonly shares: () => boolean;
  private readonly head;
  private readonly spot;
  private readonly before;
  private readonly behind;

  constructor(database: Database, shares: () => boolean, limit = MEMORY) {
    this.shares = shares;
    this.limit = limit;
    const columns = 'SELECT file_block, device_block, length, state FROM extent WHERE ino = ?';
    this.head = database.query(`${columns} ORDER BY file_block LIMIT ? + 0`).raw();
    const last = 'SELECT file_block FROM extent WHERE ino = ? AND file_block <= ? ORDER BY file_block DESC LIMIT 1';
    this.spot = database.query(`${columns} AND file_block >= coalesce((${last}), ?) ORDER BY file_block LIMIT 2`).raw();
    this.before = database.query(`${columns} AND file_block <= ? ORDER BY file_block DESC LIMIT 1`).raw();
    this.behind = database.query(`${columns} AND file_block > ? ORDER BY file_block LIMIT ? + 0`).raw();
  }

  /** Memory in use, bytes. */
  get memory(): number {
    return this.bytes;
  }

  /** A sheet that knows `block`. */
  at(ino: number, block: number): Sheet {
    let sheet = this.recent;
    if (sheet === undefined || sheet.ino !== ino) sheet = this.get(ino);
    if (block >= sheet.from && block < sheet.to) return sheet;
    if (block === sheet.to) this.onward(sheet);
    else if (block === sheet.beyond) this.window(sheet, block, block + 1, AHEAD);
    else this.point(sheet, block);
    return sheet;
  }

  /** A sheet that knows [from, to), or undefined when there are too many extents in it. `from` may be -1. */
  around(ino: number, from: number, to: number): Sheet | undefined {
    const start = Math.max(0, from);
    const sheet = this.get(ino);
    if (sheet.covers(start, to)) return sheet;
    const inOrder = start >= sheet.from && start <= sheet.to;
    return this.window(sheet, start, to, inOrder ? AHEAD : NEAR) ? sheet : undefined;
  }

  /** The file is known to have no extents: no need to ask. */
  knownEmpty(ino: number): void {
    if (this.sheets.has(ino)) return;
    const sheet = new Sheet(ino);
    sheet.clear(0, END);
    this.add(sheet);
  }

  private add(sheet: Sheet): void {
    this.sheets.set(sheet.ino, sheet);
    this.grew(sheet);
  }

  private get(ino: number): Sheet {
    let sheet = this.sheets.get(ino);
    if (!sheet) {
      sheet = this.load(ino);
      this.add(sheet);
    }
    sheet.used = true;
    this.recent = sheet;
    return sheet;
  }

  /** The whole map if it is small, else a window at its beginning. */
  private load(ino: number): Sheet {
    const sheet = new Sheet(ino);
    const rows = this.head.all(ino, WHOLE + 1) as Row[];
    const small = rows.length <= WHOLE;
    sheet.clear(0, small ? END : rows[WHOLE][0]);
    if (!small) rows.length = WHOLE;
    this.fill(sheet, rows);
    return sheet;
  }

  /** The extent at a block and the hole behind it, or the hole at it: the map is large and is not read in order. */
  private point(sheet: Sheet, block: number): void {
    const { ino } = sheet;
    const rows = this.spot.all(ino, ino, block, block) as Row[];
    const found = rows.length > 0 && rows[0][0] <= block ? rows[0] : undefined;
    const next = found ? rows[1] : rows[0];
    const to = next ? next[0] : END;
    if (found && found[0] + found[2] > block) {
      sheet.clear(found[0], to);
      this.fill(sheet, [found]);
    } else sheet.clear(found ? found[0] + found[2] : 0, to);
    sheet.beyond = sheet.to;
    sheet.ahead = 1;
    this.grew(sheet);
  }

  /**
   * Moves the window to what is behind it. Whoever asks where an extent ends looks just behind it, too: that is not
   * reading in order yet, so it begins with one extent and goes on with more each time.
   */
  private onward(sheet: Sheet): void {
    const { to, ahead } = sheet;
    const rows = this.behind.all(sheet.ino, to - 1, ahead + 1) as Row[];
    const next = rows.length > ahead ? rows.pop() : undefined;
    sheet.clear(to, next ? next[0] : END);
    this.fill(sheet, rows);
    sheet.ahead = Math.min(AHEAD, ahead * 4);
    this.grew(sheet);
  }

  /** Moves the window to [from, to) and up to `extra` extents behind it; false when there are too many inside. */
  private window(sheet: Sheet, from: number, to: number, extra: number): boolean {
    const { ino } = sheet;
    const first = this.before.get(ino, from) as Row | undefined;
    const rows: Row[] = first ? [first] : [];
    let limit = extra;
    let start = first ? first[0] : -1;
    let known = END;
    for (;;) {
      const more = this.behind.all(ino, start, limit) as Row[];
      rows.push(...more);
      if (more.length < limit) {
        known = END;
        break;
      }
      start = more[limit - 1][0];
      known = start;
      if (start >= to) break;
      if (rows.length > ACROSS) {
        this.forget(ino);
        return false;
      }
      limit = AHEAD;
    }
    if (known !== END) rows.pop();
    const begin = !first ? 0 : first[0] + first[2] > from ? first[0] : first[0] + first[2];
    if (first && begin !== first[0]) rows.shift();
    sheet.clear(begin, known);
    this.fill(sheet, rows);
    this.grew(sheet);
    return true;
  }

  private fill(sheet: Sheet, rows: Row[]): void {
    const flag = this.shares() ? MAYBE_SHARED : 0;
    sheet.reserve(rows.length);
    for (const [file, device, length, state] of rows) {
      const counts = state === STATE.UNSYNCED && this.unsyncedLost ? STATE.UNWRITTEN : state;
      sheet.push(file, device, length, counts | flag);
    }
  }

  /** The memory of a sheet may have grown. */
  grew(sheet: Sheet): void {
    if (sheet.bytes === sheet.counted) return;
    this.bytes += sheet.bytes - sheet.counted;
    sheet.counted = sheet.bytes;
    if (this.bytes > this.limit) this.evict(sheet);
  }

  forget(ino: number): void {
    const sheet = this.sheets.get(ino);
    if (!sheet) return;
    this.sheets.delete(ino);
    this.bytes -= sheet.counted;
    if (this.recent === sheet) this.recent = undefined;
  }

  clear(): void {
    this.sheets.clear();
    this.recent = undefined;
    this.bytes = 0;
  }

  suspect(ino: number, from: number, to: number): void {
    const sheet = this.sheets.get(ino);
    if (!sheet) return;
    for (let i = sheet.seek(from); i < sheet.count && sheet.file(i) < to; i++) {
      sheet.setState(i, sheet.state(i) | MAYBE_SHARED);
    }
  }

  /** The clock's hand: who was looked at since it last passed gets another round. */
  private evict(keep: Sheet): void {
    for (const [ino, sheet] of this.sheets) {
      if (this.bytes <= this.limit * 0.9) return;
      if (sheet === keep) continue;
      if (sheet.used) {
        sheet.used = false;
        this.sheets.delete(ino);
        this.sheets.set(ino, sheet);
      } else this.forget(ino);
    }
  }
}
