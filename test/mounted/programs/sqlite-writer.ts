/** Writes to a database on the mount until a file appears, then checks all of it: sqlite-writer.ts DATABASE STOPFILE. */
import { existsSync } from 'node:fs';
import SQLite from 'better-sqlite3';

const [path, stop] = process.argv.slice(2) as [string, string];
const db = new SQLite(path);
db.pragma('journal_mode = DELETE');
db.pragma('synchronous = FULL');
db.exec('CREATE TABLE account (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL)');
const insert = db.prepare('INSERT INTO account VALUES (?, 100)');
db.transaction(() => {
  for (let id = 1; id <= 100; id++) insert.run(id);
})();
const move = db.prepare('UPDATE account SET amount = amount + ? WHERE id = ?');
let rounds = 0;
let full = 0;
while (!existsSync(stop)) {
  try {
    db.transaction(() => {
      move.run(1, ((rounds * 7) % 100) + 1);
      move.run(-1, ((rounds * 13) % 100) + 1);
    })();
    rounds++;
  } catch (error) {
    // Of a full volume SQLite says that it is full; the transaction is undone.
    if ((error as { code?: string }).code !== 'SQLITE_FULL') throw error;
    full++;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
const sum = db.prepare('SELECT sum(amount) FROM account').pluck().get();
const check = db.pragma('integrity_check', { simple: true });
if (sum !== 10_000 || check !== 'ok') throw new Error(`sum ${sum}, check ${check} after ${rounds} rounds`);
console.log(`${rounds} transactions${full > 0 ? `, ${full} undone for want of space` : ''}`);
