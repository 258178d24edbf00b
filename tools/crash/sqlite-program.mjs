// Arguments: journal mode, directory, number of transactions. Says 'ack N' when transaction N is committed.
import { join } from 'node:path';
import SQLite from 'better-sqlite3';

const [mode, dir, rounds] = process.argv.slice(2);
const db = new SQLite(join(dir, 'db'));
db.pragma(`journal_mode = ${mode}`);
// The commit is the removal of the journal there, and only EXTRA has that synced before it is acknowledged.
db.pragma(`synchronous = ${mode === 'delete' ? 'EXTRA' : 'FULL'}`);
// Checkpoints and reused logs within so few transactions.
db.pragma('wal_autocheckpoint = 30');
db.exec('CREATE TABLE t (id INTEGER, half TEXT, filler BLOB); CREATE TABLE n (n INTEGER); INSERT INTO n VALUES (0)');
const insert = db.prepare('INSERT INTO t VALUES (?, ?, randomblob(?))');
const update = db.prepare('UPDATE n SET n = ?');
const transaction = db.transaction((i) => {
  insert.run(i, 'a', (i * 97) % 3000);
  update.run(i);
  insert.run(i, 'b', (i * 31) % 900);
});
for (let i = 1; i <= Number(rounds); i++) {
  transaction(i);
  process.stdout.write(`ack ${i}\n`);
}
db.close();
