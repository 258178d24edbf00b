import fs from 'node:fs';
import type { StorageRecord } from '../../src/volume/recording-io.ts';

/** The three files of a volume that a crash of the host concerns. The redo log is of no use after one. */
export const FILES = ['device', 'wal', 'database'] as const;
export type FileName = (typeof FILES)[number];
/** What a file holds: its beginning, and how many bytes it has, zeros behind. The WAL has megabytes of them. */
export interface Image {
  readonly bytes: Buffer;
  readonly length: number;
}
export type Images = Record<FileName, Image>;

export const SECTOR = 512;

/** Path of a file of the volume at `image`. */
export function pathOf(image: string, file: FileName): string {
  if (file === 'device') return image;
  return file === 'wal' ? `${image}.meta-wal` : `${image}.meta`;
}

export function readImages(image: string): Images {
  const read = (file: FileName): Image => {
    const path = pathOf(image, file);
    const bytes: Buffer = fs.existsSync(path) ? fs.readFileSync(path) : Buffer.alloc(0);
    let used = bytes.length;
    while (used > 0 && bytes[used - 1] === 0) used--;
    return { bytes: Buffer.from(bytes.subarray(0, used)), length: bytes.length };
  };
  return { device: read('device'), wal: read('wal'), database: read('database') };
}

/** Writes the files anew; long runs of zeros become holes. */
export function writeImages(image: string, images: Images): void {
  for (const extra of ['.meta-shm', '.meta-redo']) fs.rmSync(image + extra, { force: true });
  for (const file of FILES) {
    const path = pathOf(image, file);
    const { bytes, length } = images[file];
    if (file === 'wal' && length === 0) {
      fs.rmSync(path, { force: true });
      continue;
    }
    const fd = fs.openSync(path, 'w', 0o600);
    fs.ftruncateSync(fd, length);
    for (let at = 0; at < bytes.length; at += HOLE) {
      const piece = bytes.subarray(at, at + HOLE);
      if (!ZEROS.subarray(0, piece.length).equals(piece)) fs.writeSync(fd, piece, 0, piece.length, at);
    }
    fs.closeSync(fd);
  }
}

const HOLE = 65_536;
const ZEROS = Buffer.alloc(HOLE);

/** A change of one file, with its place in the recording. */
export interface Change {
  readonly at: number;
  readonly kind: 'write' | 'zero' | 'length';
  readonly offset: number;
  readonly length: number;
  readonly bytes?: Buffer;
}

/** The changes that a recording makes to one of the files, and where it was synced. */
export interface History {
  readonly changes: readonly Change[];
  /** [place of the sync in the recording, place up to which it covers]. */
  readonly syncs: readonly (readonly [number, number])[];
}

export function historyOf(records: readonly StorageRecord[], file: FileName): History {
  const changes: Change[] = [];
  const syncs: [number, number][] = [];
  records.forEach((record, at) => {
    if (!('file' in record) || record.file !== file) return;
    if (record.kind === 'sync') syncs.push([at, record.covers]);
    else if (record.kind === 'write') {
      const { offset, bytes } = record;
      changes.push({ at, kind: 'write', offset, length: bytes.length, bytes });
    } else if (record.kind === 'fallocate')
      changes.push({ at, kind: 'zero', offset: record.offset, length: record.length });
    else changes.push({ at, kind: 'length', offset: record.length, length: 0 });
  });
  return { changes, syncs };
}

/** Up to which place a file is durable, when the power fails before record `prefix`. */
export function durableAt(history: History, prefix: number): number {
  let covered = 0;
  for (const [at, covers] of history.syncs) if (at < prefix && covers > covered) covered = covers;
  return covered;
}

/** Which version of each sector has reached the medium: that after the changes before place `cut(sector)`. */
export type Cut = (sector: number) => number;

/**
 * What is on the medium: everything before `durable`, and of the rest, up to `prefix`, whatever `cut` lets through. A sector is
 * written whole or not at all, and never loses an earlier change while it keeps a later one, because it is the page
 * cache that is written out.
 */
export function materialise(base: Image, history: History, at: { durable: number; prefix: number; cut: Cut }): Image {
  let { bytes, length } = { bytes: Buffer.from(base.bytes), length: base.length };
  for (const change of history.changes) {
    if (change.at >= at.prefix) break;
    const sure = change.at < at.durable;
    if (change.kind === 'length') {
      if (!sure && at.cut(Math.floor(change.offset / SECTOR)) <= change.at) continue;
      length = change.offset;
      if (length < bytes.length) bytes = bytes.subarray(0, length);
      continue;
    }
    const end = change.offset + change.length;
    for (let from = change.offset; from < end; ) {
      const sector = Math.floor(from / SECTOR);
      const to = Math.min(end, (sector + 1) * SECTOR);
      if (sure || at.cut(sector) > change.at) {
        if (to > bytes.length)
          bytes = Buffer.concat([bytes, Buffer.alloc(Math.max(to - bytes.length, bytes.length, GROWTH))]);
        if (change.bytes) change.bytes.copy(bytes, from, from - change.offset, to - change.offset);
        else bytes.fill(0, from, to);
        length = Math.max(length, to);
      }
      from = to;
    }
  }
  return { bytes: bytes.subarray(0, length), length };
}

const GROWTH = 65_536;
