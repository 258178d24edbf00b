import type { Dentries } from '../../src/namespace/dentries.ts';
import { S } from '../../src/namespace/inode.ts';
import { addressOf } from '../../src/system/libc.ts';
import type { Client } from './client.ts';

/** What a user can see of a volume, taken apart into what commits atomically and what does not. */
export interface Dump {
  /** Names, attributes, leases, quarantine: one line each. All of it must come out of one commit. */
  readonly metadata: string;
  /** Contents by inode number, of all files with a name. */
  readonly contents: ReadonlyMap<number, Buffer>;
}

interface NameRow {
  name: Buffer;
  ino: number;
  type: number;
}

const LIVE = "('GRANTED', 'RECALLED', 'FENCING', 'FENCE_FAILED', 'ORPHANED')";

/** Reads the volume as it is now, in memory or just opened. Access times are left out: they are written lazily. */
export function dump({ volume, house }: Client): Dump {
  const { inodes, blockmap, dentries } = house.fs;
  const { database } = volume;
  const lines: string[] = [];
  const contents = new Map<number, Buffer>();
  const seen = new Set<number>();
  const names = database.query('SELECT name, ino, type FROM dentry WHERE parent = ? ORDER BY name');
  const xattrs = database.query('SELECT name, value FROM xattr WHERE ino = ? ORDER BY name');
  const target = database.query('SELECT target FROM symlink WHERE ino = ?');
  const leases = database.query(
    `SELECT id, ino, kind, mode, offset, length, seq, raw FROM lease WHERE state IN ${LIVE} ORDER BY id`,
  );
  const rows = leases.all<{ ino: number }>();
  const held = new Set(rows.map(({ ino }) => ino));

  const describe = (ino: number): void => {
    if (seen.has(ino)) return;
    seen.add(ino);
    const inode = inodes.get(ino);
    if (inode === undefined) {
      lines.push(`inode ${ino} is missing`);
      return;
    }
    const { mode, uid, gid, nlink, size, blocks, flags, sealed, mtimeS, mtimeNs, ctimeS, ctimeNs } = inode;
    lines.push(
      `inode ${ino} ${mode.toString(8)} ${uid}:${gid} n${nlink} s${size} b${blocks} f${flags} sealed${sealed}`,
    );
    lines.push(`times ${ino} ${mtimeS}.${mtimeNs} ${ctimeS}.${ctimeNs}`);
    for (const { name, value } of xattrs.all<{ name: Buffer; value: Buffer }>(ino)) {
      lines.push(`xattr ${ino} ${name.toString('latin1')}=${value.toString('hex')}`);
    }
    const link = target.get<{ target: Buffer }>(ino);
    if (link) lines.push(`symlink ${ino} ${link.target.toString('latin1')}`);
    if ((mode & S.IFMT) === S.IFREG) {
      const bytes = Buffer.alloc(size);
      const r = size === 0 ? 0 : blockmap.read(inode, 0, size, addressOf(bytes));
      if (r !== size) lines.push(`contents ${ino} cannot be read: ${r}`);
      contents.set(ino, bytes);
      // A holder, or a seal, was told which blocks these are (leases.md I10, I16).
      if (sealed !== 0 || held.has(ino)) {
        for (const { fileBlock, deviceBlock, length } of joined(blockmap.extents(ino, 0, 1000))) {
          lines.push(`extent ${ino} ${fileBlock} ${deviceBlock} ${length}`);
        }
      }
    }
  };
  const walk = (parent: number): void => {
    describe(parent);
    for (const { name, ino, type } of present(names.all<NameRow>(parent), dentries.waiting(parent))) {
      lines.push(`name ${parent} ${name.toString('latin1')} ${ino} ${type}`);
      if (type === 4) walk(ino);
      else describe(ino);
    }
  };
  walk(1);
  for (const row of rows) lines.push(`lease ${JSON.stringify(row)}`);
  for (const row of database.query('SELECT device_block, length, lease FROM quarantine ORDER BY 1').all()) {
    lines.push(`quarantine ${JSON.stringify(row)}`);
  }
  return { metadata: lines.join('\n'), contents };
}

/** The names of a directory: what its rows say, and above them what waits to be written (a look must not write it). */
function present(rows: readonly NameRow[], waiting: ReturnType<Dentries['waiting']>): NameRow[] {
  const out = new Map(rows.map((row) => [row.name.toString('latin1'), row]));
  for (const { name, ino, type } of waiting) {
    if (ino === 0) out.delete(name);
    else out.set(name, { name: Buffer.from(name, 'latin1'), ino, type });
  }
  return [...out.values()].sort((a, b) => Buffer.compare(a.name, b.name));
}

interface Run {
  fileBlock: number;
  deviceBlock: number;
  length: number;
}

/** Runs that differ only in their state are one: a conversion does not change the map. */
function joined(rows: readonly Run[]): Run[] {
  const out: Run[] = [];
  for (const { fileBlock, deviceBlock, length } of rows) {
    const last = out.at(-1);
    const touches =
      last && last.fileBlock + last.length === fileBlock && last.deviceBlock + last.length === deviceBlock;
    if (touches) last.length += length;
    else out.push({ fileBlock, deviceBlock, length });
  }
  return out;
}
