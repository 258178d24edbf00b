import { describe, expect, test } from 'vitest';
import { decide, type LeaseFacts } from '../../src/lease/cell.ts';
import { COMPATIBILITY, SLOTS } from '../../src/lease/compatibility.ts';
import { byHolder, bySeal, thirdParty } from '../../src/lease/matrix.ts';
import { MATRICES, POLICY_NAMES, policyTable } from '../../src/lease/policies.ts';
import { ROW_NAMES, ROW_NUMBERS } from '../../src/lease/rows.ts';
import { SHAPES } from '../../src/lease/shapes.ts';

/**
 * leases.md section 5, typed again by hand: for each row name the letters met by
 * layout, layout coherent, direct, direct coherent, direct unwritten_ok, unbreakable, frozen, exclusive, sealed, sealed with unwritten.
 */
const DOCUMENT: Record<string, string> = {
  read: 'A A A A A A A A A A',
  'write-in-place': 'A B A B A A A A A A',
  'write-unwritten': 'A A T T A A T T T A',
  'write-hole': 'A B T T T T T T T T',
  'write-append': 'A B T T T T T T T T',
  'extend-preallocated': 'B B T T T T T T T T',
  commit: 'B B T T T T T T T T',
  shrink: 'B B B B B T T T T T',
  grow: 'B B B B B T T T T T',
  fallocate: 'A A T T T T T T T T',
  punch: 'B B B B B T T T T T',
  'zero-in-place': 'B B A A A A A T T T',
  zero: 'B B B B B T T T T T',
  'collapse-insert': 'B B B B B T T T T T',
  prepare: 'B B B B B T T T T T',
  'prepare-nothing': 'B B A A A A A T A A',
  'clone-source': 'B B B B B T A T T T',
  'clone-destination': 'B B B B B T T T T T',
  'clone-destination-allocating': 'B B T T T T T T T T',
  'copy-source': 'A A A A A A A A A A',
  name: 'A A A A A A A A A A',
  'last-unlink': 'A A A A A A A A A A',
  attributes: 'A A A A A A A A A A',
  fsync: 'A A A A A A A A A A',
  open: 'A A A A A A A A A A',
  relocate: 'B B B B B T T T T T',
  drain: 'B B B B B Y Y Y Y Y',
  'extent-query': 'A A A A A A A A A A',
  unseal: 'A A Y Y Y Y Y T A A',
  unmount: 'B B B B B B B B A A',
  'device-lost': 'R R R R R R R R A A',
};

/** By the holder itself: layout ro, layout rw, direct, unbreakable, exclusive. */
const HOLDER: Record<string, string> = {
  read: 'A A A A A',
  'write-in-place': 'A A A A A',
  'write-unwritten': 'A A A A A',
  'write-hole': 'A A K K A',
  'write-append': 'A A K K A',
  'extend-preallocated': 'K K K K A',
  commit: 'A A A A A',
  shrink: 'K K K K K',
  grow: 'K K K K A',
  fallocate: 'A A K K A',
  punch: 'K K K K K',
  'zero-in-place': 'A A A A A',
  zero: 'K K K K K',
  'collapse-insert': 'K K K K K',
  prepare: 'K K K K A',
  'prepare-nothing': 'K K A A A',
  'clone-source': 'K K K K K',
  'clone-destination': 'K K K K K',
  'clone-destination-allocating': 'K K K K K',
  relocate: 'K K K K K',
  seal: 'A K A A A',
  unseal: 'A A Y Y A',
};

function facts(column: LeaseFacts['column'], more: Partial<LeaseFacts> = {}): LeaseFacts {
  return { column, rw: true, frozen: false, coherent: false, unwrittenOk: false, ...more };
}

const THIRD_PARTIES = [
  facts('layout'),
  facts('layout', { coherent: true }),
  facts('direct'),
  facts('direct', { coherent: true }),
  facts('direct', { unwrittenOk: true }),
  facts('unbreakable'),
  facts('unbreakable', { frozen: true, rw: false }),
  facts('exclusive'),
];

