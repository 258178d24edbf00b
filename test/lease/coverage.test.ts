/** docs/leases-coverage.md says which tests show which rule. They exist, no row of the matrix and no invariant is forgotten. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { KIND_NAMES } from '../../src/lease/kinds.ts';
import { ROW_NAMES, ROW_NUMBERS } from '../../src/lease/rows.ts';
import { OPERATIONS } from '../mounted/matrix-operations.ts';

const checkout = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(checkout, 'docs', 'leases-coverage.md'), 'utf8');
const lines = page
  .split('## Shown in the engine alone')[0]
  .split('\n')
  .filter((line) => /^\| (?!Rule|#|Bug)/.test(line));
const REFERENCE = /`(test\/[\w/-]+\.test\.ts)`: "([^"]+)"/g;
const references = [...page.matchAll(REFERENCE)].map(([, file, name]) => [file, name] as [string, string]);
const sources = new Map<string, string>();

function sourceOf(file: string): string {
  const known = sources.get(file) ?? readFileSync(join(checkout, file), 'utf8');
  sources.set(file, known);
  return known;
}

/** The name of a test, of the tests of a table, or of a row of such a table, begins like this; and it is not skipped. */
function hasTest(file: string, name: string): boolean {
  const text = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const title = `(?:^|\\n)\\s*(?:it|test)(?:\\.each\\([^\\n]*\\))?\\(\\s*['"\`]${text}`;
  const row = `\\n\\s*\\[\\s*['"\`]${text}`;
  return new RegExp(`${title}|${row}`).test(sourceOf(file));
}

it('names tests that exist', () => {
  expect(references.length).toBeGreaterThan(150);
  expect(references.filter(([file, name]) => !hasTest(file, name))).toEqual([]);
});

it('would see a test that does not exist', () => {
  expect(hasTest('test/lease/fence.test.ts', 'a late return is accepted')).toBe(true);
  expect(hasTest('test/lease/fence.test.ts', 'a late return is refused')).toBe(false);
});

it('leaves no rule without a test', () => {
  const bare = lines.filter((line) => !/^\| \d+ \|/.test(line) && !line.includes('.test.ts`: "'));
  expect(bare).toEqual([]);
});

it('shows each rule on a real mount, or says why not', () => {
  const rules = lines.filter((line) => !/^\| \d+ \|/.test(line) && line.includes('.test.ts`: "'));
  const [, alone = ''] = page.split('## Shown in the engine alone');
  const excused = [...alone.matchAll(/^\| (.+?) \| [^|]+ \|$/gm)].map(([, rule]) => rule).slice(1);
  const inEngine = rules
    .filter((line) => !/test\/(mounted|control|client|mount)\//.test(line))
    .map((line) => line.slice(2).split(' | ')[0]);
  expect(inEngine.sort()).toEqual(excused.sort());
});

it('has every kind, option, binding, timer and error', () => {
  const names = [
    ...KIND_NAMES,
    ...[
      'range',
      'unwritten_ok',
      'align',
      'odp',
      'parent',
      'timeout',
      'coherent',
      'notify',
      'on_expire',
      'min_fence',
      'wait',
    ],
    ...['accept=ro', 'after_recall', 'bind=fd', 'bind=file', 'bind=process', 'bind=named', 'expired=hold', 'fence_cmd'],
  ];
  expect(names.filter((name) => !lines.some((line) => line.split(' | ')[0].includes(name)))).toEqual([]);
  const errors = ['EPERM', 'EACCES', 'EINVAL', 'ENOENT', 'ESTALE', 'EAGAIN', 'EBUSY', 'ETXTBSY', 'EDEADLK', 'ENXIO'];
  errors.push('ENOLCK', 'ENOSPC', 'ETIMEDOUT', 'EINTR', 'ECANCELED', 'EOVERFLOW');
  expect(errors.filter((name) => !lines.some((line) => line.includes(name)))).toEqual([]);
});

it('has every row of the matrix, with the operations that show it on a mount', () => {
  for (const number of new Set(Object.values(ROW_NUMBERS))) {
    const names = ROW_NAMES.filter((name) => ROW_NUMBERS[name] === number);
    const operations = OPERATIONS.filter(({ row }) => names.includes(row)).map(({ name }) => name);
    const line = lines.find((each) => each.startsWith(`| ${number} |`));
    if (operations.length > 0) expect(line).toBe(`| ${number} | ${operations.join('; ')} |`);
    else expect(line, `row ${number}`).toMatch(/\.test\.ts`: "/);
  }
});

it('has every invariant', () => {
  const found = lines.map((line) => /^\| I(\d+) /.exec(line)?.[1]).filter((number) => number !== undefined);
  expect(found.map(Number)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
});
