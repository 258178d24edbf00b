import { nodeId } from './nodes.ts';

/**
 * Nodes of files under `.layout/direct`. Each look-up gives a new one, so that no two opens share pages: a revoked
 * mapping must not live on the pages of another holder's. The kernel's FORGET ends a node.
 */
export class Directs {
  private readonly nodes = new Map<number, { ino: number; lookups: number }>();
  private next = 1;

  create(ino: number): number {
    // Above all inode numbers, which the attributes show under the same area.
    const node = nodeId('direct', 2 ** 47 + this.next++);
    this.nodes.set(node, { ino, lookups: 1 });
    return node;
  }

  /** 0: no such node. */
  inoOf(node: number): number {
    return this.nodes.get(node)?.ino ?? 0;
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
}
