import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { dirname, resolve } from 'node:path';
import SQLite from 'better-sqlite3';
import { S } from '../system/constants.ts';
import { errnoName } from '../system/errno.ts';
import { addressOf, close, fsync, ftruncate } from '../system/libc.ts';
import { Device } from './device.ts';
import { HEADER_BYTES, type Header, isBlockSize, MAJOR, MINOR, readHeader, writeHeader } from './header.ts';
import { kindOf, lockDatabase, metadataPath, openDevice, redoPath } from './lock.ts';
import { createSchema } from './schema.ts';
import { VolumeError } from './volume-error.ts';

export interface MakeOptions {
  /** Bytes, rounded down to whole blocks; default: the length that the file or device has. */
  size?: number;
  /** Bytes: a power of two from 4096 to 2 MiB. Default 4096. */
  blockSize?: number;
  label?: string;
  uuid?: string;
  /** Overwrite what is there; never a volume in use. */
  force?: boolean;
  /** Owner of the root directory. Default: the caller. */
  uid?: number;
  gid?: number;
}

export interface MadeVolume {
  uuid: string;
  /** Bytes. */
  size: number;
  blockSize: number;
  deviceBlocks: number;
  firstBlock: number;
}

/** Fewest blocks for file data. */
export const MIN_BLOCKS = 16;
/** statfs(2): tmpfs (devtmpfs too), ramfs. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Makes a volume: a sparse file (or a block device) with a header, and its metadata beside it, with an empty root
 * directory. The header comes last: what was interrupted before is not a volume. Throws VolumeError.
 */
export function makeVolume(path: string, options: MakeOptions = {}): MadeVolume {
  const blockSize = options.blockSize ?? 4096;
  const label = options.label ?? '';
  const uuid = options.uuid ?? randomUUID();
  if (!isBlockSize(blockSize)) throw invalid(`block size ${blockSize}: a power of two from 4096 to 2097152`);
  if (Buffer.byteLength(label) > 63 || label.includes('\0')) throw invalid('a label has at most 63 bytes');
  if (!UUID.test(uuid)) throw invalid(`not a UUID in lower case: ${uuid}`);
  const kind = kindOf(path);
  if (kind === 'none' && options.size === undefined) throw invalid(`${path} does not exist: a size is needed`);
  if (options.size !== undefined) wholeBlocks(options.size, blockSize);
  if (kind === 'block') refuseMemory(path);
  const device = openDevice(path, { create: true });
  try {
    const blocks = wholeBlocks(options.size ?? device.length, blockSize);
    if (kind === 'block' && blocks * blockSize > device.length)
      throw invalid(`${path} has only ${device.length} bytes`);
    if (!options.force) refuseToOverwrite(device, path);
    clear(device, path, kind, blocks * blockSize);
    const header: Header = {
      major: MAJOR,
      minor: MINOR,
      uuid,
      blockSize,
      deviceBlocks: blocks,
      firstBlock: firstBlockOf(blockSize),
      createdS: Math.floor(Date.now() / 1000),
      label,
      features: [],
      epoch: 0,
      ownerPid: 0,
      ownerStart: 0,
      bootId: '',
      writes: 0,
    };
    makeMetadata(metadataPath(path), header, options);
    const r = writeHeader(new Device(device.fd, blocks * blockSize, device.io), header);
    if (r < 0) throw new VolumeError('SYSTEM', `cannot write the header of ${path}`, { errno: -r });
    syncFolder(path);
    return { uuid, size: blocks * blockSize, blockSize, deviceBlocks: blocks, firstBlock: header.firstBlock };
  } catch (error) {
    if (kind === 'none') fs.rmSync(path, { force: true });
    throw error;
  } finally {
    close(device.fd);
  }
}

/** The first block that may hold file data: behind the header's MiB. */
function firstBlockOf(blockSize: number): number {
  return Math.ceil(HEADER_BYTES / blockSize);
}

function wholeBlocks(size: number, blockSize: number): number {
  if (!Number.isSafeInteger(size) || size < 0) throw invalid(`size ${size}`);
  const blocks = Math.floor(size / blockSize);
  const least = firstBlockOf(blockSize) + MIN_BLOCKS;
  if (blocks < least)
    throw invalid(`${size} bytes are too few: at least ${least * blockSize} with blocks of ${blockSize}`);
  return blocks;
}

