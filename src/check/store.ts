import { existsSync } from 'node:fs';
import SQLite from 'better-sqlite3';

/** The one row of table `volume`. Sizes are in blocks of `block_size` bytes. */
export interface VolumeRow {
  uuid: string;
  version: number;
  block_size: number;
  device_blocks: number;
  first_block: number;
  next_ino: number;
  next_lease: number;
  inodes: number;
  sequence: number;
  epoch: number;
  clean: number;
  boot_id: string;
  features: string;
}

/** Why a database cannot be checked at all. */
export class Unusable extends Error {}

export const metadataPath = (image: string): string => `${image}.meta`;

/** Opens the metadata of `image`; read-only unless it is to be repaired. Temporary tables may spill to disk. */
export function openMetadata(path: string, write: boolean): SQLite.Database {
  if (!existsSync(path)) throw new Unusable(`there is no metadata ${path}`);
  let db: SQLite.Database;
  try {
    db = new SQLite(path, { readonly: !write, fileMustExist: true, timeout: 2000 });
    db.pragma('cell_size_check = ON');
    db.pragma('cache_size = -65536');
    db.pragma('temp_store = FILE');
    if (write) db.pragma('synchronous = FULL');
    db.pragma('schema_version');
  } catch (error) {
    throw new Unusable(`${path}: ${(error as Error).message}`);
  }
  return db;
}

export function readVolumeRow(db: SQLite.Database): VolumeRow {
  let rows: VolumeRow[];
  try {
    rows = db.prepare('SELECT * FROM volume').all() as VolumeRow[];
  } catch (error) {
    throw new Unusable(`the database has no readable table volume: ${(error as Error).message}`);
  }
  if (rows.length !== 1) throw new Unusable(`table volume has ${rows.length} rows, should have one`);
  return rows[0];
}
