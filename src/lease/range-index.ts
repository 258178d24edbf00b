/**
 * Ranges with masks: a treap ordered by start, each node knowing the largest end and the union of the masks below it. So
 * "which classes of lease overlap here" is answered in O(log n) however many leases overlap, and single ones are listed only
 * when somebody has to be recalled or named. Priorities come from the id, so the shape depends on nothing else.
 */

export interface Ranged {
  readonly id: number;
}

interface Node<T> {
  start: number;
  end: number;
  readonly id: number;
  readonly value: T;
  readonly priority: number;
  near: number;
  far: number;
  maxEnd: number;
  allNear: number;
  allFar: number;
  left: Node<T> | undefined;
  right: Node<T> | undefined;
}

/** Mixes the bits of an id (a 32-bit finaliser), so that ids in order do not make a list of the tree. */
function mix(id: number): number {
  let h = id | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

function pull<T>(node: Node<T>): Node<T> {
  let maxEnd = node.end;
  let near = node.near;
  let far = node.far;
  const { left, right } = node;
  if (left) {
    if (left.maxEnd > maxEnd) maxEnd = left.maxEnd;
    near |= left.allNear;
    far |= left.allFar;
  }
  if (right) {
    if (right.maxEnd > maxEnd) maxEnd = right.maxEnd;
    near |= right.allNear;
    far |= right.allFar;
  }
  node.maxEnd = maxEnd;
  node.allNear = near;
  node.allFar = far;
  return node;
}

function before<T>(start: number, id: number, node: Node<T>): boolean {
  return start < node.start || (start === node.start && id < node.id);
}

/** Two trees of which all of `a` is before all of `b`. */
function merge<T>(a: Node<T> | undefined, b: Node<T> | undefined): Node<T> | undefined {
  if (!a) return b;
  if (!b) return a;
  if (a.priority > b.priority) {
    a.right = merge(a.right, b);
    return pull(a);
  }
  b.left = merge(a, b.left);
  return pull(b);
}

export class RangeIndex<T extends Ranged> {
  size = 0;
  /** Answer of the last `masks`. */
  near = 0;
  far = 0;
  private root: Node<T> | undefined;

  /** Half-open [start, end). The same value may be put in under several starts. */
  insert(start: number, end: number, value: T, near = 0, far = 0): void {
    const node: Node<T> = {
      start,
      end,
      id: value.id,
      value,
      priority: mix(value.id * 31 + (start % 0x7fffffff)),
      near,
      far,
      maxEnd: end,
      allNear: near,
      allFar: far,
      left: undefined,
      right: undefined,
    };
    this.root = this.put(this.root, node);
    this.size++;
  }

  remove(start: number, value: T): boolean {
    const size = this.size;
    this.root = this.cut(this.root, start, value.id);
    return this.size < size;
  }

  /** New masks for a range that is in. */
  mark(start: number, value: T, near: number, far: number): void {
    this.root = this.remark(this.root, start, value.id, near, far);
  }

  /** Unions of the masks of all ranges that overlap [start, end), into `near` and `far`. */
  masks(start: number, end: number): void {
    this.near = 0;
    this.far = 0;
    this.collect(this.root, start, end);
  }

  any(start: number, end: number): boolean {
    return this.each(start, end, () => true);
  }

  /** In order of start. `visit` returns true to stop; so does each. The index must not change meanwhile. */
  each(start: number, end: number, visit: (value: T, start: number, end: number) => boolean | undefined): boolean {
    return walk(this.root, start, end, visit);
  }

  /** A list, for those who change the index as they go. */
  overlapping(start: number, end: number): T[] {
    const found: T[] = [];
    this.each(start, end, (value) => {
      found.push(value);
      return false;
    });
    return found;
  }

  private put(tree: Node<T> | undefined, node: Node<T>): Node<T> {
    if (!tree) return node;
    if (node.priority > tree.priority) {
      this.split(tree, node.start, node.id);
      node.left = this.low;
      node.right = this.high;
      return pull(node);
    }
    if (before(node.start, node.id, tree)) tree.left = this.put(tree.left, node);
    else tree.right = this.put(tree.right, node);
    return pull(tree);
  }

  private low: Node<T> | undefined;
  private high: Node<T> | undefined;

  private split(tree: Node<T> | undefined, start: number, id: number): void {
    if (!tree) {
      this.low = undefined;
      this.high = undefined;
      return;
    }
    if (before(start, id, tree)) {
      this.split(tree.left, start, id);
      tree.left = this.high;
      this.high = pull(tree);
    } else {
      this.split(tree.right, start, id);
      tree.right = this.low;
      this.low = pull(tree);
    }
  }

  private cut(tree: Node<T> | undefined, start: number, id: number): Node<T> | undefined {
    if (!tree) return undefined;
    if (tree.start === start && tree.id === id) {
      this.size--;
      return merge(tree.left, tree.right);
    }
    if (before(start, id, tree)) tree.left = this.cut(tree.left, start, id);
    else tree.right = this.cut(tree.right, start, id);
    return pull(tree);
  }

  private remark(tree: Node<T> | undefined, start: number, id: number, near: number, far: number): Node<T> | undefined {
    if (!tree) return undefined;
    if (tree.start === start && tree.id === id) {
      tree.near = near;
      tree.far = far;
    } else if (before(start, id, tree)) this.remark(tree.left, start, id, near, far);
    else this.remark(tree.right, start, id, near, far);
    return pull(tree);
  }

  private collect(node: Node<T> | undefined, start: number, end: number): void {
    // What is below adds nothing to what was found: with many alike leases the walk ends at once.
    if (!node || node.maxEnd <= start) return;
    if ((node.allNear & ~this.near) === 0 && (node.allFar & ~this.far) === 0) return;
    if (node.start < end) {
      if (node.end > start) {
        this.near |= node.near;
        this.far |= node.far;
      }
      this.collect(node.left, start, end);
      this.collect(node.right, start, end);
    } else this.collect(node.left, start, end);
  }
}

function walk<T>(
  node: Node<T> | undefined,
  start: number,
  end: number,
  visit: (value: T, start: number, end: number) => boolean | undefined,
): boolean {
  if (!node || node.maxEnd <= start) return false;
  if (walk(node.left, start, end, visit)) return true;
  if (node.start >= end) return false;
  if (node.end > start && visit(node.value, node.start, node.end)) return true;
  return walk(node.right, start, end, visit);
}
