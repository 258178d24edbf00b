import type { Check, Context } from './context.ts';
import { insertInode, takeInodeNumber } from './inodes.ts';
import { ROOT, S_IFDIR, S_IFMT, TYPE } from './modes.ts';
import { freeName, insertName, removeName, show } from './names.ts';

const DIRECTORY = (mode: string): string => `${TYPE(mode)} = ${S_IFDIR}`;

/** The tree: every directory has one name and the right `..`, and everything hangs below the root. */
export const tree: Check = {
  name: 'tree',
  async run(context) {
    await oneName(context);
    await parents(context);
    context.db.exec('CREATE TEMP TABLE reached (ino INTEGER PRIMARY KEY)');
    await directories(context);
    await files(context);
    context.db.exec('DROP TABLE temp.reached');
  },
};

/** A directory has one name: the one in the directory that it has for its parent, else its oldest. */
async function oneName(context: Context): Promise<void> {
  await context.each<{ ino: number; parent: number; name: Buffer }>(
    `SELECT ino, parent, name FROM (
       SELECT d.ino, d.parent, d.name, row_number() OVER (
         PARTITION BY d.ino ORDER BY d.parent <> i.parent, d.parent, d.cookie) AS place
       FROM inode i JOIN dentry d ON d.ino = i.ino WHERE ${DIRECTORY('i.mode')} AND i.ino <> ${ROOT}
     ) WHERE place > 1`,
    (entry) => {
      const message = `directory ${entry.ino} has a second name, ${show(entry.name)} in directory ${entry.parent}`;
      context.found({ code: 'directory-names', ino: entry.ino, safe: false, message }, () =>
        removeName(context, entry),
      );
    },
  );
}

async function parents(context: Context): Promise<void> {
  await context.each<{ ino: number; parent: number; right: number }>(
    `SELECT i.ino, i.parent, d.parent AS right FROM inode i JOIN dentry d ON d.ino = i.ino
       WHERE ${DIRECTORY('i.mode')} AND i.ino <> ${ROOT} GROUP BY i.ino HAVING count(*) = 1 AND i.parent <> d.parent
     UNION ALL SELECT ino, parent, ${ROOT} FROM inode WHERE ino = ${ROOT} AND parent <> ${ROOT}`,
    ({ ino, parent, right }) => {
      const message = `directory ${ino} has ${parent} for its parent, its name is in ${right}`;
      context.found({ code: 'directory-parent', ino, safe: true, message }, () =>
        context.run('UPDATE inode SET parent = ? WHERE ino = ?', right, ino),
      );
    },
  );
}

/** Walks the directories from the root; what is not reached has lost its name or hangs in a ring. */
async function directories(context: Context): Promise<void> {
  reach(context, ROOT);
  const unreached = `SELECT i.ino FROM inode i WHERE ${DIRECTORY('i.mode')} AND i.ino NOT IN (SELECT ino FROM temp.reached)`;
  // An unlinked directory that is still open, or leased below, has no name and no entries.
  await context.each<{ ino: number }>(
    `${unreached} AND NOT EXISTS (SELECT 1 FROM dentry WHERE ino = i.ino)
       AND NOT (i.nlink = 0 AND NOT EXISTS (SELECT 1 FROM dentry WHERE parent = i.ino))`,
    ({ ino }) => {
      const message = `directory ${ino} has no name`;
      context.found({ code: 'directory-lost', ino, safe: false, message }, () => attach(context, ino));
      reach(context, ino);
    },
  );
  for (;;) {
    await context.pause();
    const start = context.value(`${unreached} AND EXISTS (SELECT 1 FROM dentry WHERE ino = i.ino) LIMIT 1`);
    if (start === undefined) break;
    const ino = ringAbove(context, start);
    const entry = context.row<{ parent: number; name: Buffer }>('SELECT parent, name FROM dentry WHERE ino = ?', ino);
    const message = `directory ${ino} is inside itself`;
    context.found({ code: 'directory-ring', ino, safe: false, message }, () => {
      if (entry) removeName(context, entry);
      attach(context, ino);
    });
    reach(context, ino);
  }
}

