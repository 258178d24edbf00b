/**
 * A segment tree over the groups of the free space: of each subtree the run of free blocks at its left edge, at its
 * right edge, and the longest one, across group borders. So a place for n blocks is found in O(log groups).
 *
 * The values of a leaf may be upper bounds (a group that was not read yet, or was allocated from): who finds a place
 * checks the leaves and corrects them.
 */
export class RunTree {
  private readonly base: number;
  private readonly size: Float64Array;
  private readonly prefix: Float64Array;
  private readonly suffix: Float64Array;
  private readonly best: Float64Array;
  private readonly groupSize: number;
  /** Result of `find`: first group of the run … */
  foundGroup = 0;
  /** … and its first block if it crosses a border of groups, else -1: it lies somewhere inside that group. */
  foundStart = -1;

  /** `free`: blocks free in each group, taken as the first upper bound. */
  constructor(groupSize: number, blocks: number, free: Int32Array) {
    const groups = free.length;
    let base = 1;
    while (base < groups) base *= 2;
    this.base = base;
    this.groupSize = groupSize;
    this.size = new Float64Array(base * 2);
    this.prefix = new Float64Array(base * 2);
    this.suffix = new Float64Array(base * 2);
    this.best = new Float64Array(base * 2);
    for (let g = 0; g < groups; g++) {
      const at = base + g;
      this.size[at] = Math.min(groupSize, blocks - g * groupSize);
      this.prefix[at] = this.suffix[at] = this.best[at] = free[g];
    }
    for (let at = base - 1; at >= 1; at--) {
      this.size[at] = this.size[at * 2] + this.size[at * 2 + 1];
      this.join(at);
    }
  }

  /** Length of the longest run anywhere, or an upper bound of it. */
  get longest(): number {
    return this.best[1];
  }

  bestOf(group: number): number {
    return this.best[this.base + group];
  }

  set(group: number, prefix: number, suffix: number, best: number): void {
    let at = this.base + group;
    this.prefix[at] = prefix;
    this.suffix[at] = suffix;
    this.best[at] = best;
    for (at >>= 1; at >= 1; at >>= 1) this.join(at);
  }

  private join(at: number): void {
    const left = at * 2;
    const right = left + 1;
    const { size, prefix, suffix, best } = this;
    prefix[at] = prefix[left] === size[left] ? size[left] + prefix[right] : prefix[left];
    suffix[at] = suffix[right] === size[right] ? size[right] + suffix[left] : suffix[right];
    best[at] = Math.max(best[left], best[right], suffix[left] + prefix[right]);
  }

  /** Leftmost run of at least `length` blocks that lies in groups from `from` on; false if there is none. */
  find(from: number, length: number): boolean {
    this.carry = 0;
    return this.best[1] >= length && this.visit(1, 0, this.base, from, length);
  }

  private carry = 0;

  private visit(node: number, low: number, high: number, from: number, length: number): boolean {
    if (high <= from || this.size[node] === 0) return false;
    if (low < from) {
      const middle = (low + high) / 2;
      return this.visit(node * 2, low, middle, from, length) || this.visit(node * 2 + 1, middle, high, from, length);
    }
    if (this.carry > 0 && this.carry + this.prefix[node] >= length) return this.crossing(low, this.carry);
    if (this.best[node] >= length) return this.descend(node, low, high, length);
    if (this.prefix[node] === this.size[node]) this.carry += this.size[node];
    else this.carry = this.suffix[node];
    return false;
  }

  private descend(node: number, low: number, high: number, length: number): boolean {
    let at = node;
    let lowAt = low;
    let span = high - low;
    while (at < this.base) {
      const left = at * 2;
      span /= 2;
      if (this.best[left] >= length) at = left;
      else if (this.suffix[left] + this.prefix[left + 1] >= length) {
        return this.crossing(lowAt + span, this.suffix[left]);
      } else {
        at = left + 1;
        lowAt += span;
      }
    }
    this.foundGroup = lowAt;
    this.foundStart = -1;
    return true;
  }

  /** The run begins `before` blocks ahead of the border at the beginning of `group`. */
  private crossing(group: number, before: number): boolean {
    this.foundStart = group * this.groupSize - before;
    this.foundGroup = Math.floor(this.foundStart / this.groupSize);
    return true;
  }
}
