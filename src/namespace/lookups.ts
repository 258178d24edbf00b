/** log2 of the first size; a million inodes end at 2^21 slots of 10 bytes. */
const FIRST_BITS = 10;
const SLOT_BYTES = 10;

/** Memory that a table lives in; one that outlives the process lets the next daemon of a mount go on with it. */
export interface TableMemory {
  /** Zeroed bytes, which the next `publish` makes the table. */
  allocate(bytes: number): ArrayBuffer;
  /** The memory allocated last is the table from now on, of 2^bits slots; the one before is given back. */
  publish(bits: number): void;
  /** What an earlier process published. */
  existing(): { memory: ArrayBuffer; bits: number } | undefined;
}

const ownMemory: TableMemory = {
  allocate: (bytes) => new ArrayBuffer(bytes),
  publish: () => {},
  existing: () => undefined,
};

/**
 * How often the kernel knows each inode: `nlookup` of the FUSE protocol. It counts every reply that carries an
 * entry and gives the counts back by FORGET. Open addressing in typed arrays (about 20 bytes an inode at a
 * million), because this table is as large as the kernel's own inode cache, whatever our cache holds.
 *
 * Inode numbers must be below 2^48. The stores are in such an order that a process that dies between any two of them
 * leaves no count that is too low or belongs to another inode; an inode may be there twice (see `adopt`).
 */
export class Lookups {
  private bits = FIRST_BITS;
  private low!: Uint32Array;
  private high!: Uint16Array;
  private counts!: Uint32Array;
  private used = 0;
  private readonly memory: TableMemory;

  constructor(memory: TableMemory = ownMemory) {
    this.memory = memory;
    const found = memory.existing();
    if (found) this.adopt(found.memory, found.bits);
    else {
      this.lay(memory.allocate(SLOT_BYTES << FIRST_BITS), FIRST_BITS);
      memory.publish(FIRST_BITS);
    }
  }

  /** Number of inodes that the kernel knows. */
  get size(): number {
    return this.used;
  }

  /** Memory of the table, in bytes. */
  get bytes(): number {
    return this.counts.length * SLOT_BYTES;
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
      this.counts[gap] = 0;
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
    this.lay(this.memory.allocate(SLOT_BYTES << bits), bits);
    for (let i = 0; this.used > 0 && i < counts.length; i++) {
      if (counts[i] === 0) continue;
      const slot = this.slotOf(high[i] * 2 ** 32 + low[i]);
      this.low[slot] = low[i];
      this.high[slot] = high[i];
      this.counts[slot] = counts[i];
    }
    this.memory.publish(bits);
  }

  private lay(memory: ArrayBuffer, bits: number): void {
    const slots = 1 << bits;
    this.bits = bits;
    this.counts = new Uint32Array(memory, 0, slots);
    this.low = new Uint32Array(memory, slots * 4, slots);
    this.high = new Uint16Array(memory, slots * 8, slots);
  }

  /** Takes over the table of a process that died: into new memory, since it may have died in the middle of a removal. */
  private adopt(memory: ArrayBuffer, bits: number): void {
    this.lay(memory, bits);
    const { low, high, counts } = this;
    this.lay(this.memory.allocate(SLOT_BYTES << bits), bits);
    for (let i = 0; i < counts.length; i++) {
      if (counts[i] === 0) continue;
      const slot = this.slotOf(high[i] * 2 ** 32 + low[i]);
      if (this.counts[slot] === 0) this.used++;
      this.low[slot] = low[i];
      this.high[slot] = high[i];
      // Twice there: it was being moved.
      this.counts[slot] = Math.max(this.counts[slot], counts[i]);
    }
    this.memory.publish(bits);
  }
}
