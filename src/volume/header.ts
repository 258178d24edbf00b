import { crc32 } from 'node:zlib';
import { E } from '../system/errno.ts';
import { addressOf } from '../system/libc.ts';
import type { Device } from './device.ts';
import { VolumeError } from './volume-error.ts';

/** The device's first MiB is the header's; files begin behind it. Bytes. */
export const HEADER_BYTES = 1024 * 1024;
/** The header and its copy, one sector each, so that either is written whole or not at all. Bytes. */
export const HEADER_AT = 0;
export const COPY_AT = 512 * 1024;
const SECTOR = 512;
const MAGIC = 'LAYOUTFS';

/** Format of the device header. The major number is also SQLite's user_version. */
export const MAJOR = 1;
export const MINOR = 0;
/** Incompatible features that this program understands. */
export const FEATURES: readonly string[] = [];

/** What the header says. `owner…`, `epoch` and `writes` change with mounts, `deviceBlocks` with `resizeVolume`; nothing else does. */
export interface Header {
  major: number;
  minor: number;
  uuid: string;
  /** Bytes. */
  blockSize: number;
  /** Length of the device, in blocks, and the first block for file data. */
  deviceBlocks: number;
  firstBlock: number;
  createdS: number;
  label: string;
  /** Names of incompatible features: who does not know one of them must keep away. */
  features: string[];
  /** Mounts so far. */
  epoch: number;
  /** Process that has it mounted (0: nobody), when it started (clock ticks since boot) and on which boot. */
  ownerPid: number;
  ownerStart: number;
  bootId: string;
  /** Rises with every write: the copy with the higher one is the newer. */
  writes: number;
}

/*
 * Layout, little-endian: 0 magic[8] · 8 major u16 · 10 minor u16 · 12 block size u32 · 16 uuid[16] · 32 device blocks u64 ·
 * 40 first block u64 · 48 created i64 · 56 epoch u64 · 64 writes u64 · 72 owner pid u64 · 80 owner start u64 ·
 * 88 boot id, text[40] · 128 label, UTF-8[64] · 192 features, words[256] · 508 CRC-32 of the bytes before.
 */
export function encodeHeader(header: Header): Buffer {
  const out = Buffer.alloc(SECTOR);
  out.write(MAGIC, 0, 'latin1');
  out.writeUInt16LE(header.major, 8);
  out.writeUInt16LE(header.minor, 10);
  out.writeUInt32LE(header.blockSize, 12);
  out.write(header.uuid.replaceAll('-', ''), 16, 'hex');
  out.writeBigUInt64LE(BigInt(header.deviceBlocks), 32);
  out.writeBigUInt64LE(BigInt(header.firstBlock), 40);
  out.writeBigInt64LE(BigInt(header.createdS), 48);
  out.writeBigUInt64LE(BigInt(header.epoch), 56);
  out.writeBigUInt64LE(BigInt(header.writes), 64);
  out.writeBigUInt64LE(BigInt(header.ownerPid), 72);
  out.writeBigUInt64LE(BigInt(header.ownerStart), 80);
  out.write(header.bootId, 88, 40, 'latin1');
  out.write(header.label, 128, 64, 'utf8');
  out.write(header.features.join(' '), 192, 256, 'latin1');
  out.writeUInt32LE(crc32(out.subarray(0, 508)), 508);
  return out;
}

