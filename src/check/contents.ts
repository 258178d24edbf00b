import type { Check, Context } from './context.ts';
import { LOST_INODES } from './inodes.ts';
import { S_IFDIR, S_IFLNK, S_IFREG, TYPE } from './modes.ts';

const TARGET_MAX = 4095;
const XATTR_NAME_MAX = 255;
const XATTR_VALUE_MAX = 65536;

/** Every symbolic link has a target, as long as its size says, and nothing else has one. */
export const symlinks: Check = {
  name: 'symlinks',
  async run(context) {
    const wrong = `length(target) NOT BETWEEN 1 AND ${TARGET_MAX} OR instr(target, x'00') > 0`;
    await context.each<{ ino: number }>(
      `SELECT ino FROM inode i WHERE ${TYPE('mode')} = ${S_IFLNK}
         AND NOT EXISTS (SELECT 1 FROM symlink WHERE ino = i.ino AND NOT (${wrong}))`,
      ({ ino }) => {
        const message = `symbolic link ${ino} has no valid target`;
        context.found({ code: 'symlink-target', ino, safe: false, message }, () => {
          const other = contentType(context, ino);
          if (other !== 0) context.run('UPDATE inode SET mode = ? WHERE ino = ?', other | 0o600, ino);
          else forget(context, ino);
          context.run('DELETE FROM symlink WHERE ino = ?', ino);
        });
      },
    );
    await context.each<{ ino: number }>(
      `SELECT s.ino FROM symlink s JOIN inode i USING (ino) WHERE ${TYPE('i.mode')} <> ${S_IFLNK}`,
      ({ ino }) => {
        const message = `inode ${ino} has a link target, and is no symbolic link`;
        context.found({ code: 'symlink-stray', ino, safe: false, message }, () =>
          context.run('DELETE FROM symlink WHERE ino = ?', ino),
        );
      },
    );
    await context.each<{ ino: number; size: number; length: number }>(
      `SELECT ino, size, length(target) AS length FROM inode JOIN symlink USING (ino)
         WHERE ${TYPE('mode')} = ${S_IFLNK} AND size <> length(target) AND NOT (${wrong})`,
      ({ ino, size, length }) => {
        const message = `symbolic link ${ino} has size ${size}, its target has ${length} bytes`;
        context.found({ code: 'symlink-size', ino, safe: true, message }, () =>
          context.run('UPDATE inode SET size = ? WHERE ino = ?', length, ino),
        );
      },
    );
  },
};

/** What an inode that is no symbolic link must be, by what it has; 0 when it has nothing. */
function contentType(context: Context, ino: number): number {
  if (context.value('SELECT 1 FROM dentry WHERE parent = ?', ino) !== undefined) return S_IFDIR;
  return context.value('SELECT 1 FROM extent WHERE ino = ?', ino) !== undefined ? S_IFREG : 0;
}

/** Nothing tells where the link led: it goes, with its names. */
function forget(context: Context, ino: number): void {
  context.run('DELETE FROM dentry WHERE ino = ?', ino);
  for (const table of ['inode', 'xattr', 'orphan']) context.run(`DELETE FROM ${table} WHERE ino = ?`, ino);
}

/** Extended attributes belong to an inode, and their names and values are in the limits of xattr(7). */
export const xattrs: Check = {
  name: 'xattrs',
  async run(context) {
    await context.each<{ ino: number; count: number }>(
      'SELECT ino, count(*) AS count FROM xattr WHERE ino NOT IN (SELECT ino FROM inode) GROUP BY ino',
      ({ ino, count }) => {
        const message = `${count} extended attributes of inode ${ino}, which does not exist`;
        const lost = context.value(`SELECT 1 FROM (${LOST_INODES}) WHERE ino = ?`, ino) !== undefined;
        // An inode that can still be rebuilt keeps its attributes until it is.
        context.found({ code: 'xattr-stray', ino, safe: !lost, message }, () =>
          context.run('DELETE FROM xattr WHERE ino = ?', ino),
        );
      },
    );
    await context.each<{ ino: number; name: Buffer }>(
      `SELECT ino, name FROM xattr WHERE length(name) NOT BETWEEN 1 AND ${XATTR_NAME_MAX}
         OR instr(name, x'00') > 0 OR length(value) > ${XATTR_VALUE_MAX}`,
      ({ ino, name }) => {
        const message = `inode ${ino}: attribute ${JSON.stringify(name.toString('latin1'))} is beyond the limits of xattr(7)`;
        context.found({ code: 'xattr-limit', ino, safe: false, message }, () =>
          context.run('DELETE FROM xattr WHERE ino = ? AND name = ?', ino, name),
        );
      },
    );
  },
};

/** The orphan table lists the inodes that lost their last name and no others: the next mount removes what it lists. */
export const orphans: Check = {
  name: 'orphans',
  async run(context) {
    await context.each<{ ino: number; present: number }>(
      `SELECT o.ino, i.ino IS NOT NULL AS present FROM orphan o LEFT JOIN inode i USING (ino)
         WHERE i.ino IS NULL OR i.nlink > 0`,
      ({ ino, present }) => {
        const code = present ? 'orphan-linked' : 'orphan-stray';
        const message = present ? `inode ${ino} is listed as an orphan, and has links` : `orphan ${ino} has no inode`;
        context.found({ code, ino, safe: true, message }, () => context.run('DELETE FROM orphan WHERE ino = ?', ino));
      },
    );
    await context.each<{ ino: number }>(
      `SELECT ino FROM inode i WHERE nlink = 0 AND ino NOT IN (SELECT ino FROM orphan)
         AND ino NOT IN (SELECT ino FROM dentry)`,
      ({ ino }) => {
        const message = `inode ${ino} has no links and is not listed as an orphan: it would never be removed`;
        context.found({ code: 'orphan-missing', ino, safe: true, message }, () =>
          context.run('INSERT INTO orphan (ino) VALUES (?)', ino),
        );
      },
    );
  },
};
