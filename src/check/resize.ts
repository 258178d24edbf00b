import type SQLiteDatabase from 'better-sqlite3';
import SQLite from 'better-sqlite3';
import { E } from '../system/errno.ts';
import { close, ftruncate } from '../system/libc.ts';
import type { Device } from '../volume/device.ts';
import { type Header, judgeHeader, readHeader, writeHeader } from '../volume/header.ts';
import { kindOf, lockDatabase, metadataPath, openDevice } from '../volume/lock.ts';
import { MIN_BLOCKS, unsizable } from '../volume/make.ts';
import { schemaVersion } from '../volume/schema.ts';
import { VolumeError } from '../volume/volume-error.ts';
import { GROUP_BLOCKS } from './bitmap.ts';

/** Blockers that are listed. */
const LISTED = 20;

export interface Resized {
  /** Bytes. */
  before: number;
  size: number;
}

/** What lies beyond the new end. Bytes. */
export interface ResizeBlocker {
  /** 0: blocks in quarantine. */
  ino: number;
  /** Undefined: a file without names, or blocks in quarantine. */
  path: string | undefined;
  /** Of the lease whose holder may still reach the blocks. */
  lease: number | undefined;
  deviceOffset: number;
  length: number;
}

/** Blocks beyond the new end are in use (EBUSY): `drain` moves them, a lease's holder or an administrator frees the quarantine. */
export class ResizeError extends VolumeError {
  readonly refusal: { blockers: ResizeBlocker[]; hint: string };

  constructor(message: string, blockers: ResizeBlocker[], hint: string) {
    super('BUSY', message, { errno: E.BUSY });
    this.refusal = { blockers, hint };
  }
}

/**
 * Gives a volume that is not in use another length, in bytes (rounded down to whole blocks; undefined: all of a block device).
 * It has to have been unmounted cleanly. Nothing is moved: a shorter one must have nothing beyond its new end (leases.md row 23).
 *
 * Order: what grows gets its place first, then the database, then the header; what shrinks loses it last. Interrupted
 * between database and header, the two disagree, which a mount refuses: doing it again goes on, and `fsck -y` goes back.
 * Throws VolumeError.
 */
export function resizeVolume(image: string, bytes: number | undefined): Resized {
  const device = openDevice(image);
  let databaseFd = -1;
  let connection: SQLiteDatabase.Database | undefined;
  try {
    const header = judgeHeader(readHeader(device).newest, image, false, device.length);
    databaseFd = lockDatabase(metadataPath(image), { pid: header.ownerPid });
    connection = openClean(image, header);
    const isBlock = kindOf(image) === 'block';
    const blocks = wantedBlocks(image, header, bytes ?? (isBlock ? device.length : undefined));
    const size = blocks * header.blockSize;
    if (isBlock && size > device.length) throw invalid(`${image} has only ${device.length} bytes`);
    refuseUsed(connection, header, blocks);
    if (!isBlock && size > device.length) setLength(image, device, size);
    const before = header.deviceBlocks * header.blockSize;
    writeDatabase(connection, blocks);
    header.deviceBlocks = blocks;
    const r = writeHeader(device, header);
    if (r < 0) throw new VolumeError('SYSTEM', `cannot write the header of ${image}`, { errno: -r });
    if (!isBlock && size < device.length) setLength(image, device, size);
    return { before, size };
  } finally {
    connection?.close();
    if (databaseFd >= 0) close(databaseFd); // after SQLite: wal.ts
    close(device.fd);
  }
}

function wantedBlocks(image: string, header: Header, bytes: number | undefined): number {
  if (bytes === undefined) throw invalid(`${image} is a file: a size is needed`);
  const blocks = Math.floor(bytes / header.blockSize);
  const least = header.firstBlock + MIN_BLOCKS;
  if (!Number.isSafeInteger(bytes) || blocks < least) {
    throw invalid(`${bytes} bytes are too few: at least ${least * header.blockSize}`);
  }
  return blocks;
}

