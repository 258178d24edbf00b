import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';
import { MAP, MSYNC, PROT } from '../system/constants.ts';
import { mmap, msync, munmap } from '../system/libc.ts';
import type { Lease } from './lease.ts';

/**
 * The leased bytes of a file in one piece of memory: through the device window each extent is mapped at its place in one
 * contiguous range of addresses; through the guarded window the file's range is mapped at once.
 *
 * Close it before or right after the lease is returned. From then on the ArrayBuffer shows memory of this process, all
 * zeros, so that what still refers to it harms nobody; its addresses are given back when it is collected. After a
 * revocation an access to a guarded mapping is SIGBUS, which ends a JavaScript process: answer recalls in time.
 */
export class Mapping {
  /** Of the leased range; its first byte is the lease's offset in the file. */
  readonly buffer: ArrayBuffer;
  readonly window: 'device' | 'guarded';
  private address: number;
  private readonly length: number;

  private constructor(address: number, length: number, window: 'device' | 'guarded') {
    this.address = address;
    this.length = length;
    this.window = window;
    this.buffer = koffi.view(BigInt(address), length) as ArrayBuffer;
    COLLECTED.register(this.buffer, { address, length });
  }

  /**
   * Without `window`: the device window where the caller may open it, else the guarded one. Fails with an errno's code
   * when the range has a hole (ENXIO, device window), or is empty (EINVAL).
   */
  static async of(lease: Lease, options: { window?: 'device' | 'guarded'; readOnly?: boolean }): Promise<Mapping> {
    const extents = await lease.extents();
    const last = extents.at(-1);
    const length = last ? last.offset + last.length - lease.offset : 0;
    if (length === 0) throw failure('EINVAL', 'the lease covers no bytes');
    const readOnly = options.readOnly ?? lease.mode === 'ro';
    const names = options.window ? [options.window] : (['device', 'guarded'] as const);
    for (const [i, window] of names.entries()) {
      try {
        const dir = window === 'device' ? 'device' : 'lease';
        const fd = openSync(join(lease.session.dir, dir, String(lease.id)), readOnly ? 'r' : 'r+');
        try {
          const pieces =
            window === 'guarded'
              ? [{ at: 0, offset: lease.offset, length }]
              : extents.map((e) => piece(e, lease.offset));
          return new Mapping(mapPieces(fd, length, pieces, readOnly), length, window);
        } finally {
          closeSync(fd);
        }
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (i === names.length - 1 || (code !== 'EPERM' && code !== 'EACCES')) throw error;
      }
    }
    throw failure('EINVAL', 'no such window');
  }

  /** Waits until what was stored is in the window's pages on disk (msync); `commit` of the lease is what counts. */
  sync(): void {
    check(msync(this.address, this.length, MSYNC.SYNC), 'msync');
  }

  close(): void {
    if (this.address === 0) return;
    const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED;
    check(mmap(this.address, this.length, PROT.READ | PROT.WRITE, flags, -1, 0), 'mmap');
    this.address = 0;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Gives the addresses of a mapping back when nothing refers to its ArrayBuffer any more. */
const COLLECTED = new FinalizationRegistry<{ address: number; length: number }>(({ address, length }) => {
  munmap(address, length);
});

interface Piece {
  /** Bytes from the start of the mapping. */
  at: number;
  /** In the window. */
  offset: number;
  length: number;
}

function piece(extent: { offset: number; device: number | null; length: number }, from: number): Piece {
  if (extent.device === null) throw failure('ENXIO', `a hole at offset ${extent.offset}: prepare the file first`);
  return { at: extent.offset - from, offset: extent.device, length: extent.length };
}

/** Addresses for all are reserved first, so that the pieces lie side by side whatever else the process maps. */
function mapPieces(fd: number, length: number, pieces: Piece[], readOnly: boolean): number {
  const base = check(mmap(0, length, PROT.NONE, MAP.PRIVATE | MAP.ANONYMOUS, -1, 0), 'mmap');
  const prot = readOnly ? PROT.READ : PROT.READ | PROT.WRITE;
  for (const { at, offset, length: bytes } of pieces) {
    const mapped = mmap(base + at, bytes, prot, MAP.SHARED | MAP.FIXED, fd, offset);
    if (mapped >= 0) continue;
    munmap(base, length);
    check(mapped, 'mmap');
  }
  return base;
}

function check(result: number, what: string): number {
  if (result >= 0) return result;
  const name = koffi.os.errno;
  const code = Object.keys(name).find((key) => (name as Record<string, number>)[key] === -result) ?? `errno ${-result}`;
  throw failure(code, what);
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
