import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytes } from '../../src/cli/output.ts';
import { parseSize } from '../../src/cli/size.ts';

describe('sizes', () => {
  it.each([
    ['0', 0],
    ['4096', 4096],
    ['64k', 65_536],
    ['4G', 4 * 2 ** 30],
    ['1.5t', 1.5 * 2 ** 40],
    ['2MiB', 2 * 2 ** 20],
    ['10kb', 10_240],
  ])('%s is %i bytes', (text, size) => {
    expect(parseSize(text, 'x')).toBe(size);
  });

  it.each(['', '-1', '1e9', '4x', 'k', '1.00001k', '9007199254740993', '8192p', ' 1', '1 k'])(
    '"%s" is none',
    (text) => {
      expect(() => parseSize(text, '--size')).toThrow(/--size/);
    },
  );

  it('come back from what is printed, when they are whole', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1023 }), fc.constantFrom(0, 1, 2, 3, 4), (number, power) => {
        expect(parseSize(bytes(number * 1024 ** power), 'x')).toBe(number * 1024 ** power);
      }),
    );
  });
});
