import { parentPort, workerData } from 'node:worker_threads';
import SQLite from 'better-sqlite3';
import { copyPages } from './metadata-copy.ts';

/**
 * The thread of `WorkerCheckpointer`: a connection that writes WAL frames back; it also copies the database for a
 * backup. It syncs the WAL itself before it writes a page (synchronous = NORMAL); the database file is synced by the
 * state thread.
 */
const { path, closed } = workerData as { path: string; closed: Int32Array };
const connection = new SQLite(path, { fileMustExist: true, timeout: 5000 });
connection.pragma('synchronous = NORMAL');
connection.pragma('wal_autocheckpoint = 0');
const passive = connection.prepare('PRAGMA wal_checkpoint(PASSIVE)').raw();

parentPort?.on('message', async (message: { id: number; backup?: string }) => {
  if (message.id < 0) {
    connection.close();
    Atomics.store(closed, 0, 1);
    Atomics.notify(closed, 0);
    parentPort?.close();
    return;
  }
  let error: string | undefined;
  try {
    if (message.backup === undefined) passive.get();
    else await copyPages(path, message.backup);
  } catch (caught) {
    error = String(caught);
  }
  parentPort?.postMessage({ id: message.id, error });
});
