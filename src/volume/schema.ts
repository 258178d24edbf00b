import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import type SQLite from 'better-sqlite3';
import { MAJOR } from './header.ts';
import { VolumeError } from './volume-error.ts';

/** application_id of the database file: 'lfs1'. */
const APPLICATION_ID = 0x6c667331;
const folder = new URL('../../schema/', import.meta.url);
const FILES = ['volume.sql', 'namespace.sql', 'blockmap.sql', 'lease.sql', 'control.sql'];

export function createSchema(connection: SQLite.Database): void {
  for (const name of FILES) connection.exec(fs.readFileSync(new URL(name, folder), 'utf8'));
  connection.pragma(`application_id = ${APPLICATION_ID}`);
  connection.pragma(`user_version = ${MAJOR}`);
}

/** Tables without content between mounts, which came without a new version of the schema. */
export function addTransientTables(connection: SQLite.Database): void {
  connection.exec(fs.readFileSync(new URL('control.sql', folder), 'utf8'));
}

/** The version found, after making sure that the database is one of ours and not too new. */
export function schemaVersion(connection: SQLite.Database, path: string): number {
  if (connection.pragma('application_id', { simple: true }) !== APPLICATION_ID) {
    throw new VolumeError('NOT_A_VOLUME', `${path} is not the metadata of a layoutfs volume`);
  }
  const version = connection.pragma('user_version', { simple: true }) as number;
  if (version > MAJOR) throw new VolumeError('TOO_NEW', `${path} has schema ${version}; this program knows ${MAJOR}`);
  return version;
}

/**
 * Brings the schema forward, one file of schema/migrations a step: `NNN.sql` leads from version NNN - 1 to NNN. All steps are one
 * transaction. Answers the number of steps.
 */
export function migrate(
  connection: SQLite.Database,
  from: number,
  to: number = MAJOR,
  steps: URL = new URL('migrations/', folder),
): number {
  if (from === to) return 0;
  connection.transaction(() => {
    for (let version = from + 1; version <= to; version++) {
      const file = new URL(`${String(version).padStart(3, '0')}.sql`, steps);
      if (!fs.existsSync(file))
        throw new VolumeError('TOO_NEW', `no migration to schema ${version} (${fileURLToPath(file)})`);
      connection.exec(fs.readFileSync(file, 'utf8'));
      connection.pragma(`user_version = ${version}`);
    }
  })();
  return to - from;
}
