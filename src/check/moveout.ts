import { fsyncSync, readSync, writeSync } from 'node:fs';
import { CLAIM } from './claims.ts';
import type { Context } from './context.ts';
import type { Extent } from './extents.ts';

/** Bytes copied at a time. */
const CHUNK = 1 << 20;

/** SQL: runs of device blocks that nobody claims, from `edge` to `next`. The claims begin with the header's at 0. */
const GAPS = `
  SELECT * FROM (
    SELECT max(device_block + length) OVER (ORDER BY device_block) AS edge,
      coalesce(lead(device_block) OVER (ORDER BY device_block), ?) AS next FROM temp.claim
  ) WHERE next > edge`;

/** Whether the unclaimed blocks are enough to move out of [start, stop) what files have there. */
export function hasRoom(context: Context, start: number, stop: number): boolean {
  const needed = context.value(
    'SELECT sum(min(device_block + length, ?) - max(device_block, ?)) FROM extent WHERE device_block < ? AND device_block + length > ?',
    stop,
    start,
    stop,
    start,
  );
  const free = context.value(`SELECT sum(next - edge) FROM (${GAPS})`, context.volume.device_blocks);
  return (free ?? 0) >= (needed ?? 0);
}

/**
 * Moves what files have in device blocks [start, stop) to blocks that nobody claims, copying the data, and switches
 * their extents. Asked only where `hasRoom`.
 */
export function moveOut(context: Context, start: number, stop: number): void {
  const overlapping = context.db
    .prepare('SELECT * FROM extent WHERE device_block < ? AND device_block + length > ?')
    .all(stop, start) as Extent[];
  for (const extent of overlapping) {
    context.run('DELETE FROM extent WHERE ino = ? AND file_block = ?', extent.ino, extent.file_block);
    const from = Math.max(start, extent.device_block);
    const to = Math.min(stop, extent.device_block + extent.length);
    insert(context, extent, extent.device_block, from, extent.device_block);
    for (let at = from; at < to; ) {
      const place = largestGap(context);
      const length = Math.min(place.length, to - at);
      if (length <= 0) throw new Error('no free blocks to move a file out of the quarantine');
      context.run(
        `INSERT INTO temp.claim (device_block, length, kind, ino, file_block) VALUES (?, ?, ${CLAIM.FILE}, ?, 0)`,
        place.start,
        length,
        extent.ino,
      );
      if (extent.state !== 0) copy(context, at, place.start, length);
      insert(context, extent, at, at + length, place.start);
      at += length;
    }
    insert(context, extent, to, extent.device_block + extent.length, to);
    context.run('UPDATE inode SET gen = gen + 1 WHERE ino = ?', extent.ino);
  }
  fsyncSync(context.opened.device.fd);
}

/** Device blocks [from, to) of the old extent, now at `place`. */
function insert(context: Context, extent: Extent, from: number, to: number, place: number): void {
  if (to <= from) return;
  context.run(
    'INSERT INTO extent (ino, file_block, device_block, length, state) VALUES (?, ?, ?, ?, ?)',
    extent.ino,
    extent.file_block + (from - extent.device_block),
    place,
    to - from,
    extent.state,
  );
}

function largestGap(context: Context): { start: number; length: number } {
  const gap = context.row<{ start: number; length: number }>(
    `SELECT edge AS start, next - edge AS length FROM (${GAPS}) ORDER BY length DESC LIMIT 1`,
    context.volume.device_blocks,
  );
  return gap ?? { start: 0, length: 0 };
}

function copy(context: Context, from: number, to: number, blocks: number): void {
  const size = context.volume.block_size;
  const buffer = Buffer.allocUnsafe(CHUNK);
  for (let done = 0; done < blocks * size; ) {
    const length = readSync(
      context.opened.device.fd,
      buffer,
      0,
      Math.min(CHUNK, blocks * size - done),
      from * size + done,
    );
    if (length === 0) throw new Error('the device ends before its last block');
    for (let written = 0; written < length; ) {
      written += writeSync(context.opened.device.fd, buffer, written, length - written, to * size + done + written);
    }
    done += length;
  }
}
