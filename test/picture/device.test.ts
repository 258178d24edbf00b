import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellsOf, scattered, totals } from '../../src/picture/cells.ts';
import { type Span, STATES, settle } from '../../src/picture/device.ts';
import { deviceText } from '../../src/picture/terminal.ts';
import { device } from './fixture.ts';

const span = (start: number, length: number, state: Span['state'], what: string = state): Span => ({
  start,
  length,
  state,
  what,
});

describe('settle', () => {
  it('lets the strongest claim win where several are on one block', () => {
    expect(settle([span(0, 10, 'used'), span(4, 2, 'leased'), span(5, 10, 'sealed')])).toEqual([
      span(0, 4, 'used'),
      span(4, 2, 'leased'),
      span(6, 9, 'sealed'),
    ]);
  });

  it('joins neighbours that say the same, and only those', () => {
    expect(settle([span(0, 4, 'used', '/a'), span(4, 4, 'used', '/a'), span(8, 1, 'used', '/b')])).toEqual([
      span(0, 8, 'used', '/a'),
      span(8, 1, 'used', '/b'),
    ]);
  });

  it('gives every block the strongest of its claims, against a block by block model', () => {
    const claim = fc.record({
      start: fc.nat(40),
      length: fc.integer({ min: 1, max: 20 }),
      state: fc.constantFrom(...STATES.slice(0, 5)),
    });
    fc.assert(
      fc.property(fc.array(claim, { maxLength: 12 }), (claims) => {
        const spans = settle(claims.map((c) => ({ ...c, what: c.state })));
        const got = new Array<string>(70).fill('free');
        let last = -1;
        for (const { start, length, state } of spans) {
          expect(start).toBeGreaterThanOrEqual(last);
          last = start + length;
          got.fill(state, start, last);
        }
        const wanted = got.map((_, block) => {
          const here = claims.filter((c) => c.start <= block && block < c.start + c.length).map((c) => c.state);
          return STATES.find((state) => here.includes(state)) ?? 'free';
        });
        expect(got).toEqual(wanted);
      }),
    );
  });
});

describe('cells', () => {
  it('cover the device, and their shares add up to what there is', () => {
    for (const count of [1, 7, 96, 1000, 5000]) {
      const cells = cellsOf(device(), count);
      expect(cells.length).toBeLessThanOrEqual(count);
      expect(cells.reduce((sum, { length }) => sum + length, 0)).toBe(1000);
      for (const state of STATES) {
        const blocks = cells.reduce((sum, cell) => sum + cell.shares[state] * cell.length, 0);
        expect(blocks).toBeCloseTo(totals(device())[state], 6);
      }
    }
  });

  it('show one quarantined block in a device of any size', () => {
    expect(cellsOf(device(), 4).map(({ shown }) => shown)).toEqual(['leased', 'quarantined', 'free', 'free']);
  });

  it('tell how scattered the free space is', () => {
    expect(scattered(device())).toBeCloseTo(1 - 590 / 600, 6);
    expect(scattered({ ...device([]), longestFree: 1000 })).toBe(0);
  });
});

describe('the picture in a terminal', () => {
  const ESCAPE = /\x1b\[[0-9;]*m/g;

  it('is as wide as the terminal, with colours or without', () => {
    for (const columns of [20, 80, 133]) {
      for (const color of [true, false]) {
        const text = deviceText(device(), { columns, rows: 5, color });
        const picture = text.split('\n\n')[0]!.split('\n');
        expect(picture.length).toBeLessThanOrEqual(5);
        expect(Math.max(...picture.map((line) => line.replace(ESCAPE, '').length))).toBe(columns);
        expect(ESCAPE.test(text)).toBe(color);
        ESCAPE.lastIndex = 0;
      }
    }
  });

  it('tells states apart by letters where there are no colours, and names them all', () => {
    const text = deviceText(device(), { columns: 100, rows: 10, color: false });
    const [picture, legend] = text.split('\n\n') as [string, string];
    expect(
      picture
        .replaceAll('\n', '')
        .match(/(.)\1*/g)!
        .map((run) => run[0]),
    ).toEqual(['H', '█', 'L', '·', 'S', 'Q', '█', '▒', '·'].filter((c) => picture.includes(c)));
    for (const state of ['quarantined', 'leased', 'sealed', 'used', 'header', 'free']) expect(legend).toContain(state);
    expect(text).toContain('4 files in 5 extents');
  });
});