/** The header of a sector, or undefined when it is not one or is damaged. */
export function decodeHeader(sector: Buffer): Header | undefined {
  if (sector.length !== SECTOR || sector.toString('latin1', 0, 8) !== MAGIC) return undefined;
  if (sector.readUInt32LE(508) !== crc32(sector.subarray(0, 508))) return undefined;
  const hex = sector.toString('hex', 16, 32);
  const features = text(sector, 192, 256, 'latin1');
  return {
    major: sector.readUInt16LE(8),
    minor: sector.readUInt16LE(10),
    blockSize: sector.readUInt32LE(12),
    uuid: [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-'),
    deviceBlocks: Number(sector.readBigUInt64LE(32)),
    firstBlock: Number(sector.readBigUInt64LE(40)),
    createdS: Number(sector.readBigInt64LE(48)),
    epoch: Number(sector.readBigUInt64LE(56)),
    writes: Number(sector.readBigUInt64LE(64)),
    ownerPid: Number(sector.readBigUInt64LE(72)),
    ownerStart: Number(sector.readBigUInt64LE(80)),
    bootId: text(sector, 88, 40, 'latin1'),
    label: text(sector, 128, 64, 'utf8'),
    features: features === '' ? [] : features.split(' '),
  };
}

function text(sector: Buffer, at: number, length: number, encoding: 'latin1' | 'utf8'): string {
  const end = sector.indexOf(0, at);
  return sector.toString(encoding, at, end < 0 || end > at + length ? at + length : end);
}

/** What both places hold; `newest` is the valid one with the most writes. */
export interface HeaderCopies {
  newest: Header | undefined;
  /** Offsets (bytes) whose copy is missing, damaged or older than the newest. */
  stale: number[];
}

/** Reads both copies. An unreadable sector counts as damaged. */
export function readHeader(device: Device): HeaderCopies {
  const copies = [HEADER_AT, COPY_AT].map((at) => ({ at, header: readCopy(device, at) }));
  let newest: Header | undefined;
  for (const { header } of copies) if (header && (!newest || header.writes > newest.writes)) newest = header;
  return {
    newest,
    stale: copies.filter(({ header }) => header?.writes !== newest?.writes || !header).map(({ at }) => at),
  };
}

function readCopy(device: Device, at: number): Header | undefined {
  const sector = Buffer.alloc(SECTOR);
  return device.pread(addressOf(sector), SECTOR, at) < 0 ? undefined : decodeHeader(sector);
}

/**
 * Writes both copies, the second only after the first is durable: at every moment one of them is whole. `header.writes`
 * rises. 0 or -errno.
 */
export function writeHeader(device: Device, header: Header): number {
  header.writes++;
  const sector = encodeHeader(header);
  for (const at of [HEADER_AT, COPY_AT]) {
    let r = device.pwrite(addressOf(sector), SECTOR, at);
    if (r >= 0) r = device.sync();
    if (r < 0) return r;
  }
  return 0;
}

/** Whether the header lets this program in: throws TOO_NEW, READ_ONLY_ONLY, NOT_A_VOLUME or DAMAGED. */
export function judgeHeader(header: Header | undefined, path: string, readOnly: boolean, deviceBytes: number): Header {
  if (!header) throw new VolumeError('NOT_A_VOLUME', `${path} has no layoutfs header (nor a copy of it)`);
  if (header.major > MAJOR) {
    throw new VolumeError(
      'TOO_NEW',
      `${path} has format ${header.major}.${header.minor}; this program knows ${MAJOR}.${MINOR}`,
    );
  }
  const unknown = header.features.filter((name) => !FEATURES.includes(name));
  if (unknown.length > 0)
    throw new VolumeError('TOO_NEW', `${path} needs ${unknown.join(', ')}, unknown to this program`);
  if (header.major === MAJOR && header.minor > MINOR && !readOnly) {
    throw new VolumeError(
      'READ_ONLY_ONLY',
      `${path} has format ${header.major}.${header.minor}; this program (${MAJOR}.${MINOR}) can only read it (ro)`,
    );
  }
  if (!isBlockSize(header.blockSize)) throw new VolumeError('DAMAGED', `${path}: block size ${header.blockSize}`);
  if (header.deviceBlocks * header.blockSize > deviceBytes) {
    throw new VolumeError('DAMAGED', `${path} is shorter (${deviceBytes} bytes) than its header says`, { errno: E.IO });
  }
  return header;
}

/** Bytes: a power of two from the page size to 2 MiB. */
export function isBlockSize(bytes: number): boolean {
  return Number.isInteger(bytes) && bytes >= 4096 && bytes <= 2 * 1024 * 1024 && (bytes & (bytes - 1)) === 0;
}
