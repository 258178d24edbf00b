import { existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SQLite from 'better-sqlite3';
import { close } from '../system/libc.ts';
import type { Device } from '../volume/device.ts';
import { FEATURES, type Header, type HeaderCopies, MAJOR, MINOR, readHeader } from '../volume/header.ts';
import { lockDatabase, metadataPath, openDevice, openForLooking, redoPath } from '../volume/lock.ts';
import { copyPages } from '../volume/metadata-copy.ts';
import { schemaVersion } from '../volume/schema.ts';
import { Volume } from '../volume/volume.ts';

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
  created_s: number;
  label: string;
}

/** How long the copies of a header in use may differ, and how often they are looked at meanwhile. ms. */
const SETTLE_MS = 5000;
const LOOK_MS = 50;

/** Why a volume cannot be checked at all. */
export class Unusable extends Error {}

/** A volume under check: locked, unless it is checked while in use. */
export interface Opened {
  device: Device;
  db: SQLite.Database;
  row: VolumeRow;
  /** The header's newest valid copy, and the offsets (bytes) of those that are not it. */
  header: Header | undefined;
  stale: number[];
  /** Why nothing may be repaired although it was asked for. */
  readOnlyBecause: string | undefined;
  notes: string[];
  close(): void;
}

/**
 * Opens and locks a volume for a check. With `write` it is first brought to the state that a mount would find: WAL and
 * redo log are replayed. Throws Unusable, or VolumeError (BUSY with the owner's pid).
 */
export async function openForCheck(image: string, options: { write: boolean; online: boolean }): Promise<Opened> {
  if (!existsSync(image)) throw new Unusable(`there is no device ${image}`);
  if (!existsSync(metadataPath(image))) throw new Unusable(`there is no metadata ${metadataPath(image)}`);
  if (options.online) return openSnapshot(image);
  const first = openOnce(image, options.write);
  if (!options.write || first.readOnlyBecause !== undefined) return first;
  if (first.row.clean === 1 && schemaVersion(first.db, image) === MAJOR) return first;
  first.close();
  const notes = recoverOnly(image);
  const again = openOnce(image, true);
  again.notes.push(...notes);
  return again;
}

function openOnce(image: string, wantWrite: boolean): Opened {
  const device = openDevice(image, { readOnly: !wantWrite });
  let lock = -1;
  let db: SQLite.Database | undefined;
  const release = (): void => {
    db?.close();
    if (lock >= 0) close(lock); // after SQLite: closing it drops SQLite's own locks
    close(device.fd);
  };
  try {
    const { newest: header, stale } = readHeader(device);
    refuseUnknown(image, header);
    const meta = metadataPath(image);
    lock = lockDatabase(meta, { readOnly: !wantWrite, pid: header?.ownerPid });
    db = openMetadata(meta, wantWrite && !isNewer(header?.minor));
    const row = readRow(db, meta);
    if (header && header.uuid !== row.uuid) {
      throw new Unusable(`${meta} belongs to volume ${row.uuid}, ${image} is ${header.uuid}: not a pair`);
    }
    const readOnlyBecause =
      isNewer(header?.minor) || isNewer(row.version)
        ? `the volume was written by format ${MAJOR}.${Math.max(header?.minor ?? 0, row.version)}, this program knows ${MAJOR}.${MINOR}: it only reads`
        : undefined;
    const notes: string[] = [];
    if (row.clean !== 1) notes.push('was not unmounted cleanly');
    if (row.clean !== 1 && existsSync(redoPath(image)) && !wantWrite) {
      notes.push('has a redo log that the next mount (or a repair) replays; the last commit is checked');
    }
    return { device, db, row, header, stale, readOnlyBecause, notes, close: release };
  } catch (error) {
    release();
    throw error;
  }
}

const isNewer = (minor: number | undefined): boolean => (minor ?? 0) > MINOR;

function refuseUnknown(image: string, header: Header | undefined): void {
  if (!header) return;
  if (header.major > MAJOR) throw new Unusable(`${image} has format ${header.major}; this program knows ${MAJOR}`);
  const unknown = header.features.filter((name) => !FEATURES.includes(name));
  if (unknown.length > 0) throw new Unusable(`${image} needs ${unknown.join(', ')}, unknown to this program`);
}

/** Lets the volume's own recovery run and nothing else. Answers what is to be said about it. */
function recoverOnly(image: string): string[] {
  try {
    const volume = Volume.open(image);
    const { recovery } = volume;
    const errno = volume.commits.commitNow();
    volume.abandon();
    const notes: string[] = [];
    if (recovery.replayed > 0) notes.push(`${recovery.replayed} operations were brought back from the redo log`);
    if (recovery.unsynced > 0) notes.push(`${recovery.unsynced} extents were settled whose data was on its way`);
    if (recovery.problem !== undefined) notes.push(recovery.problem);
    if (errno !== 0) notes.push(`the recovery could not be committed (errno ${errno})`);
    return notes;
  } catch (error) {
    return [`could not be recovered as a mount does it, the last commit is checked: ${(error as Error).message}`];
  }
}

/** Opens the metadata by itself; temporary tables may spill to disk, so that memory stays bounded. */
function openMetadata(path: string, write: boolean): SQLite.Database {
  try {
    const db = new SQLite(path, { readonly: !write, fileMustExist: true, timeout: 2000 });
    db.pragma('cell_size_check = ON');
    db.pragma('cache_size = -65536');
    db.pragma('temp_store = FILE');
    if (write) db.pragma('synchronous = FULL');
    return db;
  } catch (error) {
    throw new Unusable(`${path}: ${(error as Error).message}`);
  }
}

function readRow(db: SQLite.Database, path: string): VolumeRow {
  let rows: VolumeRow[];
  try {
    schemaVersion(db, path);
    rows = db.prepare('SELECT * FROM volume').all() as VolumeRow[];
  } catch (error) {
    throw new Unusable(`${path} cannot be read: ${(error as Error).message}`);
  }
  if (rows.length !== 1) throw new Unusable(`${path}: table volume has ${rows.length} rows, should have one`);
  return rows[0];
}

/**
 * A copy of the metadata as of its last commit, so that a check of hours does not keep the WAL of a busy volume from
 * being reused. It is a copy of the pages, so that what is damaged in the file is damaged in it. The device is only read.
 */
async function openSnapshot(image: string): Promise<Opened> {
  const meta = metadataPath(image);
  const copy = join(tmpdir(), `layoutfs-scrub-${process.pid}-${Date.now()}.meta`);
  try {
    await copyPages(meta, copy);
  } catch (error) {
    throw new Unusable(`${meta} cannot be copied: ${(error as Error).message}`);
  }
  const device = openForLooking(image);
  const db = openMetadata(copy, false);
  const release = (): void => {
    db.close();
    close(device.fd);
    for (const end of ['', '-wal', '-shm']) rmSync(copy + end, { force: true });
  };
  try {
    const { newest: header, stale } = await settledHeader(device);
    refuseUnknown(image, header);
    return { device, db, row: readRow(db, copy), header, stale, readOnlyBecause: undefined, notes: [], close: release };
  } catch (error) {
    release();
    throw error;
  }
}

/** The copies are written one after the other, and a daemon may die in between: the next one then writes both. */
async function settledHeader(device: Device): Promise<HeaderCopies> {
  for (let patience = SETTLE_MS; ; patience -= LOOK_MS) {
    const copies = readHeader(device);
    if (copies.stale.length === 0 || patience <= 0) return copies;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