function openClean(image: string, header: Header): SQLiteDatabase.Database {
  const meta = metadataPath(image);
  const connection = new SQLite(meta, { fileMustExist: true });
  try {
    schemaVersion(connection, meta);
    connection.pragma('synchronous = FULL');
    const row = connection.prepare('SELECT uuid, clean FROM volume').get() as { uuid: string; clean: number };
    if (row.uuid !== header.uuid) throw new VolumeError('MISMATCH', `${meta} belongs to volume ${row.uuid}`);
    if (row.clean !== 1) {
      throw new VolumeError('BUSY', `${image} was not unmounted cleanly: mount and unmount it first`, {
        errno: E.BUSY,
      });
    }
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

function refuseUsed(connection: SQLiteDatabase.Database, header: Header, blocks: number): void {
  const found = connection
    .prepare(
      `SELECT ino, NULL AS lease, max(device_block, @end) AS start, device_block + length - max(device_block, @end) AS length
       FROM extent WHERE device_block + length > @end
       UNION ALL SELECT 0, lease, max(device_block, @end), device_block + length - max(device_block, @end)
       FROM quarantine WHERE device_block + length > @end ORDER BY start`,
    )
    .all({ end: blocks }) as { ino: number; lease: number | null; start: number; length: number }[];
  if (found.length === 0) return;
  const blockers = found.slice(0, LISTED).map((row) => ({
    ino: row.ino,
    path: row.ino === 0 ? undefined : pathOf(connection, row.ino),
    lease: row.lease ?? undefined,
    deviceOffset: row.start * header.blockSize,
    length: row.length * header.blockSize,
  }));
  const end = blocks * header.blockSize;
  const hint = `mount it, "layoutfs drain DIR --range ${end}-", unmount it, and say this again`;
  throw new ResizeError(
    `${found.length} range${found.length === 1 ? ' is' : 's are'} in use beyond ${end}, the first by ${nameOf(blockers[0] as ResizeBlocker)}: ${hint}`,
    blockers,
    hint,
  );
}

function nameOf({ ino, path, lease }: ResizeBlocker): string {
  if (lease !== undefined) return `the quarantine of lease ${lease}`;
  return path ?? `inode ${ino}, which has no name`;
}

function pathOf(connection: SQLiteDatabase.Database, ino: number): string | undefined {
  const parentOf = connection.prepare('SELECT parent, name FROM dentry WHERE ino = ? LIMIT 1');
  const words: string[] = [];
  for (let at = ino; at !== 1; ) {
    const row = parentOf.get(at) as { parent: number; name: Buffer } | undefined;
    if (row === undefined) return undefined;
    words.unshift(row.name.toString());
    at = row.parent;
  }
  return `/${words.join('/')}`;
}

/** The length, and what the bitmaps say of the last group, in one durable transaction. Reads the length that the database has. */
function writeDatabase(connection: SQLiteDatabase.Database, blocks: number): void {
  const resize = connection.transaction(() => {
    const old = connection.prepare('SELECT device_blocks FROM volume').pluck().get() as number;
    connection.prepare('DELETE FROM space WHERE number >= ?').run(Math.ceil(blocks / GROUP_BLOCKS));
    const group = Math.floor((Math.min(old, blocks) - 1) / GROUP_BLOCKS);
    const within = (total: number): number => Math.min(GROUP_BLOCKS, total - group * GROUP_BLOCKS);
    connection.prepare('UPDATE space SET free = free + ? WHERE number = ?').run(within(blocks) - within(old), group);
    connection.prepare('UPDATE volume SET device_blocks = ?').run(blocks);
  });
  resize.immediate();
  connection.pragma('wal_checkpoint(TRUNCATE)');
}

function setLength(image: string, device: Device, size: number): void {
  const r = ftruncate(device.fd, size);
  if (r < 0) throw unsizable(image, size, r);
}

const invalid = (message: string): VolumeError => new VolumeError('INVALID', message);
