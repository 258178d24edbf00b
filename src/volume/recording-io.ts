import fs from 'node:fs';
import { bufferAt } from '../system/libc.ts';
import { type StorageEvent, type StorageIo, type StorageRole, systemIo } from './storage-io.ts';

/** One thing that happened to a file, in order. A crash may lose, tear or reorder the writes since the last sync of their file. */
export type StorageRecord =
  | { kind: 'write'; file: StorageRole; offset: number; bytes: Buffer }
  | { kind: 'fallocate'; file: 'device'; mode: number; offset: number; length: number }
  | { kind: 'length'; file: 'wal' | 'database'; length: number }
  /** Everything before record `covers` of that file is durable from here on. */
  | { kind: 'sync'; file: StorageRole; covers: number }
  | { kind: StorageEvent; sequence: number };

const CHUNK = 512;

/**
 * Records every change of device, WAL and database. What SQLite writes is found by comparing the files with
 * what they held before, at the moments that `StorageIo` tells of; two syncs that it makes itself are added where they are made
 * (header of a WAL that starts anew before its frames; WAL before and database after a complete checkpoint). Meant for small volumes.
 */
export class RecordingIo implements StorageIo {
  readonly records: StorageRecord[] = [];
  private readonly inner: StorageIo;
  private readonly paths: { wal: string; database: string };
  private readonly known: { wal: Buffer; database: Buffer } = { wal: Buffer.alloc(0), database: Buffer.alloc(0) };

  /** `database`: path of the metadata. */
  constructor(database: string, inner: StorageIo = systemIo) {
    this.inner = inner;
    this.paths = { wal: `${database}-wal`, database };
    this.known.database = readIfThere(database);
    this.known.wal = readIfThere(this.paths.wal);
  }

  pread(fd: number, address: number, length: number, offset: number): number {
    return this.inner.pread(fd, address, length, offset);
  }

  pwrite(fd: number, address: number, length: number, offset: number): number {
    const r = this.inner.pwrite(fd, address, length, offset);
    if (r > 0) {
      const bytes = Buffer.from(bufferAt(address, r));
      this.records.push({ kind: 'write', file: 'device', offset, bytes });
    }
    return r;
  }

  fallocate(fd: number, mode: number, offset: number, length: number): number {
    const r = this.inner.fallocate(fd, mode, offset, length);
    if (r === 0) this.records.push({ kind: 'fallocate', file: 'device', mode, offset, length });
    return r;
  }

  fdatasync(fd: number, role: StorageRole): number {
    this.compare(role);
    const covers = this.records.length;
    const r = this.inner.fdatasync(fd, role);
    if (r === 0) this.records.push({ kind: 'sync', file: role, covers });
    return r;
  }

  async fdatasyncAsync(fd: number, role: StorageRole): Promise<number> {
    this.compare(role);
    const covers = this.records.length;
    const r = await this.inner.fdatasyncAsync(fd, role);
    if (r === 0) this.records.push({ kind: 'sync', file: role, covers });
    return r;
  }

  mark(event: StorageEvent, sequence: number): void {
    if (event === 'commit') this.compare('wal');
    else {
      this.synced('wal');
      this.compare('database');
      if (event === 'reset') this.synced('database');
    }
    this.records.push({ kind: event, sequence });
  }

  private synced(file: 'wal' | 'database'): void {
    this.compare(file);
    this.records.push({ kind: 'sync', file, covers: this.records.length });
  }

  private compare(file: StorageRole): void {
    if (file === 'device') return;
    const before = this.known[file];
    const now = readIfThere(this.paths[file]);
    if (now.length !== before.length) this.records.push({ kind: 'length', file, length: now.length });
    const changed = changes(before, now);
    for (const [index, [from, to]] of changed.entries()) {
      let start = from;
      if (file === 'wal' && index === 0 && from === 0 && !now.subarray(0, 32).equals(before.subarray(0, 32))) {
        this.records.push({ kind: 'write', file, offset: 0, bytes: now.subarray(0, 32) });
        this.records.push({ kind: 'sync', file, covers: this.records.length });
        start = 32;
      }
      this.records.push({ kind: 'write', file, offset: start, bytes: now.subarray(start, to) });
    }
    this.known[file] = now;
  }
}

/** Byte ranges of `now`, in whole sectors, that differ from `before`. */
function changes(before: Buffer, now: Buffer): [number, number][] {
  const out: [number, number][] = [];
  for (let at = 0; at < now.length; at += CHUNK) {
    const end = Math.min(at + CHUNK, now.length);
    const same = end <= before.length ? now.compare(before, at, end, at, end) === 0 : isZero(now, at, end);
    if (same) continue;
    const last = out[out.length - 1];
    if (last && last[1] === at) last[1] = end;
    else out.push([at, end]);
  }
  return out;
}

function isZero(bytes: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}

function readIfThere(path: string): Buffer {
  return fs.existsSync(path) ? fs.readFileSync(path) : Buffer.alloc(0);
}
