import { ROOT_INO } from '../namespace/inode.ts';
import { nodeId } from './nodes.ts';

interface Node {
  ino: number;
  /** As it was looked up, from the root of the mount. */
  path: Buffer;
  lookups: number;
}

const SLASH = Buffer.from('/');

/**
 * Nodes under `.layout/direct`. Of a file each look-up gives a new one, so that no two opens share pages: a revoked
 * mapping must not live on the pages of another holder's. A directory has one. The kernel's FORGET ends a node.
 */
export class Directs {
  private readonly nodes = new Map<number, Node>();
  private next = 1;

  /** `parent`: node of the directory that the name was looked up in. */
  file(parent: number, name: Uint8Array, ino: number): number {
    // Above all inode numbers, which the attributes show under the same area.
    const node = nodeId('direct', 2 ** 47 + this.next++);
    this.nodes.set(node, { ino, path: this.pathIn(parent, name), lookups: 1 });
    return node;
  }

  directory(parent: number, name: Uint8Array, ino: number): number {
    const node = nodeId('tree', ino);
    const lookups = (this.nodes.get(node)?.lookups ?? 0) + 1;
    this.nodes.set(node, { ino, path: this.pathIn(parent, name), lookups });
    return node;
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
    if (known.lookups <= 0) this.nodes.delete(node);
  }

  get size(): number {
    return this.nodes.size;
  }

  private pathIn(parent: number, name: Uint8Array): Buffer {
    const above = parent === nodeId('tree', ROOT_INO) ? undefined : this.nodes.get(parent)?.path;
    return Buffer.concat([above ?? Buffer.alloc(0), SLASH, name]);
  }
}
