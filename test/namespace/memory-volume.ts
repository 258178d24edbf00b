import { readFileSync } from 'node:fs';
import SQLite from 'better-sqlite3';
import type { Mutation, Query, Store, Value } from '../../src/namespace/store.ts';

const SCHEMA = ['volume', 'namespace', 'blockmap'].map((name) =>
  readFileSync(new URL(`../../schema/${name}.sql`, import.meta.url), 'utf8'),
);

/** A volume in memory, of the shape that the namespace asks for; says what went to the redo log. */
export class MemoryVolume implements Store {
  readonly blockSize = 4096;
  readonly sqlite = new SQLite(':memory:');
  /** Statements given to the redo log without being run. */
  readonly noted: { sql: string; args: Value[] }[] = [];
  /** How often something asked for a transaction. */
  touches = 0;
  private readonly flushers: (() => void)[] = [];
  private readonly ends: (() => void)[] = [];
  private readonly failures: (() => void)[] = [];

  constructor() {
    for (const sql of SCHEMA) this.sqlite.exec(sql);
    this.sqlite.exec(`
      INSERT INTO volume (id, uuid, version, block_size, device_blocks, first_block, next_ino, next_lease, sequence, epoch, clean,
        boot_id, created_s, label) VALUES (1, 'u', 1, 4096, 1000, 256, 2, 1, 0, 1, 0, 'b', 0, '');
      INSERT INTO inode (ino, mode, uid, gid, nlink, size, blocks, parent, next_cookie, atime_s, atime_ns, mtime_s, mtime_ns,
        ctime_s, ctime_ns, btime_s, btime_ns) VALUES (1, ${0o40755}, 0, 0, 2, 24, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0);
    `);
  }

  readonly database = {
    query: (sql: string): { raw(): Query } => {
      const statement = this.sqlite.prepare(sql).raw();
      return { raw: () => ({ get: (...a) => statement.get(...a), all: (...a) => statement.all(...a) }) };
    },
    mutation: (sql: string): Mutation => {
      const statement = this.sqlite.prepare(sql);
      const run = (...args: Value[]): number => {
        this.touches++;
        return statement.run(...args).changes;
      };
      return {
        run,
        apply: run,
        note: (...args) => void this.noted.push({ sql, args }),
      };
    },
  };

  readonly commits = {
    failed: 0,
    touch: (): void => void this.touches++,
    onFlush: (fn: () => void): void => void this.flushers.push(fn),
    onOperationEnd: (fn: () => void): void => void this.ends.push(fn),
    onFail: (fn: () => void): void => void this.failures.push(fn),
  };

  /** What a group commit does to the owners of write-behind state. */
  flush(): void {
    for (const fn of this.flushers) fn();
  }

  /** What a reply does. */
  operationEnd(): void {
    for (const fn of this.ends) fn();
  }

  fail(): void {
    this.commits.failed = 5;
    for (const fn of this.failures) fn();
  }

  /** Runs what a redo log would after a SIGKILL. */
  replay(): void {
    for (const { sql, args } of this.noted) this.sqlite.prepare(sql).run(...args);
  }

  rows<T = unknown[]>(sql: string, ...args: Value[]): T[] {
    return this.sqlite
      .prepare(sql)
      .raw()
      .all(...args) as T[];
  }
}
