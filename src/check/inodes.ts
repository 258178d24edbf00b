import { MAX_FILE_BLOCKS } from '../blockmap/extent.ts';
import type { Check, Context } from './context.ts';
import { HIGHEST_INO, MAX_FILE_BYTES, ROOT, S_IFDIR, S_IFLNK, S_IFREG, TYPE, TYPE_VALID } from './modes.ts';

/** Rows of `inode`: each field in its limits, the root there, and no inode lost of which other tables still tell. */
export const inodes: Check = {
  name: 'inodes',
  async run(context) {
    await numbers(context);
    await missing(context);
    await types(context);
    await fields(context);
    highest(context);
  },
};

/** Every column that names an inode. The first four bring an inode back when its row is lost (LOST_INODES). */
const REFERENCES = [
  ['extent', 'ino'],
  ['symlink', 'ino'],
  ['dentry', 'parent'],
  ['inode', 'ino'],
  ['dentry', 'ino'],
  ['inode', 'parent'],
  ['xattr', 'ino'],
  ['orphan', 'ino'],
  ['lease', 'ino'],
  ['quarantine', 'ino'],
] as const;

async function numbers(context: Context): Promise<void> {
  const wrong = REFERENCES.slice(0, 4).map(
    ([table, column]) => `SELECT ${column} AS ino FROM ${table} WHERE ${column} NOT BETWEEN ${ROOT} AND ${HIGHEST_INO}`,
  );
  await context.each<{ ino: number }>(wrong.join(' UNION '), ({ ino }) => {
    context.found({ code: 'inode-number', ino, safe: false, message: `inode number ${ino} is out of range` }, () => {
      const fresh = takeInodeNumber(context);
      for (const [table, column] of REFERENCES) {
        context.run(`UPDATE ${table} SET ${column} = ? WHERE ${column} = ?`, fresh, ino);
      }
    });
  });
}

/** The highest inode number that any row names, of those that there can be. */
function highestInUse(context: Context): number {
  const each = REFERENCES.map(
    ([table, column]) => `SELECT max(${column}) AS ino FROM ${table} WHERE ${column} <= ${HIGHEST_INO}`,
  );
  return context.value(`SELECT max(ino) FROM (${each.join(' UNION ALL ')})`) ?? ROOT;
}

/** An inode number that was never used. */
export function takeInodeNumber(context: Context): number {
  const next = context.value('SELECT next_ino FROM volume') ?? 0;
  const ino = Math.max(next <= HIGHEST_INO + 1 ? next : 0, highestInUse(context) + 1);
  context.run('UPDATE volume SET next_ino = ?', ino + 1);
  return ino;
}

/** What rows without an inode are evidence of, the strongest last. */
const EVIDENCE = [
  { type: S_IFLNK, kind: 'symbolic link' },
  { type: S_IFREG, kind: 'file' },
  { type: S_IFDIR, kind: 'directory' },
];

/** SQL: numbers without an inode row of which other rows still tell; `evidence` is an index of EVIDENCE. */
export const LOST_INODES = `
  SELECT ino, max(evidence) AS evidence FROM (
    SELECT ino, 0 AS evidence FROM symlink
    UNION ALL SELECT ino, 1 FROM extent
    UNION ALL SELECT parent, 2 FROM dentry
    UNION ALL SELECT ${ROOT}, 2
  ) WHERE ino NOT IN (SELECT ino FROM inode) GROUP BY ino`;

async function missing(context: Context): Promise<void> {
  await context.each<{ ino: number; evidence: number }>(LOST_INODES, ({ ino, evidence }) => {
    const { type, kind } = EVIDENCE[evidence];
    const message =
      ino === ROOT ? 'the root directory has no inode' : `the inode of a ${kind} is gone, its content is not`;
    context.found({ code: ino === ROOT ? 'root-missing' : 'inode-missing', ino, safe: false, message }, () =>
      rebuild(context, ino, type),
    );
  });
}

/** Makes an inode again from what is left of it; only root may read it, as nobody knows who might. */
function rebuild(context: Context, ino: number, type: number): void {
  const parent = type === S_IFDIR ? (context.value('SELECT parent FROM dentry WHERE ino = ?', ino) ?? ROOT) : 0;
  const size =
    type === S_IFREG
      ? Math.min(
          MAX_FILE_BYTES,
          context.volume.block_size *
            (context.value('SELECT max(file_block + length) FROM extent WHERE ino = ? AND state <> 0', ino) ?? 0),
        )
      : type === S_IFLNK
        ? (context.value('SELECT length(target) FROM symlink WHERE ino = ?', ino) ?? 0)
        : 0;
  const blocks = Math.min(MAX_FILE_BLOCKS, context.value('SELECT sum(length) FROM extent WHERE ino = ?', ino) ?? 0);
  const cookie = (context.value('SELECT max(cookie) FROM dentry WHERE parent = ?', ino) ?? 0) + 1;
  const mode = ino === ROOT ? S_IFDIR | 0o755 : type | (type === S_IFDIR ? 0o700 : type === S_IFLNK ? 0o777 : 0o600);
  insertInode(context, { ino, mode, nlink: type === S_IFDIR ? 2 : 1, size, blocks, parent, nextCookie: cookie });
}

