import fs from 'node:fs';
import { join } from 'node:path';
import { S } from '../../src/namespace/inode.ts';
import { addressOf } from '../../src/system/libc.ts';
import type { Client } from './client.ts';

interface NameRow {
  name: Buffer;
  ino: number;
}

const PIECE = 1 << 20;

/** Copies the tree of a volume that was just opened to a folder of the host: what the programs would find there. */
export function extract(client: Client, folder: string): void {
  const { volume, house } = client;
  const names = volume.database.query('SELECT name, ino FROM dentry WHERE parent = ? ORDER BY name');
  const target = volume.database.query('SELECT target FROM symlink WHERE ino = ?');
  const made = new Map<number, string>();
  const bytes = Buffer.alloc(PIECE);
  const walk = (parent: number, path: string): void => {
    for (const { name, ino } of names.all<NameRow>(parent)) {
      const to = join(path, name.toString());
      const inode = house.fs.inodes.get(ino);
      if (inode === undefined) throw new Error(`inode ${ino} of ${to} is missing`);
      const first = made.get(ino);
      if (first !== undefined) fs.linkSync(first, to);
      else if (inode.isDirectory) {
        fs.mkdirSync(to, { mode: inode.mode & 0o7777 });
        walk(ino, to);
      } else if ((inode.mode & S.IFMT) === S.IFLNK) {
        fs.symlinkSync((target.get<{ target: Buffer }>(ino) as { target: Buffer }).target, to);
      } else if (inode.isRegular) {
        made.set(ino, to);
        const fd = fs.openSync(to, 'wx', inode.mode & 0o7777);
        for (let at = 0; at < inode.size; ) {
          const n = house.fs.blockmap.read(inode, at, Math.min(PIECE, inode.size - at), addressOf(bytes));
          if (n <= 0) throw new Error(`${to} cannot be read at ${at}: ${n}`);
          fs.writeSync(fd, bytes, 0, n, at);
          at += n;
        }
        fs.closeSync(fd);
      }
    }
  };
  walk(1, folder);
}
