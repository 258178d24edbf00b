/** docs/leases-coverage.md says which tests show which rule. They exist, no row of the matrix and no invariant is forgotten. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROW_NAMES, ROW_NUMBERS } from '../../src/lease/rows.ts';
import { OPERATIONS } from '../mounted/matrix.ts';

const checkout = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(checkout, 'docs', 'leases-coverage.md'), 'utf8');
const lines = page.split('\n').filter((line) => /^\| (?!Rule|#|Bug)/.test(line));
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
