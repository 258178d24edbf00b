import fs from 'node:fs';
import { Database } from './database.ts';
import type { Device } from './device.ts';
import type { Header } from './header.ts';
import type { Host } from './host.ts';
import { isReplayDue, type Replayed, replay } from './replay.ts';
import { addTransientTables, migrate, schemaVersion } from './schema.ts';
import { VolumeError } from './volume-error.ts';

/** What opening found and did. */
export interface Recovery {
  /** The last mount ended properly. */
  clean: boolean;
  /** The host has not been restarted since: what was written to the page cache is still there. */
  sameBoot: boolean;
  /** Of this mount. */
  epoch: number;
  /** Last committed transaction. */
  sequence: number;
  /** Answered operations brought back from the redo log. */
  replayed: number;
  /** Last transaction that was committed before the replay. */
  committed: number;
  /** Replies that were due, by request (replay.ts `answerKey`). */
  answers: Map<string, Buffer>;
  /** Key of the last one. */
  lastAnswer: string | undefined;
  /** Extents that were in state 2. */
  unsynced: number;
  /** Steps that the schema went forward. */
  migrated: number;
  /** Opened for reading only: there is something that recovery would have to do first, and what is seen is the last commit. */
  unsettled: boolean;
  /** Why the redo log could not be used, to be logged. */
  problem: string | undefined;
}

/** The volume's row, as far as opening needs it. */
interface Row {
  uuid: string;
  block_size: number;
  device_blocks: number;
  first_block: number;
  sequence: number;
  epoch: number;
  clean: number;
  boot_id: string;
}

/** Opens the metadata, brings its schema forward, and makes sure that it belongs to this device. Throws VolumeError. */
export function openDatabase(
  meta: string,
  of: { path: string; header: Header; readOnly: boolean },
): { database: Database; row: Row & { version: number } } {
  let database: Database | undefined;
  try {
    database = new Database(meta, { readOnly: of.readOnly });
    const version = schemaVersion(database.connection, meta);
    const row = database.connection.prepare('SELECT * FROM volume').get() as Row | undefined;
    if (!row) throw new VolumeError('DAMAGED', `${meta} has no row in table volume`);
    const { header } = of;
    if (row.uuid !== header.uuid) {
      throw new VolumeError('MISMATCH', `${meta} belongs to volume ${row.uuid}, ${of.path} is ${header.uuid}`);
    }
    if (row.block_size !== header.blockSize || row.device_blocks !== header.deviceBlocks) {
      throw new VolumeError(
        'MISMATCH',
        `${meta} and the header of ${of.path} disagree about sizes: where a resize was interrupted, do it again; fsck -y takes it back`,
      );
    }
    return { database, row: { ...row, version } };
  } catch (error) {
    database?.connection.close();
    if (error instanceof VolumeError) throw error;
    throw new VolumeError('DAMAGED', `${meta}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Recovery proper. In order: redo log (it was written against the old schema), migrations, extents in state 2, epoch. What it changes
 * is in the -wal file afterwards, not synced: the caller does that before the volume counts as open.
 */
export function recover(
  database: Database,
  device: Device,
  given: { row: Row & { version: number }; host: Host; readOnly: boolean; redoPath: string; sameMount?: boolean },
): Recovery {
  const { row, host } = given;
  const { connection } = database;
  const clean = row.clean === 1;
  const sameBoot = row.boot_id !== '' && row.boot_id === host.bootId;
  const found: Recovery = {
    clean,
    sameBoot,
    epoch: row.epoch,
    sequence: row.sequence,
    committed: row.sequence,
    replayed: 0,
    answers: new Map(),
    lastAnswer: undefined,
    unsynced: 0,
    migrated: 0,
    unsettled: false,
    problem: undefined,
  };
  if (given.readOnly) {
    const unsynced = connection.prepare('SELECT EXISTS (SELECT 1 FROM extent WHERE state = 2)').pluck();
    found.unsettled =
      !clean && (unsynced.get() === 1 || (sameBoot && isReplayDue(given.redoPath, row.uuid, row.sequence)));
    if (found.unsettled) found.problem = 'the volume was not unmounted cleanly: it is read as of its last commit';
    return found;
  }
  addTransientTables(connection);
  if (!clean && sameBoot) {
    // The log and the extents in state 2 may speak of data that only the page cache has.
    const r = device.sync();
    if (r < 0) throw new VolumeError('SYSTEM', 'cannot sync the device', { errno: -r });
    const replayed = replay(connection, given.redoPath, row.uuid, row.sequence);
    found.replayed = replayed.operations;
    found.answers = replayed.answers;
    found.lastAnswer = replayed.lastAnswer;
    found.sequence = replayed.sequence;
    found.problem = replayed.problem;
    keepUnusable(replayed, given.redoPath);
  }
  found.migrated = migrate(connection, row.version);
  const state = !clean && sameBoot ? 1 : 0;
  found.unsynced = connection.prepare('UPDATE extent SET state = ? WHERE state = 2').run(state).changes;
  found.epoch = given.sameMount ? row.epoch : row.epoch + 1;
  connection.prepare('UPDATE volume SET epoch = ?, clean = 0, boot_id = ?').run(found.epoch, host.bootId);
  return found;
}

/** A log that could not be replayed is kept for whoever wants to know what was in it. */
function keepUnusable(replayed: Replayed, path: string): void {
  if (replayed.problem !== undefined) fs.renameSync(path, `${path}.unusable`);
}
