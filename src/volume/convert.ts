import type { Database } from './database.ts';

/**
 * Makes the extents in state 2 within file blocks [from, to) of an inode written, in SQL; a row that reaches beyond the
 * range is split, because its rest may not have reached the device. The block map puts a function of its own in its
 * place (`commits.convert`) to keep its cache right and to merge what touches.
 */
export function convertInDatabase(database: Database): (ino: number, from: number, to: number) => void {
  const overlapping = database
    .query(
      `SELECT file_block, device_block, length FROM extent WHERE ino = ?1 AND state = 2 AND file_block < ?3
       AND file_block >= coalesce((SELECT max(file_block) FROM extent WHERE ino = ?1 AND file_block <= ?2), ?2)`,
    )
    .raw();
  const shorten = database.mutation('UPDATE extent SET length = ?, state = ? WHERE ino = ? AND file_block = ?');
  const insert = database.mutation(
    'INSERT INTO extent (ino, file_block, device_block, length, state) VALUES (?, ?, ?, ?, ?)',
  );
  return (ino, from, to) => {
    for (const [start, device, length] of overlapping.all<[number, number, number]>(ino, from, to)) {
      const end = start + length;
      const a = Math.max(start, from);
      const b = Math.min(end, to);
      if (a >= b) continue;
      if (a > start) {
        shorten.run(a - start, 2, ino, start);
        insert.run(ino, a, device + a - start, b - a, 1);
      } else {
        shorten.run(b - a, 1, ino, start);
      }
      if (b < end) insert.run(ino, b, device + b - start, end - b, 2);
    }
  };
}
