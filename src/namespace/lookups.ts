/** log2 of the first size; a million inodes end at 2^21 slots of 10 bytes. */
const FIRST_BITS = 10;

/**
 * How often the kernel knows each inode: `nlookup` of the FUSE protocol. It counts every reply that carries an
 * entry and gives the counts back by FORGET. Open addressing in typed arrays (about 20 bytes an inode at a
 * million), because this table is as large as the kernel's own inode cache, whatever our cache holds.
 *
 * Inode numbers must be below 2^48.
 */
export class Lookups {
  private bits = FIRST_BITS;
  private low = new Uint32Array(1 << FIRST_BITS);
  private high = new Uint16Array(1 << FIRST_BITS);
  private counts = new Uint32Array(1 << FIRST_BITS);
  private used = 0;

  /** Number of inodes that the kernel knows. */
  get size(): number {
    return this.used;
  }

  /** Memory of the table, in bytes. */
  get bytes(): number {
    return this.counts.length * 10;
  }

  count(ino: number): number {
    return this.counts[this.slotOf(ino)];
  }

  add(ino: number, n = 1): void {
    let slot = this.slotOf(ino);
    if (this.counts[slot] === 0) {
      if ((this.used + 1) * 4 > this.counts.length * 3) {
        this.resize(this.bits + 1);
        slot = this.slotOf(ino);
      }
      this.low[slot] = ino;
      this.high[slot] = ino / 2 ** 32;
      this.used++;
    }
    this.counts[slot] = Math.min(this.counts[slot] + n, 0xffffffff);
  }

  /** Takes `n` back and answers what is left; more than was given leaves 0. */
  subtract(ino: number, n: number): number {
    const slot = this.slotOf(ino);
    const left = Math.max(0, this.counts[slot] - n);
    if (left > 0) this.counts[slot] = left;
    else if (this.counts[slot] > 0) {
      this.removeSlot(slot);
      if (this.bits > FIRST_BITS && this.used * 8 < this.counts.length) this.resize(this.bits - 1);
    }
    return left;
  }

  clear(): void {
    this.used = 0;
    this.resize(FIRST_BITS);
  }

  /** The slot of `ino`, or the free slot where it would go. */
  private slotOf(ino: number): number {
    const mask = this.counts.length - 1;
    const low = ino >>> 0;
    const high = (ino / 2 ** 32) & 0xffff;
    let slot = this.home(low, high);
    while (this.counts[slot] !== 0 && (this.low[slot] !== low || this.high[slot] !== high)) slot = (slot + 1) & mask;
    return slot;
  }

  private home(low: number, high: number): number {
    return Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1) >>> (32 - this.bits);
  }

  /** Closes the gap (backward shift), so that no tombstones gather while files come and go. */
  private removeSlot(slot: number): void {
    const mask = this.counts.length - 1;
    let gap = slot;
    let next = slot;
    for (;;) {
      next = (next + 1) & mask;
      if (this.counts[next] === 0) break;
      const home = this.home(this.low[next], this.high[next]);
      if (((next - home) & mask) < ((next - gap) & mask)) continue;
      this.low[gap] = this.low[next];
      this.high[gap] = this.high[next];
      this.counts[gap] = this.counts[next];
      gap = next;
    }
    this.counts[gap] = 0;
    this.used--;
  }

  private resize(bits: number): void {
    const { low, high, counts } = this;
    this.bits = bits;
    this.low = new Uint32Array(1 << bits);
    this.high = new Uint16Array(1 << bits);
    this.counts = new Uint32Array(1 << bits);
    if (this.used === 0) return;
    const mask = (1 << bits) - 1;
    for (let i = 0; i < counts.length; i++) {
      if (counts[i] === 0) continue;
      let slot = this.home(low[i], high[i]);
      while (this.counts[slot] !== 0) slot = (slot + 1) & mask;
      this.low[slot] = low[i];
      this.high[slot] = high[i];
      this.counts[slot] = counts[i];
    }
  }
}
