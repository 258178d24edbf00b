/** docs/lease-matrix-mounted.md: what every cell of the matrix did on a mount, as `npm run matrix` saw it. */
import type { Policy } from '../../src/lease/policies.ts';
import { COLUMNS, type Column } from './matrix.ts';
import { OPERATIONS, type Operation } from './matrix-operations.ts';

/** By policy, operation, column, and whether the holder itself did it. */
export type Seen = Map<string, string>;

export function cellKey(policy: Policy, operation: Operation, column: Column, own: boolean): string {
  return `${policy} | ${operation.name} | ${column.name} | ${own ? 'holder' : 'third'}`;
}

const HEAD = `# The operation matrix on a mount

Written by \`npm run matrix\`, which has two processes do every operation under every kind of lease and under every policy on a real
mount, and checks errno, effect, and that nothing changed where it was refused. Left of the stroke another process does it,
right of it the holder itself. Letters as in [the matrix](lease-matrix.md); – is what cannot be: the lease is refused to such
a file, with that errno. A test compares this page with the tables of the program.
`;

export function reportPage(policies: readonly Policy[], seen: Seen): string {
  return `${HEAD}${policies.map((policy) => section(policy, seen)).join('')}`;
}

function section(policy: Policy, seen: Seen): string {
  const lines = [
    `| row | operation | ${COLUMNS.map(({ name }) => name).join(' | ')} |`,
    `|---|---|${COLUMNS.map(() => '---|').join('')}`,
  ];
  for (const operation of OPERATIONS) {
    const cells = COLUMNS.map((column) => {
      const third = seen.get(cellKey(policy, operation, column, false)) ?? '?';
      if (column.sealed) return third;
      const own = seen.get(cellKey(policy, operation, column, true)) ?? '?';
      return own === third && third.startsWith('–') ? third : `${third} / ${own}`;
    });
    lines.push(`| ${operation.row} | ${operation.name} | ${cells.join(' | ')} |`);
  }
  return `\n## policy=${policy}\n\n${lines.join('\n')}\n`;
}
