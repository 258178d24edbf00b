import type SQLite from 'better-sqlite3';

/**
 * SQL functions for notes in the redo log (Mutation.note), so that a bitmap kept in memory can be brought up to date by
 * a statement: `set_bits(bitmap, first, count)` and `clear_bits(bitmap, first, count)`. Bit n is bit n % 8 of byte n / 8.
 */
export function registerFunctions(connection: SQLite.Database): void {
  const options = { deterministic: true, directOnly: true };
  connection.function('set_bits', options, (bitmap, first, count) =>
    fill(bitmap as Uint8Array, Number(first), Number(count), true),
  );
  connection.function('clear_bits', options, (bitmap, first, count) =>
    fill(bitmap as Uint8Array, Number(first), Number(count), false),
  );
}

function fill(bitmap: Uint8Array, first: number, count: number, on: boolean): Buffer {
  const out = Buffer.from(bitmap);
  const end = first + count;
  if (first < 0 || count < 0 || end > out.length * 8)
    throw new RangeError(`bits ${first}+${count} of ${out.length * 8}`);
  for (let bit = first; bit < end; ) {
    if (bit % 8 === 0 && end - bit >= 8) {
      const bytes = Math.floor((end - bit) / 8);
      out.fill(on ? 0xff : 0, bit / 8, bit / 8 + bytes);
      bit += bytes * 8;
    } else {
      const mask = 1 << (bit % 8);
      if (on) out[bit >> 3] |= mask;
      else out[bit >> 3] &= ~mask;
      bit++;
    }
  }
  return out;
}
