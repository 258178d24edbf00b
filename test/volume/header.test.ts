import fs from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { COPY_AT, decodeHeader, encodeHeader, HEADER_AT, type Header } from '../../src/volume/header.ts';
import { Volume } from '../../src/volume/volume.ts';
import { made, opened } from './fixture.ts';

const example: Header = {
  major: 1,
  minor: 0,
  uuid: '01234567-89ab-cdef-0123-456789abcdef',
  blockSize: 4096,
  deviceBlocks: 2 ** 40,
  firstBlock: 256,
  createdS: 1_700_000_000,
  label: 'α',
  features: ['one', 'two'],
  epoch: 3,
  ownerPid: 4711,
  ownerStart: 2 ** 40,
  bootId: '6a3f7c1e-0000-4000-8000-000000000000',
  writes: 9,
};

function sector(image: string, at: number): Buffer {
  const fd = fs.openSync(image, 'r');
  const out = Buffer.alloc(512);
  fs.readSync(fd, out, 0, 512, at);
  fs.closeSync(fd);
  return out;
}

function overwrite(image: string, at: number, bytes: Buffer): void {
  const fd = fs.openSync(image, 'r+');
  fs.writeSync(fd, bytes, 0, bytes.length, at);
  fs.closeSync(fd);
}

/** Writes a changed header to both places. */
function forge(image: string, change: Partial<Header>): void {
  const bytes = encodeHeader({ ...(decodeHeader(sector(image, HEADER_AT)) as Header), ...change });
  overwrite(image, HEADER_AT, bytes);
  overwrite(image, COPY_AT, bytes);
}

describe('header', () => {
  test('reads back what was written; a changed bit anywhere is noticed', () => {
    const bytes = encodeHeader(example);
    expect(decodeHeader(bytes)).toEqual(example);
    fc.assert(
      fc.property(fc.nat(511), fc.nat(7), (at, bit) => {
        const damaged = Buffer.from(bytes);
        damaged[at] ^= 1 << bit;
        expect(decodeHeader(damaged)).toBeUndefined();
      }),
    );
  });

  test('random sectors are no header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 512, maxLength: 512 }), (b) => decodeHeader(Buffer.from(b)) === undefined),
    );
  });

  test.each([
    ['the header', HEADER_AT, COPY_AT],
    ['its copy', COPY_AT, HEADER_AT],
  ])('%s damaged: the other one serves, and repairs it', (_what, damaged, whole) => {
    const image = made();
    const before = decodeHeader(sector(image, whole));
    overwrite(image, damaged, Buffer.alloc(512, 0xaa));
    const volume = opened(image);
    expect(volume.uuid).toBe(before?.uuid);
    volume.close();
    expect(sector(image, damaged).equals(sector(image, whole))).toBe(true);
    expect(decodeHeader(sector(image, damaged))?.epoch).toBe(1);
  });

  test('both damaged: refused', () => {
    const image = made();
    overwrite(image, HEADER_AT, Buffer.alloc(512));
    overwrite(image, COPY_AT, Buffer.alloc(512));
    expect(() => Volume.open(image)).toThrow(expect.objectContaining({ code: 'NOT_A_VOLUME' }));
  });

  test('of two whole ones the newer counts', () => {
    const image = made();
    const old = sector(image, HEADER_AT);
    opened(image).close();
    overwrite(image, HEADER_AT, old); // the update of the first was lost, that of the copy was not
    opened(image).close();
    expect(decodeHeader(sector(image, HEADER_AT))?.epoch).toBe(2);
  });

  test('owner, boot and epoch of the live mount are in it, and the owner is gone after a clean end', () => {
    const image = made();
    const volume = opened(image);
    expect(decodeHeader(sector(image, COPY_AT))).toMatchObject({ epoch: 1, ownerPid: process.pid });
    volume.close();
    expect(decodeHeader(sector(image, HEADER_AT))).toMatchObject({ epoch: 1, ownerPid: 0 });
  });

  test('a newer minor version can be read only; a newer major one, or an unknown feature (by name), not at all', () => {
    const image = made();
    forge(image, { minor: 7 });
    expect(() => Volume.open(image)).toThrow(expect.objectContaining({ code: 'READ_ONLY_ONLY' }));
    opened(image, { readOnly: true }).close();
    forge(image, { minor: 0, features: ['quantum'] });
    expect(() => Volume.open(image, { readOnly: true })).toThrow(/quantum/);
    forge(image, { features: [], major: 2 });
    expect(() => Volume.open(image, { readOnly: true })).toThrow(expect.objectContaining({ code: 'TOO_NEW' }));
    forge(image, { major: 1 });
    opened(image);
  });
});
