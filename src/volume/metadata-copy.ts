import fs from 'node:fs';
import SQLite from 'better-sqlite3';
import { E } from '../system/errno.ts';
import { close } from '../system/libc.ts';
import { readHeader } from './header.ts';
import { lockDatabase, metadataPath, openDevice, redoPath } from './lock.ts';
import { schemaVersion } from './schema.ts';
import { VolumeError } from './volume-error.ts';

/** Pages copied between two turns of the event loop. */
const STEP = 1000;

/**
 * Copies the metadata of a volume, in use or not, as of its last commit, to a new file of mode 0600. An abort leaves no
 * file. Throws VolumeError.
 */
export async function copyMetadata(
  image: string,
  destination: string,
  progress: (pages: number, total: number) => void = () => {},
  signal?: AbortSignal,
): Promise<void> {
  if (fs.existsSync(destination)) throw new VolumeError('INVALID', `${destination} exists already`);
  await copyPages(metadataPath(image), destination, progress, signal);
  const fd = fs.openSync(destination, 'r');
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}

/**
 * Copies a database as of its last commit, page by page, damage included, to a new file of mode 0600 that is not synced.
 * The copy is one moment's, however long it takes and whoever commits meanwhile: the open transaction holds that state,
 * and the copy does not begin again with every commit. Until it is done the WAL is not reused.
 */
export async function copyPages(
  database: string,
  destination: string,
  progress: (pages: number, total: number) => void = () => {},
  signal?: AbortSignal,
): Promise<void> {
  const source = new SQLite(database, { readonly: true, fileMustExist: true, timeout: 5000 });
  try {
    source.exec('BEGIN');
    source.prepare('SELECT count(*) FROM sqlite_schema').get();
    fs.closeSync(fs.openSync(destination, 'wx', 0o600));
    await source.backup(destination, {
      progress: ({ totalPages, remainingPages }) => {
        if (signal?.aborted) throw new VolumeError('SYSTEM', 'interrupted: there is no copy', { errno: E.INTR });
        progress(totalPages - remainingPages, totalPages);
        return STEP;
      },
    });
  } catch (error) {
    fs.rmSync(destination, { force: true });
    throw error;
  } finally {
    source.close();
  }
}

/**
 * Puts a copy in the place of the metadata of a volume that is not in use; the old one is kept beside it. What
 * blocks were given to other files since the copy was made, the copy cannot know: their contents are the newer ones,
 * so fsck must follow. Answers the path of the old metadata. Throws VolumeError.
 */
export function restoreMetadata(copy: string, image: string): string {
  const device = openDevice(image);
  try {
    const header = readHeader(device).newest;
    const meta = metadataPath(image);
    if (fs.existsSync(meta)) close(lockDatabase(meta, { pid: header?.ownerPid }));
    const fresh = `${meta}.restoring`;
    fs.copyFileSync(copy, fresh);
    fs.chmodSync(fresh, 0o600);
    prepare(fresh, header?.uuid, copy);
    const old = `${meta}.before-restore`;
    if (fs.existsSync(meta)) {
      // The old one whole: what is still in its WAL belongs to it.
      const connection = new SQLite(meta);
      connection.pragma('wal_checkpoint(TRUNCATE)');
      connection.close();
      fs.renameSync(meta, old);
    }
    for (const path of [`${meta}-wal`, `${meta}-shm`, redoPath(image)]) fs.rmSync(path, { force: true });
    fs.renameSync(fresh, meta);
    return old;
  } finally {
    close(device.fd);
  }
}

/** Makes a copy one that recovery takes for the state of another boot: nothing of it is trusted that was not synced. */
function prepare(path: string, uuid: string | undefined, copy: string): void {
  const connection = new SQLite(path);
  try {
    schemaVersion(connection, copy);
    const found = connection.prepare('SELECT uuid FROM volume').pluck().get();
    if (uuid !== undefined && found !== uuid) {
      throw new VolumeError('MISMATCH', `${copy} is the metadata of volume ${found}, not of ${uuid}`);
    }
    connection.pragma('synchronous = FULL');
    connection.exec("UPDATE volume SET clean = 0, boot_id = ''");
    connection.pragma('wal_checkpoint(TRUNCATE)');
  } catch (error) {
    connection.close();
    for (const end of ['', '-wal', '-shm']) fs.rmSync(path + end, { force: true });
    throw error;
  }
  connection.close();
}
