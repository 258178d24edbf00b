import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { E } from '../../src/system/errno.ts';
import { addressOf } from '../../src/system/libc.ts';
import { checkInvariants, mapOf } from './invariants.ts';
import { FileDevice, inodeOf, openVolume, type TestInode, type TestVolume } from './stand-in.ts';

const BLOCK = 4096;
const BLOCKS = Number(process.env.BLOCKMAP_BLOCKS ?? 72);
const FILES = 3;
const LARGEST = 40 * BLOCK;

type Op =
  | {
      op: 'write' | 'punch' | 'zero' | 'zeroKeep' | 'allocate' | 'unshare' | 'prepare';
      file: number;
      at: number;
      n: number;
    }
  | { op: 'truncate'; file: number; at: number }
  | { op: 'collapse' | 'insert' | 'relocate'; file: number; at: number; n: number }
  | { op: 'share'; file: number; at: number; n: number; from: number; to: number }
  | { op: 'commit' | 'metadata' | 'reopen' | 'forget' }
  | { op: 'remove' | 'settle'; file: number };

// Offsets near borders of blocks are as likely as all others together.
const offset = fc.oneof(
  fc.nat(LARGEST / 2),
  fc.nat(20).map((b) => b * BLOCK),
  fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: -3, max: 3 })).map(([b, d]) => b * BLOCK + d),
);
const length = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 1, max: 6 * BLOCK }),
  fc.integer({ min: 1, max: 8 }).map((b) => b * BLOCK),
);
const file = fc.nat(FILES - 1);
const block = fc.nat(20);
const count = fc.integer({ min: 1, max: 8 });
const ranged = (...ops: string[]): fc.Arbitrary<Op> =>
  fc.record({ op: fc.constantFrom(...ops), file, at: offset, n: length }) as fc.Arbitrary<Op>;
const blocky = (...ops: string[]): fc.Arbitrary<Op> =>
  fc.record({ op: fc.constantFrom(...ops), file, at: block, n: count }) as fc.Arbitrary<Op>;

const anyOp: fc.Arbitrary<Op> = fc.oneof(
  { weight: 8, arbitrary: ranged('write') },
  { weight: 6, arbitrary: ranged('punch', 'zero', 'zeroKeep', 'unshare') },
  { weight: 4, arbitrary: blocky('allocate', 'prepare', 'collapse', 'insert', 'relocate') },
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constant('share' as const), file, at: block, n: count, from: file, to: block }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('truncate' as const), file, at: offset }) },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constantFrom('commit', 'metadata', 'reopen', 'forget') }) as fc.Arbitrary<Op>,
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('remove' as const, 'settle' as const), file }) },
);

/** A share counts for the source too, and a shift moves offsets even where only holes move. */
const alwaysCounts = new Set(['share', 'collapse', 'insert']);

/** Files as byte arrays, beside the real ones. */
class Pair {
  volume: TestVolume;
  readonly device: FileDevice;
  readonly inodes: TestInode[] = [];
  readonly bytes: Buffer[] = [];
  private next = FILES + 1;
  private fill = 1;

  constructor(device: FileDevice) {
    this.device = device;
    this.volume = openVolume({ device, blocks: BLOCKS });
    for (let i = 0; i < FILES; i++) {
      this.inodes.push(inodeOf(i + 1));
      this.bytes.push(Buffer.alloc(0));
    }
  }

  resize(i: number, size: number): void {
    const now = Buffer.alloc(size);
    this.bytes[i].copy(now);
    this.bytes[i] = now;
    this.inodes[i].size = size;
  }

