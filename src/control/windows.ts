import type { LeaseView } from '../lease/api.ts';
import type { WindowPort } from '../lease/ports.ts';
import { E } from '../system/errno.ts';
import { Coherence } from './coherence.ts';
import { NUMBER } from './handle.ts';
import { Invalidations } from './invalidations.ts';
import type { ControlPorts } from './ports.ts';
import type { Place, Span, WindowRange } from './windowrange.ts';

/** Pieces of a device window that are dropped one by one; of more, all from the first to the last. */
const MANY = 64;

/** No node. */
const NOBODY = 0;

/** The windows that the daemon serves and that are open, by lease; revocation of a lease closes them here. */
export class Windows implements WindowPort {
  readonly ports: ControlPorts;
  readonly coherence: Coherence;
  /** Told of every node before its pages are dropped because a lease is over. */
  onRefused: (node: number) => void = () => {};
  private readonly invalidations: Invalidations;
  private readonly open = new Map<number, Map<WindowRange, number>>();
  /** By node: windows under `.layout/direct` share one, those of one lease too. */
  private readonly showing = new Map<number, Set<WindowRange>>();

  /** Leases that a device window was opened of, and the handle under which the journal keeps that; 0: as an open window. */
  private readonly bared = new Map<number, number>();
  /** Of leases that were split: the bytes of the file that are theirs in windows that show more. */
  private readonly within = new Map<number, Span>();

  constructor(ports: ControlPorts) {
    this.ports = ports;
    this.invalidations = new Invalidations(ports.notifier);
    this.coherence = new Coherence(ports, this.invalidations, (node, from, to) => this.spans(node, from, to));
  }

  /** `node`: the inode of the kernel that shows the range. */
  opened(range: WindowRange, node: number): void {
    const ranges = this.open.get(range.lease) ?? new Map<WindowRange, number>();
    ranges.set(range, node);
    this.open.set(range.lease, ranges);
    const showing = this.showing.get(node) ?? new Set<WindowRange>();
    showing.add(range);
    this.showing.set(node, showing);
    this.coherence.add(range.ino, node);
    this.ports.leases.windowOpened(range.lease, 'guarded');
  }

  /** Bytes [offset, end) of the lease are another lease from now on: what shows them is closed when that one ends. */
  split(lease: number, rest: number, offset: number, end: number): void {
    const { from } = this.within.get(lease) ?? { from: 0 };
    for (const [range, node] of this.open.get(lease) ?? []) {
      if (!range.touches(offset, end)) continue;
      this.within.set(lease, { from, to: offset });
      this.shows(range, node, [{ id: rest, offset, length: end - offset }]);
    }
    if (!this.bared.has(lease)) return;
    const { numbers } = this.ports;
    this.bared.set(rest, 0);
    if (numbers) this.keepBared(rest, numbers[NUMBER.HANDLE]++);
  }

  /** A window shows these leases, and of each its own bytes. */
  shows(range: WindowRange, node: number, leases: readonly Pick<LeaseView, 'id' | 'offset' | 'length'>[]): void {
    for (const { id, offset, length } of leases) {
      this.within.set(id, { from: offset, to: offset + length });
      if (id === range.lease) continue;
      range.also.push(id);
      const ranges = this.open.get(id) ?? new Map<WindowRange, number>();
      this.open.set(id, ranges.set(range, node));
    }
  }

  released(range: WindowRange, node: number): void {
    for (const lease of [range.lease, ...range.also]) {
      const ranges = this.open.get(lease);
      ranges?.delete(range);
      if (ranges?.size !== 0) continue;
      this.open.delete(lease);
      this.within.delete(lease);
    }
    const showing = this.showing.get(node);
    showing?.delete(range);
    if (showing?.size === 0) {
      this.showing.delete(node);
      this.coherence.remove(range.ino, node);
    }
    for (const lease of [range.lease, ...range.also]) this.ports.leases.windowClosed(lease, 'guarded');
  }

  /** A device window of the lease was opened: whoever has it stores into blocks by himself. */
  bare(lease: number, handle = this.bared.get(lease) ?? 0): void {
    this.bared.set(lease, handle);
  }

  /** The device window is closed: what was stored through it is still to be committed, maybe to another daemon. */
  keepBared(lease: number, handle: number): void {
    if (this.bared.get(lease) !== 0) return;
    this.bared.set(lease, handle);
    this.ports.journal?.put(handle, { kind: 'bared', lease });
  }

