import { ROOT_INO } from '../namespace/inode.ts';
import { NUMBER } from './handle.ts';
import { nodeId } from './nodes.ts';

interface Node {
  ino: number;
  /** As it was looked up last, from the root of the mount. */
  path: Buffer;
  lookups: number;
}

const SLASH = Buffer.from('/');

/**
 * Nodes under `.layout/direct`. A file has one, so that all who have it open see each other's locks, until a lease of
 * somebody who has it open is closed: from then on look-ups give a new one, because a mapping that was revoked must
 * not live on the pages of later holders. The kernel's FORGET ends a node.
 */
export class Directs {
  private readonly nodes = new Map<number, Node>();
  /** By inode number: the node that the next look-up shares. */
  private readonly current = new Map<number, number>();
  private readonly numbers: Float64Array;

  /** `numbers`: see `ControlPorts.numbers`. */
  constructor(numbers: Float64Array = new Float64Array(8)) {
    this.numbers = numbers;
  }

  /** `parent`: node of the directory that the name was looked up in. */
  file(parent: number, name: Uint8Array, ino: number): number {
    let node = this.current.get(ino);
    if (node === undefined) {
      // Above all inode numbers, which the attributes show under the same area.
      node = nodeId('direct', 2 ** 47 + ++this.numbers[NUMBER.DIRECT_NODE]);
      this.current.set(ino, node);
    }
    return this.lookedUp(node, parent, name, ino);
  }

  directory(parent: number, name: Uint8Array, ino: number): number {
    return this.lookedUp(nodeId('tree', ino), parent, name, ino);
  }

  /** Nobody else comes to this node: a mapping of it may be refused, or about to be. */
  retire(node: number): void {
    const ino = this.inoOf(node);
    if (this.current.get(ino) === node) this.current.delete(ino);
  }

  /** A node that an earlier daemon gave out and that is open; nobody else comes to it. */
  restore(node: number, ino: number, path: Buffer): void {
    const known = this.nodes.get(node);
    this.nodes.set(node, { ino, path, lookups: (known?.lookups ?? 0) + 1 });
  }

  /** 0: no such node. */
  inoOf(node: number): number {
    return this.nodes.get(node)?.ino ?? 0;
  }

  pathOf(node: number): Buffer | undefined {
    return this.nodes.get(node)?.path;
  }

  forget(node: number, n: number): void {
    const known = this.nodes.get(node);
    if (!known) return;
    known.lookups -= n;
    if (known.lookups > 0) return;
    this.retire(node);
    this.nodes.delete(node);
  }

  get size(): number {
    return this.nodes.size;
  }

  private lookedUp(node: number, parent: number, name: Uint8Array, ino: number): number {
    const path = this.pathIn(parent, name);
    const known = this.nodes.get(node);
    if (known) Object.assign(known, { path, lookups: known.lookups + 1 });
    else this.nodes.set(node, { ino, path, lookups: 1 });
    return node;
  }

  private pathIn(parent: number, name: Uint8Array): Buffer {
    const above = parent === nodeId('tree', ROOT_INO) ? undefined : this.nodes.get(parent)?.path;
    return Buffer.concat([above ?? Buffer.alloc(0), SLASH, name]);
  }
}
