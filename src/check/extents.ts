import { MAX_FILE_BLOCKS } from '../blockmap/extent.ts';
import type { Check, Context } from './context.ts';
import { S_IFREG, TYPE } from './modes.ts';

export interface Extent {
  ino: number;
  file_block: number;
  device_block: number;
  length: number;
  state: number;
}

/** Extents of each file by themselves: in the file's limits, without overlap, on the device, and counted right. */
export const extents: Check = {
  name: 'extents',
  async run(context) {
    await owners(context);
    await fileLimits(context);
    await overlaps(context);
    await deviceLimits(context);
    await sums(context);
    context.report.totals.extents = context.value('SELECT count(*) FROM extent') ?? 0;
  },
};

function remove(context: Context, extent: Extent): void {
  context.run('DELETE FROM extent WHERE ino = ? AND file_block = ?', extent.ino, extent.file_block);
}

/** Puts the file blocks [from, to) of an extent into a table of extents. */
function insertPart(context: Context, table: string, extent: Extent, from: number, to: number): void {
  if (to <= from) return;
  context.run(
    `INSERT INTO ${table} (ino, file_block, device_block, length, state) VALUES (?, ?, ?, ?, ?)`,
    extent.ino,
    from,
    extent.device_block + (from - extent.file_block),
    to - from,
    extent.state,
  );
}

async function owners(context: Context): Promise<void> {
  await context.each<{ ino: number; count: number }>(
    `SELECT e.ino, count(*) AS count FROM extent e JOIN inode i ON i.ino = e.ino
       WHERE ${TYPE('i.mode')} <> ${S_IFREG} GROUP BY e.ino`,
    ({ ino, count }) => {
      const message = `inode ${ino} has ${count} extents, and is no regular file`;
      context.found({ code: 'extent-owner', ino, safe: false, message }, () =>
        context.run('DELETE FROM extent WHERE ino = ?', ino),
      );
    },
  );
}

async function fileLimits(context: Context): Promise<void> {
  await context.each<Extent>(
    `SELECT * FROM extent WHERE file_block < 0 OR file_block + length > ${MAX_FILE_BLOCKS}`,
    (extent) => {
      const message = `inode ${extent.ino}: ${extent.length} blocks at file block ${extent.file_block} are beyond what a file can have`;
      context.found({ code: 'extent-file-limit', ino: extent.ino, safe: false, message }, () => {
        remove(context, extent);
        // Nothing tells which blocks of the file an extent before its start had been; behind its end, the rest is right.
        if (extent.file_block >= 0) insertPart(context, 'extent', extent, extent.file_block, MAX_FILE_BLOCKS);
      });
    },
  );
}

async function overlaps(context: Context): Promise<void> {
  // Trimmed extents come back when all are out: before, one may be in the place of another.
  context.db.exec('CREATE TEMP TABLE trimmed AS SELECT * FROM extent WHERE 0');
  await context.each<Extent & { taken: number }>(
    `SELECT * FROM (
       SELECT *, max(file_block + length) OVER (
         PARTITION BY ino ORDER BY file_block ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken FROM extent
     ) WHERE taken > file_block`,
    (extent) => {
      const end = extent.file_block + extent.length;
      const message = `inode ${extent.ino}: the extent at file block ${extent.file_block} overlaps the one before it by ${
        Math.min(extent.taken, end) - extent.file_block
      } blocks; the earlier one is kept`;
      context.found({ code: 'extent-overlap', ino: extent.ino, safe: false, message }, () => {
        remove(context, extent);
        insertPart(context, 'temp.trimmed', extent, extent.taken, end);
      });
    },
  );
  if (context.value('SELECT 1 FROM temp.trimmed') !== undefined) {
    context.run('INSERT INTO extent SELECT * FROM temp.trimmed');
  }
  context.db.exec('DROP TABLE temp.trimmed');
}

async function deviceLimits(context: Context): Promise<void> {
  const { first_block: first, device_blocks: end } = context.volume;
  await context.each<Extent>(
    `SELECT * FROM extent WHERE device_block < ${first} OR device_block + length > ${end}`,
    (extent) => {
      const last = extent.device_block + extent.length - 1;
      const message = `inode ${extent.ino}: file block ${extent.file_block} is at device blocks ${extent.device_block}–${last}, the device has ${first}–${end - 1} for files; what is outside becomes a hole`;
      context.found({ code: 'extent-device-limit', ino: extent.ino, safe: false, message }, () => {
        const shift = extent.file_block - extent.device_block;
        remove(context, extent);
        insertPart(
          context,
          'extent',
          extent,
          Math.max(extent.file_block, first + shift),
          Math.min(extent.file_block + extent.length, end + shift),
        );
      });
    },
  );
}

async function sums(context: Context): Promise<void> {
  await context.each<{ ino: number; blocks: number; right: number }>(
    `SELECT ino, blocks, right FROM (
       SELECT ino, blocks, (SELECT coalesce(sum(length), 0) FROM extent WHERE ino = i.ino) AS right FROM inode i
     ) WHERE blocks <> right`,
    ({ ino, blocks, right }) => {
      const message = `inode ${ino} counts ${blocks} blocks, its extents have ${right}`;
      context.found({ code: 'inode-blocks', ino, safe: true, message }, () =>
        context.run('UPDATE inode SET blocks = ? WHERE ino = ?', right, ino),
      );
    },
  );
}