  /** Of the lease, or of one that it is under. */
  isBared(lease: number): boolean {
    if (this.bared.has(lease)) return true;
    const parent = this.ports.leases.find(lease)?.parent ?? 0;
    return parent !== 0 && this.isBared(parent);
  }

  /** Nodes that show the lease. */
  nodesOf(lease: number): number[] {
    return [...new Set(this.open.get(lease)?.values() ?? [])];
  }

  /**
   * Nobody reads or stores through the windows of the lease in [offset, end) any more, then `done(0)`: reads are refused from now
   * on, the kernel writes the dirty pages back and unmaps, step by step, and then writes are refused too.
   *
   * EBUSY where a node (under `.layout/direct`) also shows the range for another lease that lives: the pages that it
   * brings in are in reach of every mapping of that node. It comes right when that lease ends or either file is closed.
   */
  close(lease: number, _ino: number, from: number, to: number, done: (errno: number) => void): void {
    const own = this.within.get(lease);
    const offset = Math.max(from, own?.from ?? 0);
    const end = Math.min(to, own?.to ?? Number.POSITIVE_INFINITY);
    if (offset >= end) return done(0);
    const ranges = [...(this.open.get(lease) ?? [])].filter(([range]) => range.touches(offset, end));
    const nodes = [...new Set(ranges.map(([, node]) => node))];
    for (const [range] of ranges) range.refuseReads(offset, end);
    for (const node of nodes) this.onRefused(node);
    this.invalidate(nodes, offset, end).then(async (errno) => {
      for (const [range] of ranges) range.refuseWrites(offset, end);
      if (errno !== 0 || !this.isShared(nodes, lease)) return done(errno);
      // Others may have been closed meanwhile, and have brought pages in before that: once more.
      const again = this.isShown(nodes, lease, offset, end) ? E.BUSY : await this.invalidate(nodes, offset, end);
      done(again);
    });
  }

  private isShared(nodes: number[], lease: number): boolean {
    return nodes.some((node) => [...(this.showing.get(node) ?? [])].some((range) => range.lease !== lease));
  }

  /** Can pages of the range still come into the nodes, for another lease? */
  private isShown(nodes: number[], lease: number, offset: number, end: number): boolean {
    const shows = (range: WindowRange): boolean =>
      range.lease !== lease &&
      range.touches(offset, end) &&
      range.mayRead(Math.max(offset, range.offset), Math.min(end, range.end));
    return nodes.some((node) => [...(this.showing.get(node) ?? [])].some(shows));
  }

  /** The lease is over (returned, released): its windows refuse everything. */
  ended(lease: number): void {
    const kept = this.bared.get(lease) ?? 0;
    if (kept !== 0) this.ports.journal?.drop(kept);
    this.bared.delete(lease);
    if (this.open.has(lease)) this.close(lease, 0, 0, Number.POSITIVE_INFINITY, () => {});
  }

  abandoned(ino: number, offset: number, end: number): void {
    this.coherence.changed(ino, offset, end - offset, NOBODY);
  }

  /** Writes the dirty pages of a lease's windows back and drops them, then calls `done`; nothing is refused. EBUSY as `Coherence.drop`. */
  flush(lease: number, ino: number, offset: number, length: number, done: (errno: number) => void): void {
    this.coherence.drop(ino, offset, length, done, this.nodesOf(lease));
  }

  private async invalidate(nodes: number[], offset: number, end: number): Promise<number> {
    for (const node of nodes) {
      const places = this.placed(node);
      const spans = places.length > 0 ? places.flatMap((place) => place.touched()) : [{ from: offset, to: end }];
      const size = places.length > 0 ? Number.POSITIVE_INFINITY : this.sizeBehind(node);
      for (const { from, to } of spans) {
        const errno = await this.invalidations.drop(node, from, to, size);
        if (errno !== 0) return errno;
      }
    }
    return 0;
  }

  /** Where bytes [from, to) of the file are in a node. */
  private spans(node: number, from: number, to: number): Span[] {
    const [place] = this.placed(node);
    if (!place) return [{ from, to }];
    const spans = place.spans(from, to);
    if (spans.length <= MANY) return spans;
    return [{ from: (spans[0] as Span).from, to: (spans.at(-1) as Span).to }];
  }

  private placed(node: number): Place[] {
    return [...(this.showing.get(node) ?? [])].flatMap(({ place }) => place ?? []);
  }

  /** Bytes of the file that a node shows. */
  private sizeBehind(node: number): number {
    for (const range of this.showing.get(node) ?? []) return this.ports.inodes.get(range.ino)?.size ?? 0;
    return 0;
  }
}
