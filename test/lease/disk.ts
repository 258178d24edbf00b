/** The device and the files of the lease engine's world: block maps small enough to check every block after every step. */
import type { Leases } from '../../src/lease/leases.ts';
import type { Run } from '../../src/lease/ports.ts';

export const BLOCK = 4096;

export interface Block {
  device: number;
  unwritten: boolean;
}

export interface File {
  ino: number;
  blocks: Map<number, Block>;
  /** In blocks. */
  size: number;
  gen: number;
  sealed: number;
  linked: boolean;
}

export abstract class Disk {
  files = new Map<number, File>();
  /** Device blocks in use by files or quarantine. */
  used = new Set<number>();
  deviceBlocks: number;
  /** How often each block was given back: whoever still maps one must see no change of it. */
  freed = new Map<number, number>();
  abstract leases: Leases;

  constructor(deviceBlocks: number) {
    this.deviceBlocks = deviceBlocks;
  }

  create(ino: number, blocks: number, unwritten = false): File {
    const file: File = { ino, blocks: new Map(), size: blocks, gen: 1, sealed: 0, linked: true };
    this.files.set(ino, file);
    for (let i = 0; i < blocks; i++) this.fill(file, i, unwritten);
    return file;
  }

  file(ino: number): File {
    const file = this.files.get(ino);
    if (!file) throw new Error(`no file ${ino}`);
    return file;
  }

  fill(file: File, block: number, unwritten = false): boolean {
    for (let device = 0; device < this.deviceBlocks; device++) {
      if (this.used.has(device)) continue;
      this.used.add(device);
      file.blocks.set(block, { device, unwritten });
      return true;
    }
    return false;
  }

  protected release(start: number, length: number): void {
    for (let block = start; block < start + length; block++) {
      if (!this.used.delete(block)) throw new Error(`block ${block} is freed twice`);
      this.freed.set(block, (this.freed.get(block) ?? 0) + 1);
    }
  }

  protected drop(file: File, block: number): void {
    const entry = file.blocks.get(block);
    if (!entry) return;
    file.blocks.delete(block);
    if (this.leases.dispose(file.ino, block, entry.device, 1) === 'free') this.release(entry.device, 1);
  }

  destroy(file: File): void {
    for (const block of [...file.blocks.keys()]) this.drop(file, block);
    this.files.delete(file.ino);
  }

  protected facts(ino: number, offset: number, end: number) {
    const file = this.files.get(ino);
    if (!file) return undefined;
    const last = Math.min(file.size, Number.isFinite(end) ? end / BLOCK : file.size);
    let hole = false;
    let unwritten = false;
    for (let block = offset / BLOCK; block < last; block++) {
      const entry = file.blocks.get(block);
      if (!entry) hole = true;
      else if (entry.unwritten) unwritten = true;
    }
    return { regular: true, size: file.size * BLOCK, gen: file.gen, hole, shared: false, unwritten, misaligned: false };
  }

  protected extents(ino: number, offset: number, end: number): Run[] {
    const runs: Run[] = [];
    for (const [block, entry] of this.files.get(ino)?.blocks ?? []) {
      if (block * BLOCK >= offset && block * BLOCK < end) runs.push({ start: entry.device, length: 1 });
    }
    return runs;
  }

  protected move(ino: number, offset: number, end: number): number {
    const file = this.files.get(ino);
    if (!file) return 2;
    const blocks = [...file.blocks.keys()].filter((block) => block * BLOCK >= offset && block * BLOCK < end);
    if (this.deviceBlocks - this.used.size < blocks.length) return 28;
    for (const block of blocks) {
      const old = file.blocks.get(block) as Block;
      this.fill(file, block, old.unwritten);
      if (this.leases.dispose(ino, block, old.device, 1) === 'free') this.release(old.device, 1);
    }
    if (blocks.length > 0) file.gen++;
    return 0;
  }
}
