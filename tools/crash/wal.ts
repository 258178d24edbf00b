/**
 * The part of an SQLite WAL that counts after a crash: whole transactions from its beginning, by the chain of checksums
 * (sqlite.org/fileformat2.html, 4.1 to 4.4). What is behind it SQLite does not look at, so two crashes that differ only there
 * leave the same database.
 */
export function committedPart(wal: Buffer): Buffer {
  if (wal.length < HEADER) return NOTHING;
  const magic = wal.readUInt32BE(0);
  if (magic >>> 1 !== MAGIC >>> 1) return NOTHING;
  const bigEndian = (magic & 1) === 1;
  const sum = { a: 0, b: 0 };
  add(sum, wal, 0, 24, bigEndian);
  if (sum.a !== wal.readUInt32BE(24) || sum.b !== wal.readUInt32BE(28)) return NOTHING;
  const page = wal.readUInt32BE(8);
  let end = 0;
  for (let at = HEADER; at + FRAME + page <= wal.length; at += FRAME + page) {
    // The two salts of the header are in every frame that was written since.
    if (wal.compare(wal, 16, 24, at + 8, at + 16) !== 0) break;
    add(sum, wal, at, at + 8, bigEndian);
    add(sum, wal, at + FRAME, at + FRAME + page, bigEndian);
    if (sum.a !== wal.readUInt32BE(at + 16) || sum.b !== wal.readUInt32BE(at + 20)) break;
    if (wal.readUInt32BE(at + 4) !== 0) end = at + FRAME + page;
  }
  return wal.subarray(0, end);
}

const MAGIC = 0x377f0682;
const HEADER = 32;
const FRAME = 24;
const NOTHING = Buffer.alloc(0);

function add(sum: { a: number; b: number }, bytes: Buffer, from: number, to: number, bigEndian: boolean): void {
  for (let at = from; at < to; at += 8) {
    sum.a = (sum.a + sum.b + (bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at))) >>> 0;
    sum.b = (sum.b + sum.a + (bigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4))) >>> 0;
  }
}
