import { Lookups, type TableMemory } from '../namespace/lookups.ts';
import type { Clock, Timer } from '../system/clock.ts';
import { nodeOf } from './nodes.ts';

/**
 * Nodes of device windows that the kernel knows: how often it looked each up and has not yet forgotten.
 *
 * This is the proof that nobody reaches a device window any more. A passthrough mapping holds, through the backing file
 * that the kernel mapped in its place, the path it was opened by, and with it the inode; so does every descriptor, also
 * one on its way through a socket, in another namespace or in a process that may not be looked into. Once the name is
 * invalidated nothing else keeps the inode: FORGET comes with the end of the last mapping and descriptor.
 */
export class KernelNodes {
  /** By lease. */
  private readonly counts: Lookups;
  private readonly waiting = new Map<number, ((gone: boolean) => void)[]>();
  private readonly clock: Clock;

  constructor(clock: Clock, memory?: TableMemory) {
    this.clock = clock;
    this.counts = new Lookups(memory);
  }

  /** An entry for the node goes to the kernel: one look-up. */
  remember(node: number): void {
    this.counts.add(leaseOf(node));
  }

  forget(node: number, n: number): void {
    if (this.counts.subtract(leaseOf(node), n) > 0) return;
    const waiting = this.waiting.get(node) ?? [];
    this.waiting.delete(node);
    for (const done of waiting) done(true);
  }

  /** Number of device windows that the kernel knows. */
  get size(): number {
    return this.counts.size;
  }

  known(node: number): boolean {
    return nodeOf(node)?.area === 'device' && this.counts.count(leaseOf(node)) > 0;
  }

  /** `done(true)` when the kernel has forgotten the node, `done(false)` when it has not within `ms`. */
  whenForgotten(node: number, ms: number, done: (gone: boolean) => void): void {
    if (!this.known(node)) return done(true);
    let timer: Timer | undefined;
    const finish = (gone: boolean): void => {
      this.clock.clearTimeout(timer);
      const waiting = this.waiting.get(node);
      if (waiting?.includes(finish)) waiting.splice(waiting.indexOf(finish), 1);
      done(gone);
    };
    timer = this.clock.setTimeout(() => finish(false), ms);
    const waiting = this.waiting.get(node);
    if (waiting) waiting.push(finish);
    else this.waiting.set(node, [finish]);
  }
}

function leaseOf(node: number): number {
  return nodeOf(node)?.number ?? 0;
}