/** Of a block device in /dev: the names of all files would be in memory, and gone when the machine starts again. */
function refuseMemory(path: string): void {
  const folder = dirname(resolve(path));
  if (!IN_MEMORY.has(fs.statfsSync(folder).type)) return;
  throw invalid(
    `${metadataPath(path)} would be in memory (${folder}) and lost at the next start: make a link on a disk, ` +
      `"ln -s ${path} /srv/volume", and say "mkfs /srv/volume"; the metadata is beside the link`,
  );
}

function refuseToOverwrite(device: Device, path: string): void {
  if (fs.existsSync(metadataPath(path))) throw exists(`${metadataPath(path)} exists`);
  if (readHeader(device).newest) throw exists(`${path} is a layoutfs volume already`);
  const start = Buffer.alloc(Math.min(device.length, HEADER_BYTES));
  if (start.length > 0 && device.pread(addressOf(start), start.length, 0) < 0) throw exists(`${path} cannot be read`);
  if (start.some((byte) => byte !== 0)) throw exists(`${path} is not empty`);
}

/** Takes the old volume away, header first. */
function clear(device: Device, path: string, kind: string, size: number): void {
  const meta = metadataPath(path);
  const old = fs.existsSync(meta) ? lockDatabase(meta) : -1; // BUSY when some other volume has it open
  try {
    // Whether the host can hold that size is found out while the old volume is still whole.
    const grown = kind !== 'block' && size > device.length ? ftruncate(device.fd, size) : 0;
    if (grown < 0) throw unsizable(path, size, grown);
    const emptied = kind === 'block' ? zeroHeader(device) : emptyFile(device, size);
    for (const file of [meta, `${meta}-wal`, `${meta}-shm`, redoPath(path)]) fs.rmSync(file, { force: true });
    if (emptied < 0) throw unsizable(path, size, emptied);
  } finally {
    if (old >= 0) close(old);
  }
}

/** The file is sparse and `size` bytes long: 0 or -errno. */
function emptyFile(device: Device, size: number): number {
  const emptied = ftruncate(device.fd, 0);
  // A file of fixed length (a network block device behind a FUSE client) is treated as the device that it stands for.
  if (emptied < 0) return device.length >= size ? zeroHeader(device) : emptied;
  const sized = ftruncate(device.fd, size);
  if (sized >= 0) fs.fchmodSync(device.fd, 0o600);
  return sized;
}

const zeroHeader = (device: Device): number => device.zero(0, HEADER_BYTES);

/** `r`: -errno of a change of length. */
export const unsizable = (path: string, size: number, r: number): VolumeError =>
  new VolumeError('SYSTEM', `cannot set the length of ${path} to ${size} bytes: ${errnoName(-r)}`, { errno: -r });

function makeMetadata(path: string, header: Header, options: MakeOptions): void {
  fs.closeSync(fs.openSync(path, 'wx', 0o600)); // before SQLite makes it with other permissions
  const connection = new SQLite(path);
  try {
    connection.pragma('page_size = 4096');
    connection.pragma('synchronous = FULL');
    connection.pragma('journal_mode = WAL');
    connection.exec('BEGIN');
    createSchema(connection);
    connection
      .prepare(
        `INSERT INTO volume (id, uuid, version, block_size, device_blocks, first_block, next_ino, next_lease, sequence,
         epoch, clean, boot_id, created_s, label) VALUES (1, ?, ?, ?, ?, ?, 2, 1, 0, 0, 1, '', ?, ?)`,
      )
      .run(header.uuid, MINOR, header.blockSize, header.deviceBlocks, header.firstBlock, header.createdS, header.label);
    const uid = options.uid ?? process.getuid?.() ?? 0;
    const gid = options.gid ?? process.getgid?.() ?? 0;
    const s = header.createdS;
    connection
      .prepare(
        `INSERT INTO inode (ino, mode, uid, gid, nlink, size, blocks, parent, next_cookie,
         atime_s, atime_ns, mtime_s, mtime_ns, ctime_s, ctime_ns, btime_s, btime_ns)
         VALUES (1, ?, ?, ?, 2, 0, 0, 1, 3, ?, 0, ?, 0, ?, 0, ?, 0)`,
      )
      .run(S.IFDIR | 0o755, uid, gid, s, s, s, s);
    connection.exec('COMMIT');
  } finally {
    connection.close();
  }
}

function syncFolder(path: string): void {
  const fd = fs.openSync(dirname(resolve(path)), 'r');
  fsync(fd);
  fs.closeSync(fd);
}

const invalid = (message: string): VolumeError => new VolumeError('INVALID', message);
const exists = (message: string): VolumeError => new VolumeError('EXISTS', `${message} (force overwrites it)`);