describe('the operation matrix, cell by cell (leases.md section 5)', () => {
  test.each(Object.entries(DOCUMENT))('%s', (name, letters) => {
    const row = MATRICES.strict[name as keyof typeof ROW_NUMBERS];
    const found = [...THIRD_PARTIES.map((f) => thirdParty(row, f)), bySeal(row, 1), bySeal(row, 2)];
    expect(found.join(' ')).toBe(letters);
  });

  test('seal: recalls rw layouts only', () => {
    const row = MATRICES.strict.seal;
    expect(thirdParty(row, facts('layout', { rw: true }))).toBe('B');
    expect(thirdParty(row, facts('layout', { rw: false }))).toBe('A');
    expect(thirdParty(row, facts('direct'))).toBe('A');
    expect(thirdParty(row, facts('unbreakable'))).toBe('A');
    expect(thirdParty(row, facts('exclusive'))).toBe('T');
    expect(bySeal(row, 1)).toBe('A');
  });

  test.each(Object.entries(HOLDER))('by the holder itself: %s', (name, letters) => {
    const row = MATRICES.strict[name as keyof typeof ROW_NUMBERS];
    const own = [
      facts('layout', { rw: false }),
      facts('layout'),
      facts('direct', { unwrittenOk: true }),
      facts('unbreakable'),
      facts('exclusive'),
    ];
    expect(own.map((f) => byHolder(row, f)).join(' ')).toBe(letters);
  });

  test('rows 1 to 28 are all there, and every name has a line', () => {
    expect([...new Set(Object.values(ROW_NUMBERS))].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 28 }, (_, i) => i + 1),
    );
    expect([...Object.keys(DOCUMENT), 'seal'].sort()).toEqual([...ROW_NAMES].sort());
  });

  test.each(POLICY_NAMES)('policy %s: where others are allowed the holder is too, and every cell decides', (policy) => {
    for (const name of ROW_NAMES) {
      const row = MATRICES[policy][name];
      for (const { facts: f } of SHAPES) {
        const others = thirdParty(row, f);
        expect('ABTYR').toContain(others);
        if (others === 'A') expect(byHolder(row, f), `${name} ${f.column}`).toBe('A');
        expect(decide(row.sealed, f, 1)).toBeTypeOf('string');
      }
    }
    expect(policyTable(policy)).toHaveLength(ROW_NAMES.length + 1);
  });

  test('policy map-direct-v7: every write(2) and size change recalls, an allocating write fails', () => {
    const m = MATRICES['map-direct-v7'];
    const direct = facts('direct');
    const letters = [
      'write-in-place',
      'write-unwritten',
      'write-hole',
      'write-append',
      'extend-preallocated',
      'shrink',
      'grow',
    ] as const;
    expect(letters.map((name) => thirdParty(m[name], direct)).join('')).toBe('BBTTBBB');
    expect(letters.map((name) => thirdParty(m[name], facts('layout'))).join('')).toBe('BBBBBBB');
  });

  test('policy chinner-2019: additive changes never conflict, subtractive ones as strict', () => {
    const m = MATRICES['chinner-2019'];
    const additive = [
      'write-unwritten',
      'write-hole',
      'write-append',
      'extend-preallocated',
      'grow',
      'fallocate',
    ] as const;
    for (const name of additive) {
      expect(thirdParty(m[name], facts('direct')), name).toBe('A');
      expect(thirdParty(m[name], facts('layout', { coherent: true })), name).toBe('A');
      expect(thirdParty(m[name], facts('unbreakable')), name).toBe('A');
      expect(thirdParty(m[name], facts('unbreakable', { frozen: true })), name).toBe('T');
      expect(bySeal(m[name], 1), name).toBe('T');
    }
    for (const name of ['shrink', 'punch', 'collapse-insert', 'relocate'] as const)
      expect(m[name]).toEqual(MATRICES.strict[name]);
  });
});

describe('compatibility of grants (leases.md section 3)', () => {
  const DOC: Record<string, string[]> = {
    //             layout ro, layout rw, direct, unbreakable, frozen, swap, exclusive
    'layout ro': ['ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'recall'],
    'layout rw': ['ok', 'ok', 'recall to ro', 'recall to ro', 'recall to ro', 'recall to ro', 'recall'],
    direct: ['ok', 'ro', 'ok', 'ok', 'ok', 'ok', 'recall'],
    unbreakable: ['ok', 'ro', 'ok', 'ok', 'ok', 'busy', 'again'],
    frozen: ['ok', 'ro', 'ok', 'ok', 'ok', 'busy', 'again'],
    swap: ['ok', 'ro', 'ok', 'busy', 'busy', 'busy', 'again'],
    exclusive: ['again', 'again', 'again', 'again', 'again', 'again', 'again'],
    sealed: ['ok', 'text', 'ok', 'ok', 'ok', 'ok', 'text'],
  };
  test.each(Object.entries(DOC))('existing %s', (existing, expected) => {
    expect(SLOTS.map((wanted) => COMPATIBILITY[existing as 'sealed'][wanted])).toEqual(expected);
  });
});
