/** The store over the metadata database: tables lease, quarantine, fence_attempt and audit (schema/lease.sql). */
import type { Database } from '../volume/database.ts';
import type { LeaseRow, QuarantineRow, Store } from './store.ts';

const COLUMNS =
  'id, ino, path, kind, mode, offset, length, state, seq, parent, bind, uid, pid, pid_start, command, name, secret, options, epoch, granted_s, ended_s, raw';

export function sqlStore(database: Database): Store {
  const allLeases = database.query(`SELECT ${COLUMNS} FROM lease ORDER BY id`);
  const allQuarantine = database.query(
    'SELECT device_block, length, lease, ino, epoch, reason, since_s FROM quarantine ORDER BY device_block',
  );
  const nextLease = database.query('SELECT next_lease FROM volume WHERE id = 1');
  const setNextLease = database.mutation('UPDATE volume SET next_lease = ? WHERE id = 1');
  const insert = database.mutation(`INSERT INTO lease (${COLUMNS}) VALUES (${COLUMNS.replace(/\w+/g, '?')})`);
  // What a lease is granted for never changes; the rest of the row does.
  const update = database.mutation(
    'UPDATE lease SET kind = ?, mode = ?, offset = ?, length = ?, state = ?, seq = ?, parent = ?, uid = ?, pid = ?, pid_start = ?, command = ?, options = ?, epoch = ?, ended_s = ?, raw = ? WHERE id = ?',
  );
  const remove = database.mutation('DELETE FROM lease WHERE id = ?');
  const addQuarantine = database.mutation(
    'INSERT INTO quarantine (device_block, length, lease, ino, epoch, reason, since_s) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const removeQuarantine = database.mutation('DELETE FROM quarantine WHERE device_block = ?');
  const fenceAttempt = database.mutation('INSERT INTO fence_attempt (lease, at_s, method, result) VALUES (?, ?, ?, ?)');
  const audit = database.mutation('INSERT INTO audit (at_s, uid, pid, verb, lease, detail) VALUES (?, ?, ?, ?, ?, ?)');
  let next: number | undefined;

  return {
    leases: () => allLeases.all() as unknown as LeaseRow[],
    quarantine: () => allQuarantine.all() as unknown as QuarantineRow[],
    nextId() {
      next ??= (nextLease.get() as { next_lease: number }).next_lease;
      const id = next++;
      setNextLease.run(next);
      return id;
    },
    insert(row) {
      insert.run(
        row.id,
        row.ino,
        row.path,
        row.kind,
        row.mode,
        row.offset,
        row.length,
        row.state,
        row.seq,
        row.parent,
        row.bind,
        row.uid,
        row.pid,
        row.pid_start,
        row.command,
        row.name,
        row.secret,
        row.options,
        row.epoch,
        row.granted_s,
        row.ended_s,
        row.raw,
      );
    },
    update(row) {
      update.run(
        row.kind,
        row.mode,
        row.offset,
        row.length,
        row.state,
        row.seq,
        row.parent,
        row.uid,
        row.pid,
        row.pid_start,
        row.command,
        row.options,
        row.epoch,
        row.ended_s,
        row.raw,
        row.id,
      );
    },
    remove: (id) => void remove.run(id),
    addQuarantine(row) {
      addQuarantine.run(row.device_block, row.length, row.lease, row.ino, row.epoch, row.reason, row.since_s);
    },
    removeQuarantine: (deviceBlock) => void removeQuarantine.run(deviceBlock),
    fenceAttempt: (lease, atS, method, result) => void fenceAttempt.run(lease, atS, method, result),
    audit: (atS, uid, pid, verb, lease, detail) => void audit.run(atS, uid, pid, verb, lease, detail),
  };
}