/** Adds a directory and all below it to `reached`. */
function reach(context: Context, from: number): void {
  context.run(
    `INSERT OR IGNORE INTO temp.reached
       WITH RECURSIVE below (ino) AS (
         VALUES (?) UNION SELECT d.ino FROM below JOIN dentry d ON d.parent = below.ino JOIN inode i ON i.ino = d.ino
         WHERE ${DIRECTORY('i.mode')}
       ) SELECT ino FROM below`,
    from,
  );
}

/** Going up from a directory that the root does not reach ends in a ring: a directory of that ring. */
function ringAbove(context: Context, start: number): number {
  const seen = new Set<number>();
  let ino = start;
  while (!seen.has(ino)) {
    seen.add(ino);
    const parent = context.value('SELECT parent FROM dentry WHERE ino = ?', ino);
    if (parent === undefined) break;
    ino = parent;
  }
  return ino;
}

async function files(context: Context): Promise<void> {
  await context.each<{ ino: number }>(
    `SELECT ino FROM inode WHERE NOT ${DIRECTORY('mode')} AND nlink > 0 AND ino <> ${ROOT}
       AND ino NOT IN (SELECT ino FROM dentry)`,
    ({ ino }) => {
      const message = `inode ${ino} has links, and no name`;
      context.found({ code: 'file-lost', ino, safe: false, message }, () => attach(context, ino));
    },
  );
}

/** Gives an inode without a name one in /lost+found. Link counts are set right by `links`, which runs later. */
function attach(context: Context, ino: number): void {
  const home = lostAndFound(context);
  const mode = context.value('SELECT mode FROM inode WHERE ino = ?', ino) ?? 0;
  insertName(context, home, freeName(context, home, `#${ino}`), ino, mode);
  context.run('DELETE FROM orphan WHERE ino = ?', ino);
  if ((mode & S_IFMT) === S_IFDIR) {
    context.run('UPDATE inode SET parent = ?, nlink = max(nlink, 2) WHERE ino = ?', home, ino);
  }
}

function lostAndFound(context: Context): number {
  const there = context.row<{ ino: number }>(
    `SELECT d.ino FROM dentry d JOIN inode i ON i.ino = d.ino
       WHERE d.parent = ${ROOT} AND d.name = ? AND ${DIRECTORY('i.mode')}`,
    Buffer.from('lost+found'),
  );
  if (there) return there.ino;
  const ino = takeInodeNumber(context);
  insertInode(context, { ino, mode: S_IFDIR | 0o700, nlink: 2, parent: ROOT, nextCookie: 1 });
  insertName(context, ROOT, freeName(context, ROOT, 'lost+found'), ino, S_IFDIR);
  context.run(`UPDATE inode SET nlink = nlink + 1 WHERE ino = ${ROOT}`);
  reach(context, ino);
  return ino;
}

/** Link counts: a file has as many as names, a directory two and one for each directory in it. */
export const links: Check = {
  name: 'links',
  async run(context) {
    context.db.exec(`CREATE TEMP TABLE name_count (ino INTEGER PRIMARY KEY, count INTEGER)`);
    context.run('INSERT INTO temp.name_count SELECT ino, count(*) FROM dentry GROUP BY ino');
    await context.each<{ ino: number; nlink: number; right: number }>(
      `SELECT ino, nlink, right FROM (
         SELECT i.ino, i.nlink, CASE WHEN ${DIRECTORY('i.mode')}
           THEN 2 + (SELECT count(*) FROM dentry d JOIN inode c ON c.ino = d.ino WHERE d.parent = i.ino AND ${DIRECTORY('c.mode')})
           ELSE n.count END AS right
         FROM inode i LEFT JOIN temp.name_count n ON n.ino = i.ino WHERE n.ino IS NOT NULL OR i.ino = ${ROOT}
       ) WHERE nlink <> right`,
      ({ ino, nlink, right }) => {
        const message = `inode ${ino} has link count ${nlink}, should be ${right}`;
        context.found({ code: 'link-count', ino, safe: true, message }, () =>
          context.run('UPDATE inode SET nlink = ? WHERE ino = ?', right, ino),
        );
      },
    );
    context.db.exec('DROP TABLE temp.name_count');
  },
};
