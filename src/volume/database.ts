import SQLite from 'better-sqlite3';
import { E } from '../system/errno.ts';
import { bound, isNumbered } from './parameters.ts';
import type { Redo } from './redo.ts';
import { registerFunctions } from './sql-functions.ts';
import { MetadataError, VolumeError } from './volume-error.ts';

/** What SQLite takes: integers are JS numbers below 2^53, bytes are Buffers. */
export type Value = number | string | Uint8Array | null;

/** Page cache of the state thread's connection, KiB. */
const CACHE_KIB = 48 * 1024;
/** A WAL that a burst (or a long reader) made longer is cut to this when it starts anew. Bytes. */
const WAL_LIMIT = 16 * 1024 * 1024;

/** A prepared SELECT. Rows are objects by column name; of `raw()`, arrays in the order of the columns (faster). */
export class Query {
  private readonly database: Database;
  private readonly statement: SQLite.Statement;
  private readonly sql: string;
  private readonly numbered: boolean;
  private arrays: Query | undefined;

  constructor(database: Database, sql: string, statement: SQLite.Statement) {
    this.database = database;
    this.sql = sql;
    this.statement = statement;
    this.numbered = isNumbered(sql);
  }

  /** The first row, or undefined. */
  get<T = unknown>(...args: Value[]): T | undefined {
    try {
      return (this.numbered ? this.statement.get(bound(args)) : this.statement.get(...args)) as T | undefined;
    } catch (error) {
      throw this.database.failure(error);
    }
  }

  all<T = unknown>(...args: Value[]): T[] {
    try {
      return (this.numbered ? this.statement.all(bound(args)) : this.statement.all(...args)) as T[];
    } catch (error) {
      throw this.database.failure(error);
    }
  }

  /** Row by row. Nothing else may run on the database until the iteration has ended. */
  iterate<T = unknown>(...args: Value[]): IterableIterator<T> {
    return (
      this.numbered ? this.statement.iterate(bound(args)) : this.statement.iterate(...args)
    ) as IterableIterator<T>;
  }

  /** The same query with rows as arrays. */
  raw(): Query {
    this.arrays ??= new Query(this.database, this.sql, this.database.connection.prepare(this.sql).raw());
    return this.arrays;
  }
}

/**
 * A prepared change. It opens the transaction of the group commit if none is open, and is recorded in the redo log;
 * therefore its effect must be a function of its arguments and the database alone: no random(), no time.
 */
export class Mutation {
  readonly sql: string;
  /** Number in the redo log, and the log's generation in which it was last defined (redo.ts). */
  readonly number: number;
  defined = -1;
  private readonly database: Database;
  private readonly statement: SQLite.Statement;
  private readonly numbered: boolean;

  constructor(database: Database, number: number, sql: string, statement: SQLite.Statement) {
    this.database = database;
    this.number = number;
    this.sql = sql;
    this.statement = statement;
    this.numbered = isNumbered(sql);
  }

  /** Number of changed rows. Throws MetadataError when the metadata fails; a broken constraint is thrown as it is: a bug. */
  run(...args: Value[]): number {
    const changes = this.apply(...args);
    this.database.redo?.append(this, args);
    return changes;
  }

  /**
   * Puts the change into the redo log without running it: for owners of write-behind state, who will `apply` the same
   * statement (or one with the same effect) in `commits.onFlush` at the latest. After a SIGKILL the log runs it in its
   * place.
   */
  note(...args: Value[]): void {
    if (!this.database.inTransaction) this.database.beforeChange();
    this.database.redo?.append(this, args);
  }

  /** As `run`, of a change whose effect the redo log has already: by `note`. */
  apply(...args: Value[]): number {
    const database = this.database;
    if (!database.inTransaction) database.beforeChange();
    try {
      return (this.numbered ? this.statement.run(bound(args)) : this.statement.run(...args)).changes;
    } catch (error) {
      throw database.failure(error);
    }
  }
}

/**
 * The metadata: one SQLite connection, on the state thread. Every other connection (checkpoints, backup, an
 * administrator's sqlite3) only reads, or writes what is committed already.
 */
