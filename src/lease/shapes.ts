/**
 * Shapes: the few ways in which one lease can differ from another for the matrix and for compatibility, numbered, so that sets
 * of them are bit masks. A range index carries three sets for every range: the shapes of granted leases, of those being
 * recalled, and of those whose break time is over and that no longer hold up a mutation.
 */
import type { LeaseFacts } from './cell.ts';
import { COMPATIBILITY, SLOTS, type Slot } from './compatibility.ts';
import { type Row, thirdParty } from './matrix.ts';
import { MATRICES, type Policy } from './policies.ts';
import { ROW_NAMES, type RowName } from './rows.ts';

export interface Shape {
  readonly slot: Slot;
  readonly facts: LeaseFacts;
}

function shape(slot: Slot, coherent: boolean, unwrittenOk: boolean): Shape {
  const column =
    slot === 'layout ro' || slot === 'layout rw'
      ? 'layout'
      : slot === 'direct' || slot === 'exclusive'
        ? slot
        : 'unbreakable';
  return {
    slot,
    facts: { column, rw: slot !== 'layout ro' && slot !== 'frozen', frozen: slot === 'frozen', coherent, unwrittenOk },
  };
}

export const SHAPES: readonly Shape[] = [
  shape('layout ro', false, true),
  shape('layout ro', true, true),
  shape('layout rw', false, true),
  shape('layout rw', true, true),
  shape('direct', false, false),
  shape('direct', true, false),
  shape('direct', false, true),
  shape('direct', true, true),
  shape('unbreakable', false, true),
  shape('frozen', false, true),
  shape('swap', false, true),
  shape('exclusive', false, true),
];

/** Bits of one set; `near` holds two of them (granted, then ending), `far` one (lapsed). */
export const SHAPE_BITS = 12;
export const ALL_SHAPES = (1 << SHAPE_BITS) - 1;

export function shapeOf(slot: Slot, coherent: boolean, unwrittenOk: boolean): number {
  const exact = SHAPES.findIndex(
    (s) => s.slot === slot && s.facts.coherent === coherent && s.facts.unwrittenOk === unwrittenOk,
  );
  return exact >= 0
    ? exact
    : SHAPES.findIndex((s) => s.slot === slot && (slot.startsWith('layout') ? s.facts.coherent === coherent : true));
}

/** For one row of one policy: the shapes that refuse, and those that make the operation wait. */
export interface RowMasks {
  readonly row: Row;
  readonly refuses: number;
  readonly waits: number;
}

function rowMasks(row: Row): RowMasks {
  let refuses = 0;
  let waits = 0;
  SHAPES.forEach((s, bit) => {
    const letter = thirdParty(row, s.facts);
    if (letter === 'B' || letter === 'R') waits |= 1 << bit;
    else if (letter !== 'A') refuses |= 1 << bit;
  });
  return { row, refuses, waits };
}

export function masksOf(policy: Policy): Readonly<Record<RowName, RowMasks>> {
  const all = {} as Record<RowName, RowMasks>;
  for (const name of ROW_NAMES) all[name] = rowMasks(MATRICES[policy][name]);
  return all;
}

/** For a requested slot: the existing shapes it can live beside. */
export const COMPATIBLE: Readonly<Record<Slot, number>> = Object.fromEntries(
  SLOTS.map((wanted) => {
    let mask = 0;
    SHAPES.forEach((s, bit) => {
      if (COMPATIBILITY[s.slot][wanted] === 'ok') mask |= 1 << bit;
    });
    return [wanted, mask];
  }),
) as Record<Slot, number>;