export function insertInode(
  context: Context,
  row: { ino: number; mode: number; nlink: number; size?: number; blocks?: number; parent: number; nextCookie: number },
): void {
  const { now } = context;
  context.run(
    `INSERT INTO inode (ino, mode, uid, gid, nlink, size, blocks, parent, next_cookie,
       atime_s, atime_ns, mtime_s, mtime_ns, ctime_s, ctime_ns, btime_s, btime_ns)
     VALUES (?, ?, 0, 0, ?, ?, ?, ?, ?, ?, 0, ?, 0, ?, 0, ?, 0)`,
    row.ino,
    row.mode,
    row.nlink,
    row.size ?? 0,
    row.blocks ?? 0,
    row.parent,
    row.nextCookie,
    now,
    now,
    now,
    now,
  );
}

async function types(context: Context): Promise<void> {
  await context.each<{ ino: number; mode: number; names: number; extents: number; target: number }>(
    `SELECT ino, mode, EXISTS (SELECT 1 FROM dentry WHERE parent = i.ino) AS names,
       EXISTS (SELECT 1 FROM extent WHERE ino = i.ino) AS extents, EXISTS (SELECT 1 FROM symlink WHERE ino = i.ino) AS target
     FROM inode i WHERE NOT ${TYPE_VALID('mode')} OR mode > 65535 OR (ino = ${ROOT} AND ${TYPE('mode')} <> ${S_IFDIR})`,
    (row) => {
      const isDirectory = row.ino === ROOT || row.names;
      const type = isDirectory ? S_IFDIR : row.target && !row.extents ? S_IFLNK : S_IFREG;
      const code = row.ino === ROOT ? 'root-type' : 'inode-type';
      context.found(
        { code, ino: row.ino, safe: false, message: `mode 0${row.mode.toString(8)} has no valid file type` },
        () => context.run('UPDATE inode SET mode = ? WHERE ino = ?', type | (row.mode & 0o7777), row.ino),
      );
    },
  );
}

/** Limits of single columns: where `wrong` holds, `mend` is assigned. */
const FIELDS: { code: string; wrong: string; mend: string; says: string; safe: boolean }[] = [
  ...['atime', 'mtime', 'ctime', 'btime'].map((time) => ({
    code: 'inode-time',
    wrong: `${time}_ns NOT BETWEEN 0 AND 999999999`,
    mend: `${time}_ns = 0`,
    says: `${time} has nanoseconds out of range`,
    safe: true,
  })),
  {
    code: 'inode-owner',
    wrong: 'uid NOT BETWEEN 0 AND 4294967295 OR gid NOT BETWEEN 0 AND 4294967295',
    mend: 'uid = CASE WHEN uid BETWEEN 0 AND 4294967295 THEN uid ELSE 0 END, gid = CASE WHEN gid BETWEEN 0 AND 4294967295 THEN gid ELSE 0 END',
    says: 'owner or group is no 32-bit number',
    safe: false,
  },
  {
    code: 'inode-size',
    wrong: `${TYPE('mode')} = ${S_IFREG} AND size > ${MAX_FILE_BYTES}`,
    mend: `size = min(${MAX_FILE_BYTES}, (SELECT block_size FROM volume) * min(${MAX_FILE_BLOCKS},
      coalesce((SELECT max(file_block + length) FROM extent WHERE extent.ino = inode.ino), 0)))`,
    says: `size is above the limit of ${MAX_FILE_BYTES} bytes`,
    safe: false,
  },
  {
    code: 'inode-sealed',
    wrong: `sealed NOT IN (0, 1, 2) OR (sealed <> 0 AND ${TYPE('mode')} <> ${S_IFREG})`,
    mend: 'sealed = 0',
    says: 'the seal is no known one, or on something that is no regular file',
    safe: false,
  },
  {
    code: 'inode-parent',
    wrong: `parent <> 0 AND ${TYPE('mode')} <> ${S_IFDIR}`,
    mend: 'parent = 0',
    says: 'has a parent directory recorded without being a directory',
    safe: true,
  },
  {
    code: 'inode-generation',
    wrong: 'gen < 0',
    mend: 'gen = (SELECT 1 + max(0, max(gen)) FROM inode)',
    says: 'generation of the block map is negative',
    safe: true,
  },
];

async function fields(context: Context): Promise<void> {
  for (const field of FIELDS) {
    await context.each<{ ino: number }>(`SELECT ino FROM inode WHERE ${field.wrong}`, ({ ino }) => {
      context.found({ code: field.code, ino, safe: field.safe, message: `inode ${ino}: ${field.says}` }, () =>
        context.run(`UPDATE inode SET ${field.mend} WHERE ino = ?`, ino),
      );
    });
  }
}

/** `next_ino` is above every number in use, before a repair takes one: numbers are never used twice. */
function highest(context: Context): void {
  const used = highestInUse(context);
  const next = context.value('SELECT next_ino FROM volume') ?? 0;
  if (next > used && next <= HIGHEST_INO + 1) return;
  const message = `next_ino is ${next}, inode ${used} is or was there`;
  context.found({ code: 'next-ino', safe: true, message }, () =>
    context.run('UPDATE volume SET next_ino = ?', used + 1),
  );
}
