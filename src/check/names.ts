import type { Check, Context } from './context.ts';
import { LOST_INODES } from './inodes.ts';
import { direntType, ROOT, S_IFDIR, TYPE } from './modes.ts';

const NAME_MAX = 255;
/** Cookies are counted up from 1 and are offsets in readdir; nobody counts that far. */
const HIGHEST_COOKIE = 2 ** 51;

/** Directory entries: each is in a directory, leads to an inode, has its type, a legal name and a cookie of its own. */
export const names: Check = {
  name: 'names',
  async run(context) {
    await dangling(context);
    await places(context);
    await spelling(context);
    await types(context);
    await cookies(context);
  },
};

interface Entry {
  parent: number;
  name: Buffer;
  ino: number;
}

/** A name as it is shown in messages; names are bytes, so odd ones are escaped. */
export function show(name: Buffer): string {
  const text = name.toString('utf8');
  return JSON.stringify(Buffer.from(text, 'utf8').equals(name) ? text : name.toString('latin1'));
}

export function removeName(context: Context, entry: { parent: number; name: Buffer }): void {
  context.run('DELETE FROM dentry WHERE parent = ? AND name = ?', entry.parent, entry.name);
}

async function dangling(context: Context): Promise<void> {
  // Of an inode that can be rebuilt the name is kept: `inodes` has reported it.
  await context.each<Entry>(
    `SELECT parent, name, ino FROM dentry WHERE ino NOT IN (SELECT ino FROM inode)
       AND ino NOT IN (SELECT ino FROM (${LOST_INODES}))`,
    (entry) => {
      const message = `${show(entry.name)} in directory ${entry.parent} leads to inode ${entry.ino}, which does not exist`;
      context.found({ code: 'name-dangling', ino: entry.ino, safe: true, message }, () => removeName(context, entry));
    },
  );
}

async function places(context: Context): Promise<void> {
  await context.each<Entry>(
    `SELECT d.parent, d.name, d.ino FROM dentry d JOIN inode p ON p.ino = d.parent WHERE ${TYPE('p.mode')} <> ${S_IFDIR}`,
    (entry) => {
      const message = `${show(entry.name)} is an entry of inode ${entry.parent}, which is no directory`;
      context.found({ code: 'name-place', ino: entry.ino, safe: false, message }, () => removeName(context, entry));
    },
  );
  await context.each<Entry>(`SELECT parent, name, ino FROM dentry WHERE ino = ${ROOT}`, (entry) => {
    const message = `${show(entry.name)} in directory ${entry.parent} leads to the root directory`;
    context.found({ code: 'name-of-root', ino: ROOT, safe: false, message }, () => removeName(context, entry));
  });
}

async function spelling(context: Context): Promise<void> {
  await context.each<Entry & { cookie: number }>(
    `SELECT parent, name, ino, cookie FROM dentry WHERE length(name) NOT BETWEEN 1 AND ${NAME_MAX}
       OR instr(name, x'2f') > 0 OR instr(name, x'00') > 0 OR name IN (x'2e', x'2e2e')`,
    (entry) => {
      const legal = freeName(context, entry.parent, `#${entry.ino}`);
      const message = `${show(entry.name)} in directory ${entry.parent} is no legal name`;
      context.found({ code: 'name-illegal', ino: entry.ino, safe: false, message }, () =>
        context.run('UPDATE dentry SET name = ? WHERE parent = ? AND name = ?', legal, entry.parent, entry.name),
      );
    },
  );
}

/** `wanted`, or `wanted.1`, `wanted.2` … : the first that the directory does not have. */
export function freeName(context: Context, parent: number, wanted: string): Buffer {
  for (let n = 0; ; n++) {
    const name = Buffer.from(n === 0 ? wanted : `${wanted}.${n}`);
    if (context.value('SELECT 1 FROM dentry WHERE parent = ? AND name = ?', parent, name) === undefined) return name;
  }
}

async function types(context: Context): Promise<void> {
  await context.each<Entry & { type: number; mode: number }>(
    `SELECT d.parent, d.name, d.ino, d.type, i.mode FROM dentry d JOIN inode i ON i.ino = d.ino
       WHERE d.type <> ${TYPE('i.mode')} >> 12`,
    (entry) => {
      const right = direntType(entry.mode);
      const message = `${show(entry.name)} in directory ${entry.parent} has type ${entry.type}, its inode ${right}`;
      context.found({ code: 'name-type', ino: entry.ino, safe: true, message }, () =>
        context.run('UPDATE dentry SET type = ? WHERE parent = ? AND name = ?', right, entry.parent, entry.name),
      );
    },
  );
}

async function cookies(context: Context): Promise<void> {
  await context.each<Entry & { cookie: number }>(
    `SELECT parent, name, ino, cookie FROM (
       SELECT parent, name, ino, cookie, row_number() OVER (PARTITION BY parent, cookie ORDER BY ino, type) AS place FROM dentry
     ) WHERE place > 1 OR cookie NOT BETWEEN 0 AND ${HIGHEST_COOKIE}`,
    (entry) => {
      const message = `${show(entry.name)} in directory ${entry.parent} has cookie ${entry.cookie}, which is not its own`;
      context.found({ code: 'cookie-shared', ino: entry.ino, safe: true, message }, () =>
        context.run(
          'UPDATE dentry SET cookie = ? WHERE parent = ? AND name = ?',
          takeCookie(context, entry.parent),
          entry.parent,
          entry.name,
        ),
      );
    },
  );
  await context.each<{ ino: number; next: number; highest: number }>(
    `SELECT ino, next, highest FROM (
       SELECT ino, next_cookie AS next, (SELECT coalesce(max(cookie), 0) FROM dentry WHERE parent = i.ino AND cookie <= ${HIGHEST_COOKIE}) AS highest
       FROM inode i WHERE ${TYPE('mode')} = ${S_IFDIR}
     ) WHERE highest >= next OR next > ${HIGHEST_COOKIE} + 1`,
    ({ ino, next, highest }) => {
      const message = `directory ${ino}: next_cookie is ${next}, the highest in use is ${highest}`;
      context.found({ code: 'next-cookie', ino, safe: true, message }, () =>
        context.run('UPDATE inode SET next_cookie = ? WHERE ino = ?', highest + 1, ino),
      );
    },
  );
}

/** A cookie above all that the directory has or had. */
function takeCookie(context: Context, parent: number): number {
  const next = context.value('SELECT next_cookie FROM inode WHERE ino = ?', parent) ?? 0;
  const used = context.value(`SELECT max(cookie) FROM dentry WHERE parent = ? AND cookie <= ${HIGHEST_COOKIE}`, parent);
  const cookie = Math.max(next <= HIGHEST_COOKIE ? next : 0, (used ?? 0) + 1);
  context.run('UPDATE inode SET next_cookie = ? WHERE ino = ?', cookie + 1, parent);
  return cookie;
}

/** Puts a name into a directory. */
export function insertName(context: Context, parent: number, name: Buffer, ino: number, mode: number): void {
  context.run(
    'INSERT INTO dentry (parent, name, cookie, ino, type) VALUES (?, ?, ?, ?, ?)',
    parent,
    name,
    takeCookie(context, parent),
    ino,
    direntType(mode),
  );
}
