import { setImmediate as turn } from 'node:timers/promises';
import type SQLite from 'better-sqlite3';
import type { Opened, VolumeRow } from './open.ts';
import type { CheckMode, CheckReport, Problem } from './report.ts';

/** Thrown by `pause` when the caller's signal is aborted; `check` turns it into the exit code CANCELLED. */
export class Cancelled extends Error {}

export type Finding = Omit<Problem, 'check' | 'repaired'>;

/** One check: a file of this folder. It reports what it finds and, where `repairs` allows, mends it at once. */
export interface Check {
  /** Stable name, shown in the report. */
  name: string;
  run(context: Context): Promise<void> | void;
}

const PAGE = 1000;

/** What every check is given: the database inside one transaction, the volume's row, and where findings go. */
export class Context {
  readonly db: SQLite.Database;
  readonly volume: VolumeRow;
  readonly opened: Opened;
  readonly mode: CheckMode;
  /** Seconds since the epoch, for rows that a repair makes. */
  readonly now: number;
  readonly report: CheckReport;
  /** Set by a check whose findings make all later checks meaningless. */
  stop = false;
  /** Hears how far the check that is running is. */
  onRows: (done: number, total: number) => void = () => {};
  private readonly steps: (() => void)[] = [];
  private check = '';
  private serial = 0;
  private readonly limit: number;
  private readonly signal: AbortSignal | undefined;
  private readonly statements = new Map<string, SQLite.Statement>();

  constructor(options: {
    opened: Opened;
    report: CheckReport;
    now: number;
    limit: number;
    signal?: AbortSignal;
  }) {
    this.opened = options.opened;
    this.db = options.opened.db;
    this.volume = options.opened.row;
    this.report = options.report;
    this.mode = options.report.mode;
    this.now = options.now;
    this.limit = options.limit;
    this.signal = options.signal;
  }

  async perform(check: Check): Promise<void> {
    this.check = check.name;
    await this.pause();
    await check.run(this);
  }

  /** Something outside the database that is to be done right before the repairs are committed. */
  atCommit(step: () => void): void {
    this.steps.push(step);
  }

  commit(): void {
    for (const step of this.steps) step();
    // A redo log that belongs to the commit before must not be replayed onto what was repaired.
    this.run('UPDATE volume SET sequence = sequence + 1');
    this.db.exec('COMMIT');
  }

  private repairs(safe: boolean): boolean {
    return this.mode === 'all' || (safe && this.mode === 'preen');
  }

  /** Records a finding and, if the mode allows it, mends it by `repair`. Answers whether it is mended. */
  found(finding: Finding, repair?: () => void): boolean {
    const repaired = repair !== undefined && this.repairs(finding.safe);
    if (repaired) repair();
    const { report } = this;
    report.found++;
    if (repaired) report.repaired++;
    report.counts[finding.code] = (report.counts[finding.code] ?? 0) + 1;
    if (report.problems.length < this.limit) report.problems.push({ check: this.check, ...finding, repaired });
    return repaired;
  }

  /** Runs a changing statement, prepared once. */
  run(sql: string, ...args: unknown[]): number {
    return this.prepared(sql).run(...args).changes;
  }

  /** One value: the first column of the first row, or undefined. */
  value<T = number>(sql: string, ...args: unknown[]): T | undefined {
    return this.prepared(sql)
      .pluck()
      .get(...args) as T | undefined;
  }

  row<T>(sql: string, ...args: unknown[]): T | undefined {
    return this.prepared(sql).get(...args) as T | undefined;
  }

  /**
   * Visits every row of a query that was complete before the first visit, so `visit` may change what it reads.
   * More than a page of rows wait in a temporary table (on disk when large), not in memory; between pages the run can be
   * cancelled.
   */
  async each<T>(sql: string, visit: (row: T) => void): Promise<void> {
    const few = this.firstRows<T>(sql);
    if (few.length <= PAGE) {
      for (const row of few) visit(row);
      return;
    }
    const table = `found_${this.serial++}`;
    this.db.exec(`CREATE TEMP TABLE ${table} AS ${sql}`);
    const page = this.db.prepare(
      `SELECT rowid AS row_number, * FROM ${table} WHERE rowid > ? ORDER BY rowid LIMIT ${PAGE}`,
    );
    const total = this.db.prepare(`SELECT count(*) FROM temp.${table}`).pluck().get() as number;
    for (let last = 0; ; ) {
      this.onRows(last, total);
      const rows = page.all(last) as (T & { row_number: number })[];
      for (const row of rows) visit(row);
      if (rows.length < PAGE) break;
      last = rows[rows.length - 1].row_number;
      await this.pause();
    }
    this.db.exec(`DROP TABLE temp.${table}`);
  }

  /** A page of rows, and one more if there are more. */
  private firstRows<T>(sql: string): T[] {
    const rows: T[] = [];
    for (const row of this.db.prepare(sql).iterate()) {
      rows.push(row as T);
      if (rows.length > PAGE) break;
    }
    return rows;
  }

  /** Lets signals and timers run, and ends the run if it was cancelled. */
  async pause(): Promise<void> {
    await turn();
    if (this.signal?.aborted) throw new Cancelled();
  }

  private prepared(sql: string): SQLite.Statement {
    let statement = this.statements.get(sql);
    if (!statement) {
      statement = this.db.prepare(sql);
      this.statements.set(sql, statement);
    }
    return statement;
  }
}
