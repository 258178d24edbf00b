import type { HandleState, Journal, Line } from '../control/journal.ts';
import type { Database } from '../volume/database.ts';

/** The journal over tables control_handle and control_line (schema/control.sql). */
export function controlJournal(database: Database): Journal {
  const put = database.mutation('INSERT OR REPLACE INTO control_handle (handle, state) VALUES (?, ?)');
  const drop = database.mutation('DELETE FROM control_handle WHERE handle = ?');
  const dropAll = database.mutation('DELETE FROM control_line WHERE handle = ?');
  const addLine = database.mutation('INSERT INTO control_line (handle, seq, events, bytes) VALUES (?, ?, ?, ?)');
  const dropLine = database.mutation('DELETE FROM control_line WHERE handle = ? AND seq = ?');
  const cutLine = database.mutation('UPDATE control_line SET bytes = ? WHERE handle = ? AND seq = ?');
  const handles = database.query('SELECT handle, state FROM control_handle ORDER BY handle');
  const lines = database.query('SELECT seq, events, bytes FROM control_line WHERE handle = ? ORDER BY seq');
  const clearHandles = database.mutation('DELETE FROM control_handle');
  const clearLines = database.mutation('DELETE FROM control_line');
  return {
    put: (handle, state) => void put.run(handle, JSON.stringify(state)),
    drop(handle) {
      drop.run(handle);
      dropAll.run(handle);
    },
    addLine: (handle, { seq, events, bytes }) => void addLine.run(handle, seq, events, bytes),
    dropLine: (handle, seq) => void dropLine.run(handle, seq),
    cutLine: (handle, seq, bytes) => void cutLine.run(bytes, handle, seq),
    handles: () =>
      handles
        .all<{ handle: number; state: string }>()
        .map(({ handle, state }) => [handle, JSON.parse(state) as HandleState]),
    lines: (handle) => lines.all<Line>(handle),
    clear() {
      clearHandles.run();
      clearLines.run();
    },
  };
}