export class Database {
  readonly path: string;
  /** For src/volume alone: everything else goes through `query` and `mutation`. */
  readonly connection: SQLite.Database;
  redo: Redo | undefined;
  inTransaction = false;
  /** Set by Commits: opens the transaction, throws when the metadata has failed. */
  beforeChange: () => void = () => this.begin();
  /** Set by Commits: told of failures that end all changing. */
  onFailure: (errno: number, error: unknown) => void = () => {};
  private readonly queries = new Map<string, Query>();
  private readonly mutations = new Map<string, Mutation>();
  private readonly beginStatement: SQLite.Statement;
  private readonly commitStatement: SQLite.Statement;

  constructor(path: string, options: { readOnly?: boolean } = {}) {
    this.path = path;
    const connection = new SQLite(path, { readonly: options.readOnly, fileMustExist: true, timeout: 5000 });
    this.connection = connection;
    // NORMAL: in WAL mode COMMIT never syncs (commits.ts does), but the header of a reused WAL is synced before its
    // frames are overwritten and a checkpoint syncs before the WAL may be reused. OFF would skip those two as well.
    connection.pragma('synchronous = NORMAL');
    connection.pragma('wal_autocheckpoint = 0');
    connection.pragma(`journal_size_limit = ${WAL_LIMIT}`);
    connection.pragma('cell_size_check = ON');
    connection.pragma('trusted_schema = OFF');
    connection.pragma('temp_store = MEMORY');
    connection.pragma(`cache_size = -${CACHE_KIB}`);
    // An I/O error under a memory map is a SIGBUS that kills the daemon instead of an errno.
    connection.pragma('mmap_size = 0');
    registerFunctions(connection);
    this.beginStatement = connection.prepare('BEGIN IMMEDIATE');
    this.commitStatement = connection.prepare('COMMIT');
  }

  /** A statement of ours that SQLite does not understand: the schema in the file is not the one we made. */
  private prepare(sql: string): SQLite.Statement {
    try {
      return this.connection.prepare(sql);
    } catch (error) {
      throw new VolumeError('DAMAGED', `${this.path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /**
   * The query of that text, prepared once. `LIMIT ?` must be written `LIMIT ? + 0`: SQLite plans with the value of a bare
   * parameter, and so prepares the statement anew each time it is bound (measured: 30 µs against 2).
   */
  query(sql: string): Query {
    let query = this.queries.get(sql);
    if (!query) {
      if (/\bLIMIT \?\d*(?!\d| \+ 0)/.test(sql)) throw new TypeError(`a bare LIMIT parameter: ${sql}`);
      query = new Query(this, sql, this.prepare(sql));
      this.queries.set(sql, query);
    }
    return query;
  }

  /** The mutation of that text, prepared once. */
  mutation(sql: string): Mutation {
    let mutation = this.mutations.get(sql);
    if (!mutation) {
      mutation = new Mutation(this, this.mutations.size, sql, this.prepare(sql));
      this.mutations.set(sql, mutation);
    }
    return mutation;
  }

  /** For Commits. */
  begin(): void {
    try {
      this.beginStatement.run();
    } catch (error) {
      throw this.failure(error);
    }
    this.inTransaction = true;
  }

  /** For Commits: writes the transaction to the -wal file, unsynced. */
  commit(): void {
    try {
      this.commitStatement.run();
    } catch (error) {
      throw this.failure(error);
    }
    this.inTransaction = false;
  }

  /** For Commits. SQLite may have rolled back by itself already. */
  rollback(): void {
    this.inTransaction = false;
    if (this.connection.inTransaction) this.connection.exec('ROLLBACK');
  }

  /** What to throw for an error of SQLite: a failure of storage becomes a MetadataError and is announced first. */
  failure(error: unknown): unknown {
    if (!(error instanceof SQLite.SqliteError)) return error;
    const errno = errnoOf(error.code);
    if (errno === 0) return error;
    this.onFailure(errno, error);
    return new MetadataError(errno, `metadata: ${error.message} (${error.code})`, error);
  }
}

/** Positive errno for a result code that says the storage failed; 0 for those that say the statement was wrong. */
function errnoOf(code: string): number {
  if (code === 'SQLITE_FULL') return E.NOSPC;
  for (const prefix of ['SQLITE_IOERR', 'SQLITE_CORRUPT', 'SQLITE_NOTADB', 'SQLITE_CANTOPEN', 'SQLITE_PROTOCOL']) {
    if (code.startsWith(prefix)) return E.IO;
  }
  if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_PERM')) return E.ROFS;
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) return E.IO;
  return code.startsWith('SQLITE_NOMEM') ? E.NOMEM : 0;
}
