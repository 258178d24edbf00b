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

/** Extents of each file by themselves: on the device, in the file's limits, without overlap, and counted right. */
export const extents: Check = {
  name: 'extents',
  async run(context) {
    await owners(context);
    await limits(context);
    await overlaps(context);
    await sums(context);
    context.report.totals.extents = context.value('SELECT count(*) FROM extent') ?? 0;
  },
};

/** Leaves of an extent only the file blocks of [from, to). */
export function trimExtent(context: Context, extent: Extent, from: number, to: number): void {
  context.run('DELETE FROM extent WHERE ino = ? AND file_block = ?', extent.ino, extent.file_block);
  const length = to - from;
  if (length <= 0) return;
  context.run(
    'INSERT INTO extent (ino, file_block, device_block, length, state) VALUES (?, ?, ?, ?, ?)',
    extent.ino,
    from,
    extent.device_block + (from - extent.file_block),
    length,
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

async function limits(context: Context): Promise<void> {
  const { first_block: first, device_blocks: end } = context.volume;
  await context.each<Extent>(
    `SELECT * FROM extent WHERE file_block < 0 OR file_block + length > ${MAX_FILE_BLOCKS}`,
    (extent) => {
      const message = `inode ${extent.ino}: ${extent.length} blocks at file block ${extent.file_block} are beyond what a file can have`;
      context.found({ code: 'extent-file-limit', ino: extent.ino, safe: false, message }, () =>
        trimExtent(
          context,
          extent,
          Math.max(0, extent.file_block),
          Math.min(MAX_FILE_BLOCKS, extent.file_block + extent.length),
        ),
      );
    },
  );
  await context.each<Extent>(
    `SELECT * FROM extent WHERE device_block < ${first} OR device_block + length > ${end}`,
    (extent) => {
      const message = `inode ${extent.ino}: file block ${extent.file_block} is at device blocks ${extent.device_block}–${
        extent.device_block + extent.length - 1
      }, the device has ${first}–${end - 1} for files; what is outside becomes a hole`;
      context.found({ code: 'extent-device-limit', ino: extent.ino, safe: false, message }, () => {
        const shift = extent.file_block - extent.device_block;
        const from = Math.max(extent.file_block, first + shift);
        trimExtent(context, extent, from, Math.min(extent.file_block + extent.length, end + shift));
      });
    },
  );
}

async function overlaps(context: Context): Promise<void> {
  await context.each<Extent & { taken: number }>(
    `SELECT * FROM (
       SELECT *, max(file_block + length) OVER (
         PARTITION BY ino ORDER BY file_block ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken FROM extent
     ) WHERE taken > file_block`,
    (extent) => {
      const message = `inode ${extent.ino}: the extent at file block ${extent.file_block} overlaps the one before it by ${
        Math.min(extent.taken, extent.file_block + extent.length) - extent.file_block
      } blocks; the earlier one is kept`;
      context.found({ code: 'extent-overlap', ino: extent.ino, safe: false, message }, () =>
        trimExtent(context, extent, extent.taken, extent.file_block + extent.length),
      );
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
