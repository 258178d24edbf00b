import type { Check } from './context.ts';

/** Findings of integrity_check that a new index mends; anything else is damage to the tables themselves. */
const INDEX = /^(row \d+ missing from index |wrong # of entries in index |non-unique entry in index )/;
const LIMIT = 100;

/** The database file itself, as SQLite judges it. */
export const sqlite: Check = {
  name: 'sqlite',
  run(context) {
    context.db.pragma('cell_size_check = ON');
    let lines: string[];
    try {
      lines = context.db.prepare(`PRAGMA main.integrity_check(${LIMIT})`).pluck().all() as string[];
    } catch (error) {
      lines = [(error as Error).message];
    }
    lines = lines.filter((line) => line !== 'ok');
    const indexOnly = lines.length > 0 && lines.every((line) => INDEX.test(line));
    for (const [place, line] of lines.entries()) {
      const message = indexOnly
        ? line
        : `${line}; restore a backup of the metadata, or salvage it with sqlite3's .recover`;
      const code = indexOnly ? 'sqlite-index' : 'sqlite-corrupt';
      // One REINDEX mends all of them.
      context.found(
        { code, safe: true, message },
        indexOnly ? () => place === 0 && context.db.exec('REINDEX') : undefined,
      );
    }
    if (lines.length > 0 && !indexOnly) context.stop = true;
  },
};
