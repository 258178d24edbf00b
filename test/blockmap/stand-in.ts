import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SQLite from 'better-sqlite3';
import { BlockMap } from '../../src/blockmap/blockmap.ts';
import type { MappedInode } from '../../src/blockmap/extent.ts';
import type { Commits, Database, Device, Mutation, Query, Value } from '../../src/blockmap/ports.ts';
import { Space } from '../../src/blockmap/space.ts';
import { addressOf, pread, pwrite } from '../../src/system/libc.ts';
import { registerFunctions } from '../../src/volume/sql-functions.ts';

const schema = readFileSync(new URL('../../schema/blockmap.sql', import.meta.url), 'utf8');

/** The group commit, by hand: `commit` makes everything so far durable at once. */
export class ManualCommits implements Commits {
  sequence = 1;
  durable = 0;
  ordered = false;
  commits = 0;
  convert: (ino: number, from: number, to: number) => void = () => {};
  private written: [number, number, number][] = [];
  private readonly flushers: (() => void)[] = [];
  private readonly durables: ((sequence: number) => void)[] = [];
  readonly database: SqliteDatabase;

  constructor(database: SqliteDatabase) {
    this.database = database;
  }

  touch(): void {
    this.database.begin();
  }
  orderedData(): void {
    this.ordered = true;
  }
  dataWritten(ino: number, block: number, length: number): void {
    this.written.push([ino, block, block + length]);
  }
  dataDropped(ino: number): void {
    this.written = this.written.filter((w) => w[0] !== ino);
  }
  onFlush(fn: () => void): void {
    this.flushers.push(fn);
  }
  onDurable(fn: (sequence: number) => void): void {
    this.durables.push(fn);
  }
  onFail(): void {}

  /** `convert` false: a commit that did not sync data, as for metadata alone. */
  commit(convert = true): void {
    for (const fn of this.flushers) fn();
    if (convert) {
      for (const [ino, from, to] of this.written) this.convert(ino, from, to);
      this.written = [];
    }
    this.database.end();
    this.ordered = false;
    this.commits++;
    this.durable = this.sequence++;
    for (const fn of this.durables) fn(this.durable);
  }
  commitNow(): number {
    this.commit();
    return 0;
  }
}

/** Tables of the block map in memory. `notes` runs what goes into the redo log alone against a second database. */
export class SqliteDatabase implements Database {
  readonly connection: SQLite.Database;
  statements = 0;
  /** Called with every change, in order: the redo log. */
  log: ((sql: string, args: Value[]) => void) | undefined;

  constructor(image?: Buffer) {
    this.connection = image ? new SQLite(image) : new SQLite(':memory:');
    registerFunctions(this.connection);
    if (!image) this.connection.exec(schema);
  }

  begin(): void {
    if (!this.connection.inTransaction) this.connection.exec('BEGIN');
  }
  end(): void {
    if (this.connection.inTransaction) this.connection.exec('COMMIT');
  }

  query(sql: string): Query & { raw(): Query } {
    const make = (raw: boolean): Query => {
      const statement = this.connection.prepare(sql);
      if (raw) statement.raw();
      const count = <T>(value: T): T => {
        this.statements++;
        return value;
      };
      return {
        get: (...args) => count(statement.get(...args)),
        all: (...args) => count(statement.all(...args)),
        iterate: (...args) => statement.iterate(...args),
      };
    };
    return { ...make(false), raw: () => make(true) };
  }

  mutation(sql: string): Mutation {
    const statement = this.connection.prepare(sql);
    return {
      run: (...args) => {
        this.begin();
        this.statements++;
        this.log?.(sql, args);
        return statement.run(...args).changes;
      },
      note: (...args) => {
        this.begin();
        this.log?.(sql, args);
      },
    };
  }
}

/** A file full of bytes that are nobody's, so that whatever is read without having been written shows. */
export class FileDevice implements Device {
  readonly fd: number;
  readonly folder: string;
  writes = 0;
  /** -errno for the next write of at least so many bytes. */
  failWrite: { errno: number; from: number } | undefined;

  constructor(bytes: number) {
    this.folder = mkdtempSync(join(tmpdir(), 'layoutfs-blockmap-'));
    this.fd = openSync(join(this.folder, 'device'), 'w+');
    ftruncateSync(this.fd, bytes);
    const poison = Buffer.alloc(65536, 0xaa);
    for (let at = 0; at < bytes; at += poison.length) writeSync(this.fd, poison, 0, Math.min(65536, bytes - at), at);
  }
  pread(address: number, length: number, offset: number): number {
    return pread(this.fd, address, length, offset);
  }
  pwrite(address: number, length: number, offset: number): number {
    this.writes++;
    if (this.failWrite && this.writes >= this.failWrite.from) return -this.failWrite.errno;
    return pwrite(this.fd, address, length, offset);
  }
  zero(offset: number, length: number): number {
    const zeros = Buffer.alloc(length);
    return Math.min(0, this.pwrite(addressOf(zeros), length, offset));
  }
  copy(from: number, to: number, length: number): number {
    const bytes = Buffer.alloc(length);
    const r = this.pread(addressOf(bytes), length, from);
    return r < 0 ? r : Math.min(0, this.pwrite(addressOf(bytes), length, to));
  }
  changed(): void {}
  close(): void {
    closeSync(this.fd);
    rmSync(this.folder, { recursive: true });
  }
}

/** Takes everything and keeps nothing: for tests of placement alone. */
export class NullDevice implements Device {
  pread(_address: number, length: number): number {
    return length;
  }
  pwrite(_address: number, length: number): number {
    return length;
  }
  zero(): number {
    return 0;
  }
  copy(): number {
    return 0;
  }
  changed(): void {}
}

export interface TestInode extends MappedInode {
  size: number;
}

export function inodeOf(ino: number): TestInode {
  return { ino, size: 0, blocks: 0, gen: 0 };
}

export interface TestVolume {
  blockSize: number;
  database: SqliteDatabase;
  commits: ManualCommits;
  space: Space;
  map: BlockMap;
  touched: Set<number>;
}

export interface TestVolumeOptions {
  device: Device;
  blocks: number;
  firstBlock?: number;
  blockSize?: number;
  /** A serialized database to open, instead of an empty one. */
  image?: Buffer;
}

export function openVolume(options: TestVolumeOptions): TestVolume {
  const { device, blocks, firstBlock = 4, blockSize = 4096, image } = options;
  const database = new SqliteDatabase(image);
  const commits = new ManualCommits(database);
  const space = new Space({ database, commits, deviceBlocks: blocks, firstBlock });
  const touched = new Set<number>();
  const touch = (inode: MappedInode): void => {
    touched.add(inode.ino);
  };
  const map = new BlockMap({ database, device, commits, space, blockSize, touch });
  return { blockSize, database, commits, space, map, touched };
}
