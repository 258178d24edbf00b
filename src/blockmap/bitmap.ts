/**
 * Bits in 32-bit words, bit set = in use. Bit b is bit b % 8 of byte b / 8 in `space.bitmap`; words are little-endian,
 * as are all hosts this runs on. Positions and lengths are bits (blocks of a group).
 */
export type Bitmap = Int32Array;

/** Bits [start, start + length) of a word that are in [from, to); `to` may lie beyond the word. */
function maskOf(from: number, to: number): number {
  const high = to >= 32 ? -1 : (1 << to) - 1;
  return high & (-1 << from);
}

/** Sets or clears a range; answers how many bits changed. */
export function fillRange(words: Bitmap, start: number, length: number, set: boolean): number {
  let changed = 0;
  const end = start + length;
  for (let at = start; at < end; ) {
    const word = at >>> 5;
    const base = word << 5;
    const mask = maskOf(at - base, end - base);
    const old = words[word];
    const now = set ? old | mask : old & ~mask;
    if (now !== old) {
      changed += popcount(old ^ now);
      words[word] = now;
    }
    at = base + 32;
  }
  return changed;
}

/** Position of the first set bit in [from, size), or size. */
export function nextSet(words: Bitmap, from: number, size: number): number {
  return scan(words, from, size, 0);
}

/** Position of the first clear bit in [from, size), or size. */
export function nextClear(words: Bitmap, from: number, size: number): number {
  return scan(words, from, size, -1);
}

function scan(words: Bitmap, from: number, size: number, flip: number): number {
  if (from >= size) return size;
  let word = from >>> 5;
  const last = (size - 1) >>> 5;
  let bits = (words[word] ^ flip) & (-1 << (from & 31));
  while (bits === 0) {
    if (++word > last) return size;
    bits = words[word] ^ flip;
  }
  const at = (word << 5) + (31 - Math.clz32(bits & -bits));
  return Math.min(at, size);
}

/** First clear bit of the run of clear bits that ends before `from` (which need not be clear itself). */
export function runStart(words: Bitmap, from: number): number {
  let at = from;
  while (at > 0) {
    if ((at & 31) === 0 && words[(at >>> 5) - 1] === 0) at -= 32;
    else if ((words[(at - 1) >>> 5] >>> ((at - 1) & 31)) & 1) break;
    else at--;
  }
  return at;
}

/** Number of set bits in [start, start + length). */
export function countSet(words: Bitmap, start: number, length: number): number {
  let count = 0;
  const end = start + length;
  for (let at = start; at < end; ) {
    const word = at >>> 5;
    const base = word << 5;
    count += popcount(words[word] & maskOf(at - base, end - base));
    at = base + 32;
  }
  return count;
}

function popcount(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
