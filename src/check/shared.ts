import type { Context } from './context.ts';

interface Run {
  device_block: number;
  length: number;
  count: number;
}

/** Compares table `shared` with the blocks that the sweep found in more than one file. */
export class SharedComparison {
  private readonly context: Context;
  private replaced = false;
  private run: Run = { device_block: 0, length: 0, count: 0 };

  constructor(context: Context) {
    this.context = context;
    context.db.exec(
      'CREATE TEMP TABLE shared_right (device_block INTEGER PRIMARY KEY, length INTEGER, count INTEGER) WITHOUT ROWID',
    );
  }

  /** Blocks [start, end) are mapped `count` times. Calls come in ascending order. */
  expect(start: number, end: number, count: number): void {
    const { run } = this;
    if (run.length > 0 && run.count === count && run.device_block + run.length === start) run.length += end - start;
    else {
      this.flush();
      this.run = { device_block: start, length: end - start, count };
    }
  }

  private flush(): void {
    const { device_block, length, count } = this.run;
    if (length > 0) this.context.run('INSERT INTO temp.shared_right VALUES (?, ?, ?)', device_block, length, count);
    this.run = { device_block: 0, length: 0, count: 0 };
  }

  async finish(): Promise<void> {
    this.flush();
    const { context } = this;
    await this.overlapping();
    context.db.exec('CREATE TEMP TABLE shared_is (device_block INTEGER PRIMARY KEY, length INTEGER, count INTEGER)');
    context.run(`INSERT INTO temp.shared_is ${MERGED}`);
    // Where blocks in several files are covered by no row at all, nothing says that this was meant.
    await context.each<Run>(differing('shared_right', 'shared_is'), (run) => {
      const end = run.device_block + run.length;
      const crossed = this.overlap('shared', run) < run.length;
      const blocks = `blocks ${run.device_block}–${end - 1} are mapped ${run.count} times`;
      const message = crossed ? `${blocks}, and not recorded as shared` : `${blocks}, recorded otherwise`;
      const code = crossed ? 'block-crossed' : 'shared-count';
      context.found({ code, safe: !crossed, message }, () => this.replace(run.device_block, end));
    });
    await context.each<Run>(differing('shared_is', 'shared_right'), (run) => {
      const end = run.device_block + run.length;
      const surplus = run.length - this.overlap('temp.shared_right', run);
      if (surplus === 0) return;
      const message = `blocks ${run.device_block}–${end - 1} are recorded as shared ${run.count} times, ${surplus} of them are not`;
      context.found({ code: 'shared-surplus', safe: true, message }, () => this.replace(run.device_block, end));
    });
    if (this.replaced) this.merge();
    context.db.exec('DROP TABLE temp.shared_right; DROP TABLE temp.shared_is');
  }

  /** Blocks of `run` that the rows of a table cover. Looks at the whole table: only for runs that differ. */
  private overlap(table: string, run: Run): number {
    const end = run.device_block + run.length;
    const covered = this.context.value(
      `SELECT sum(min(device_block + length, ?) - max(device_block, ?)) FROM ${table}
         WHERE device_block < ? AND device_block + length > ?`,
      end,
      run.device_block,
      end,
      run.device_block,
    );
    return covered ?? 0;
  }

  /** Rows of `shared` that overlap would count double below; they are replaced first. */
  private async overlapping(): Promise<void> {
    const { context } = this;
    await context.each<Run & { taken: number }>(
      `SELECT * FROM (
         SELECT *, max(device_block + length) OVER (
           ORDER BY device_block ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken FROM shared
       ) WHERE taken > device_block`,
      (run) => {
        const message = `two rows of shared blocks cover block ${run.device_block}`;
        context.found({ code: 'shared-overlap', safe: true, message }, () =>
          this.replace(run.device_block, Math.max(run.taken, run.device_block + run.length)),
        );
      },
    );
  }

  /** Runs of one count that touch are one row. */
  private merge(): void {
    const { context } = this;
    context.run('DELETE FROM temp.shared_is');
    context.run(`INSERT INTO temp.shared_is ${MERGED}`);
    context.run('DELETE FROM shared');
    context.run('INSERT INTO shared SELECT * FROM temp.shared_is');
  }

  /** Makes `shared` say the truth about blocks [start, end), and leaves what it says of others. */
  private replace(start: number, end: number): void {
    const { context } = this;
    this.replaced = true;
    const among = 'device_block < ? AND device_block + length > ?';
    const old = context.db
      .prepare(`SELECT * FROM shared WHERE ${among} ORDER BY device_block`)
      .all(end, start) as Run[];
    context.run(`DELETE FROM shared WHERE ${among}`, end, start);
    const put = (from: number, to: number, count: number): void => {
      if (to > from) context.run('INSERT OR REPLACE INTO shared VALUES (?, ?, ?)', from, to - from, count);
    };
    for (const row of old) {
      put(row.device_block, Math.min(start, row.device_block + row.length), row.count);
      put(Math.max(end, row.device_block), row.device_block + row.length, row.count);
    }
    const right = context.db.prepare(`SELECT * FROM temp.shared_right WHERE ${among}`).all(end, start) as Run[];
    for (const row of right) {
      put(Math.max(start, row.device_block), Math.min(end, row.device_block + row.length), row.count);
    }
  }
}

/** SQL: rows of `shared`, adjacent ones of one count as one. */
const MERGED = `
  SELECT min(device_block), sum(length), count FROM (
    SELECT *, sum(fresh) OVER (ORDER BY device_block) AS island FROM (
      SELECT *, lag(device_block + length, 1, -1) OVER (ORDER BY device_block) <> device_block
        OR lag(count, 1, 0) OVER (ORDER BY device_block) <> count AS fresh FROM shared)
  ) GROUP BY island`;

/** SQL: runs of one temporary table that the other has not just so. */
function differing(these: string, those: string): string {
  return `SELECT a.* FROM temp.${these} a LEFT JOIN temp.${those} b ON b.device_block = a.device_block
    AND b.length = a.length AND b.count = a.count WHERE b.device_block IS NULL`;
}
