import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SQLite from 'better-sqlite3';
import { afterEach } from 'vitest';
import { Volume } from '../../src/volume/volume.ts';

export const BLOCK = 4096;
export const FIRST = 256;
/** Two groups of the bitmap, the second a short one. */
export const DEVICE_BLOCKS = 40000;
const NOW = 1_700_000_000;

const DIR = 0o40755;
const FILE = 0o100644;

export interface Fixture {
  image: string;
  /** Runs SQL on the metadata. */
  damage(sql: string): void;
  /** Bytes of the device. */
  write(block: number, bytes: Buffer): void;
  read(block: number, length: number): Buffer;
  /** Rows of a query, to look at what a repair left. */
  rows(sql: string): Record<string, unknown>[];
  value(sql: string): unknown;
}

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/**
 * A small volume that has one of everything: a file with two names, an unwritten extent and blocks behind its end, two
 * files that share blocks, a symbolic link, a FIFO, an orphan, a leased file, a tombstone with a quarantine.
 */
export function volume(): Fixture {
  const folder = mkdtempSync(join(tmpdir(), 'layoutfs-check-'));
  folders.push(folder);
  const image = join(folder, 'v.img');
  Volume.make(image, { size: DEVICE_BLOCKS * BLOCK });
  const open = (): SQLite.Database => new SQLite(`${image}.meta`);
  const db = open();
  populate(db);
  db.close();
  const withDatabase = <T>(use: (db: SQLite.Database) => T): T => {
    const handle = open();
    try {
      return use(handle);
    } finally {
      handle.close();
    }
  };
  const onDevice = <T>(use: (fd: number) => T): T => {
    const handle = openSync(image, 'r+');
    try {
      return use(handle);
    } finally {
      closeSync(handle);
    }
  };
  return {
    image,
    damage: (sql) => withDatabase((handle) => handle.unsafeMode().exec(sql)),
    rows: (sql) => withDatabase((handle) => handle.prepare(sql).all() as Record<string, unknown>[]),
    value: (sql) => withDatabase((handle) => handle.prepare(sql).pluck().get()),
    write: (block, bytes) => onDevice((handle) => void writeSync(handle, bytes, 0, bytes.length, block * BLOCK)),
    read: (block, length) => readFileSync(image).subarray(block * BLOCK, block * BLOCK + length),
  };
}

function populate(db: SQLite.Database): void {
  db.exec('UPDATE volume SET next_ino = 20, next_lease = 3, inodes = 10, sequence = 5, epoch = 2; DELETE FROM inode');
  const inode = db.prepare(
    `INSERT INTO inode (ino, mode, uid, gid, nlink, size, blocks, parent, next_cookie, atime_s, atime_ns, mtime_s, mtime_ns,
       ctime_s, ctime_ns, btime_s, btime_ns) VALUES (?, ?, 0, 0, ?, ?, ?, ?, ?, ?, 0, ?, 0, ?, 0, ?, 0)`,
  );
  const put = (ino: number, mode: number, nlink: number, size = 0, blocks = 0, parent = 0, cookie = 0): void =>
    void inode.run(ino, mode, nlink, size, blocks, parent, cookie, NOW, NOW, NOW, NOW);
  put(1, DIR, 3, 0, 0, 1, 20);
  put(2, DIR, 3, 0, 0, 1, 20);
  put(3, FILE, 2, 10 * BLOCK, 15);
  put(4, FILE, 1, 8 * BLOCK, 8);
  put(5, FILE, 1, 8 * BLOCK, 8);
  put(6, 0o120777, 1, 6);
  put(7, FILE, 0, 2 * BLOCK, 2);
  put(8, DIR, 2, 0, 0, 2, 20);
  put(9, FILE, 1, 16 * BLOCK, 16);
  put(10, 0o10644, 1);
  const dentry = db.prepare('INSERT INTO dentry (parent, name, cookie, ino, type) VALUES (?, ?, ?, ?, ?)');
  const name = (parent: number, text: string, cookie: number, ino: number, type: number): void =>
    void dentry.run(parent, Buffer.from(text), cookie, ino, type);
  name(1, 'd', 3, 2, 4);
  name(1, 'hard', 4, 3, 8);
  name(2, 'a', 3, 3, 8);
  name(1, 'b', 5, 4, 8);
  name(1, 'c', 6, 5, 8);
  name(1, 'l', 7, 6, 10);
  name(2, 'e', 4, 8, 4);
  name(8, 'f', 3, 9, 8);
  name(8, 'fifo', 4, 10, 1);
  db.prepare('INSERT INTO symlink VALUES (6, ?)').run(Buffer.from('target'));
  db.prepare('INSERT INTO xattr VALUES (3, ?, ?)').run(Buffer.from('user.colour'), Buffer.from('red'));
  db.exec('INSERT INTO orphan VALUES (7)');
  db.exec(`INSERT INTO extent VALUES (3, 0, 1000, 10, 1), (3, 20, 2000, 5, 0), (4, 0, 3000, 8, 1), (5, 0, 3000, 8, 1),
    (7, 0, 4000, 2, 1), (9, 0, 5000, 16, 1)`);
  db.exec('INSERT INTO shared VALUES (3000, 3, 2), (3003, 5, 2)');
  db.exec(`INSERT INTO lease (id, ino, path, kind, mode, offset, length, state, seq, bind, uid, pid, pid_start, command, options,
      epoch, granted_s, ended_s, raw)
    VALUES (1, 9, x'2f', 'direct', 'rw', 0, ${16 * BLOCK}, 'GRANTED', 1, 'fd', 0, 1, 1, 'init', '{}', 2, ${NOW}, NULL, 1),
      (2, 3, x'2f', 'layout', 'ro', 0, -1, 'REVOKED', 3, 'fd', 0, 1, 1, 'init', '{}', 1, ${NOW}, ${NOW}, 1)`);
  db.exec(`INSERT INTO quarantine VALUES (6000, 4, 2, 3, 1, 'shrink', ${NOW}), (35000, 2, 2, 3, 1, 'shrink', ${NOW})`);
  group(db, 0, [0, FIRST], [1000, 10], [2000, 5], [3000, 8], [4000, 2], [5000, 16], [6000, 4]);
  group(db, 1, [35000 - 32768, 2]);
}

/** A row of `space`, with runs [start, length] of the group in use. */
function group(db: SQLite.Database, number: number, ...runs: [number, number][]): void {
  const bitmap = Buffer.alloc(4096);
  let used = 0;
  for (const [start, length] of runs) {
    for (let bit = start; bit < start + length; bit++) bitmap[bit >> 3] |= 1 << (bit & 7);
    used += length;
  }
  const blocks = Math.min(32768, DEVICE_BLOCKS - number * 32768);
  db.prepare('INSERT INTO space VALUES (?, ?, ?)').run(number, blocks - used, bitmap);
}
