/**
 * Mount option `policy=`: the matrix as other designs would have it, each an overlay of data over the strict one.
 */
import { cellText } from './cell.ts';
import { makeMatrix, type Overlay, type Row } from './matrix.ts';
import { ROW_NAMES, type RowName } from './rows.ts';

export type Policy = 'strict' | 'map-direct-v7' | 'chinner-2019';

const ALLOW = { layout: [['A']], direct: [['A']], unbreakable: [['T', 'frozen'], ['A']], holder: [['A']] } as const;
const RECALL = { layout: [['B']], direct: [['B']] } as const;

const OVERLAYS: Record<Policy, Overlay> = {
  strict: {},
  // Every write(2) and every size change recalls; an allocating write into a direct range fails (MAP_DIRECT v7, XFS).
  'map-direct-v7': {
    'write-in-place': RECALL,
    'write-unwritten': RECALL,
    'write-hole': { layout: [['B']] },
    'write-append': { layout: [['B']] },
    'extend-preallocated': RECALL,
  },
  // Whatever takes nobody's blocks away conflicts with nobody who did not ask to be alone or frozen.
  'chinner-2019': {
    'write-unwritten': { layout: ALLOW.layout, direct: ALLOW.direct },
    'write-hole': ALLOW,
    'write-append': ALLOW,
    'extend-preallocated': ALLOW,
    commit: ALLOW,
    grow: ALLOW,
    fallocate: ALLOW,
  },
};

export const POLICY_NAMES = Object.keys(OVERLAYS) as Policy[];

export const MATRICES: Readonly<Record<Policy, Readonly<Record<RowName, Row>>>> = {
  strict: makeMatrix(OVERLAYS.strict),
  'map-direct-v7': makeMatrix(OVERLAYS['map-direct-v7']),
  'chinner-2019': makeMatrix(OVERLAYS['chinner-2019']),
};

/** The matrix as columns of text, for `layoutfs policy` and the docs. */
export function policyTable(policy: Policy): string[][] {
  const lines = [['#', 'name', 'operation', 'layout', 'direct', 'unbreakable', 'exclusive', 'sealed', 'holder']];
  for (const name of ROW_NAMES) {
    const row = MATRICES[policy][name];
    const cells = [row.layout, row.direct, row.unbreakable, row.exclusive, row.sealed, row.holder].map(cellText);
    lines.push([String(row.number), name, row.title, ...cells]);
  }
  return lines;
}