  /** Applies an operation to both; answers the errno that the real one gave. */
  apply(op: Op): number {
    const { volume } = this;
    const { map, commits } = volume;
    switch (op.op) {
      case 'commit':
        commits.commit();
        return 0;
      case 'metadata':
        commits.commit(false);
        return 0;
      case 'reopen':
        this.reopen();
        return 0;
      case 'forget':
        (map as unknown as { core: { extents: { sheets: { clear(): void } } } }).core.extents.sheets.clear();
        return 0;
      default:
        break;
    }
    const i = op.file;
    const inode = this.inodes[i];
    switch (op.op) {
      case 'settle':
        map.settle(inode.ino);
        return 0;
      case 'remove':
        map.remove(inode);
        this.inodes[i] = inodeOf(this.next++);
        this.bytes[i] = Buffer.alloc(0);
        return 0;
      case 'write': {
        const data = Buffer.alloc(op.n, this.fill++ % 255 || 1);
        const r = map.write(inode, op.at, op.n, addressOf(data));
        if (r < 0) return -r;
        expect(r).toBe(op.n);
        if (op.at + op.n > inode.size) this.resize(i, op.at + op.n);
        data.copy(this.bytes[i], op.at);
        return 0;
      }
      case 'truncate': {
        const r = map.truncate(inode, inode.size, op.at);
        if (r === 0) this.resize(i, op.at);
        return r;
      }
      case 'punch':
      case 'zeroKeep':
      case 'zero': {
        const keep = op.op === 'zeroKeep';
        const inPlace = map.zeroIsInPlace(inode, op.at, op.n);
        const before = mapOf(volume, inode.ino);
        const r =
          op.op === 'punch' ? map.punch(inode, op.at, op.n) : map.zeroRange(inode, op.at, op.n, { keepHoles: keep });
        if (r !== 0) return r;
        const end = op.at + op.n;
        if (op.op === 'zero' && end > inode.size) this.resize(i, end);
        if (op.op === 'zero' && inPlace && op.at <= inode.size) expect(mapOf(volume, inode.ino)).toBe(before);
        this.bytes[i].fill(0, Math.min(op.at, inode.size), Math.min(end, inode.size));
        return 0;
      }
      case 'unshare':
        return map.unshare(inode, op.at, op.n);
      case 'allocate':
      case 'prepare': {
        const zero = op.op === 'prepare';
        const r = map.allocate(inode, op.at, op.at + op.n, { zero, align: zero ? 4 : 1, contiguous: zero });
        if (r === 0 && zero && (op.at + op.n) * BLOCK > inode.size) this.resize(i, (op.at + op.n) * BLOCK);
        return r;
      }
      case 'relocate':
        return map.relocate(inode, op.at, op.n, op.n % 2 ? { avoid: { start: 10, length: 30 } } : { contiguous: true });
      case 'collapse': {
        const r = map.collapse(inode, op.at * BLOCK, op.n * BLOCK);
        if (r !== 0) return r;
        const old = this.bytes[i];
        this.bytes[i] = Buffer.concat([old.subarray(0, op.at * BLOCK), old.subarray((op.at + op.n) * BLOCK)]);
        inode.size -= op.n * BLOCK;
        return 0;
      }
      case 'insert': {
        if (inode.size + op.n * BLOCK > LARGEST) return 0;
        const r = map.insert(inode, op.at * BLOCK, op.n * BLOCK);
        if (r !== 0) return r;
        const old = this.bytes[i];
        const gap = Buffer.alloc(op.n * BLOCK);
        this.bytes[i] = Buffer.concat([old.subarray(0, op.at * BLOCK), gap, old.subarray(op.at * BLOCK)]);
        inode.size += op.n * BLOCK;
        return 0;
      }
      case 'share': {
        const source = this.inodes[op.from];
        const n = Math.min(op.n * BLOCK, source.size - op.at * BLOCK);
        const r = map.share(source, op.at * BLOCK, inode, op.to * BLOCK, n);
        if (r !== 0 || n <= 0) return r;
        const data = Buffer.from(this.bytes[op.from].subarray(op.at * BLOCK, op.at * BLOCK + n));
        if (op.to * BLOCK + n > inode.size) this.resize(i, op.to * BLOCK + n);
        data.copy(this.bytes[i], op.to * BLOCK);
        return 0;
      }
    }
  }

  /** Unmount and mount again: everything in memory is read back from the tables. */
  reopen(): void {
    this.volume.commits.commit();
    const image = this.volume.database.connection.serialize();
    this.volume = openVolume({ device: this.device, blocks: BLOCKS, image });
  }

  compare(i: number): void {
    const { size } = this.inodes[i];
    const got = Buffer.alloc(size, 0x55);
    if (size > 0) expect(this.volume.map.read(this.inodes[i], 0, size, addressOf(got))).toBe(size);
    if (got.equals(this.bytes[i])) return;
    const at = got.findIndex((byte, k) => byte !== this.bytes[i][k]);
    throw new Error(`file ${i}: byte ${at} (block ${Math.floor(at / BLOCK)}) is ${got[at]}, not ${this.bytes[i][at]}`);
  }

  /** lseek against the bytes: data is never called a hole, and a hole reads as zeros. */
  checkSeek(i: number): void {
    const inode = this.inodes[i];
    for (let at = 0; at < inode.size; ) {
      const data = this.volume.map.nextData(inode, at);
      const stop = data < 0 ? inode.size : data;
      expect(this.bytes[i].subarray(at, stop).every((byte) => byte === 0)).toBe(true);
      if (data < 0) break;
      at = this.volume.map.nextHole(inode, data);
      expect(at).toBeGreaterThan(data);
    }
  }
}

describe('the block map against files as byte arrays', () => {
  const runs = Number(process.env.BLOCKMAP_RUNS ?? 600);

  test('random operations, copies on write, commits and reopenings', () => {
    const device = new FileDevice(BLOCKS * BLOCK);
    try {
      fc.assert(
        fc.property(fc.array(anyOp, { minLength: 5, maxLength: 60 }), (ops) => {
          const pair = new Pair(device);
          for (const op of ops) {
            const before = pair.inodes.map((inode) => ({ inode, gen: inode.gen, map: mapOf(pair.volume, inode.ino) }));
            const r = pair.apply(op);
            expect([0, E.NOSPC, E.INVAL]).toContain(r);
            for (const { inode, gen, map } of before) {
              const same = mapOf(pair.volume, inode.ino) === map;
              if (r !== 0) expect(same, `${op.op} failed and changed the map`).toBe(true);
              expect(inode.gen - gen, `gen after ${op.op}`).toBeLessThanOrEqual(
                same && !alwaysCounts.has(op.op) ? 0 : 1,
              );
              if (!same) expect(inode.gen - gen, `gen after ${op.op}`).toBe(1);
            }
            if (r !== 0) expect(r === E.NOSPC ? pair.volume.space.free : 0).toBeLessThan(BLOCKS);
            if ('file' in op) pair.compare(op.file);
          }
          for (let i = 0; i < FILES; i++) {
            pair.compare(i);
            pair.checkSeek(i);
          }
          checkInvariants(pair.volume, pair.inodes, BLOCKS);
          pair.reopen();
          checkInvariants(pair.volume, pair.inodes, BLOCKS);
          for (let i = 0; i < FILES; i++) pair.compare(i);
        }),
        {
          numRuns: runs,
          ...(process.env.BLOCKMAP_SEED ? { seed: Number(process.env.BLOCKMAP_SEED) } : { seed: 20240607 }),
        },
      );
    } finally {
      device.close();
    }
  });
});
