import { expect, test } from 'vitest';
import { parseExpected, reasonFor } from '../../tools/suites/expected.ts';
import { parseCheck } from '../../tools/suites/external.ts';
import { parseTap } from '../../tools/suites/tap.ts';

test('the Test Anything Protocol: results, skips, and a program that stops early', () => {
  const results = parseTap('1..4\nok 1\nnot ok 2 - expected EPERM, got 0\nok 3 # skip no flags\n', 'open/00.t');
  expect(results.map(({ name, result }) => `${name} ${result}`)).toEqual([
    'open/00.t:1 passed',
    'open/00.t:2 failed',
    'open/00.t:3 skipped',
    'open/00.t:end failed',
  ]);
  expect(parseTap('', 'x').map(({ result }) => result)).toEqual(['failed']);
});

test('lines of ./check', () => {
  const text = [
    'FSTYP         -- fuse',
    'generic/001 3s ...  4s',
    'generic/002       [not run] no scratch',
    'generic/003 1s ... [failed, exit status 1]- output mismatch (see x)',
    'Ran: generic/001',
  ].join('\n');
  expect(parseCheck(text).map(({ name, result }) => `${name} ${result}`)).toEqual([
    'generic/001 passed',
    'generic/002 skipped',
    'generic/003 failed',
  ]);
});

test('an expected failure has a reason, and patterns are no regular expressions', () => {
  const expected = parseExpected('# words\n\nopen/*.t:2: because\ngeneric/003: atime\n');
  expect(reasonFor(expected, 'open/00.t:2')?.reason).toBe('because');
  expect(reasonFor(expected, 'open/00.t:3')).toBeUndefined();
  expect(reasonFor(expected, 'open/00xt:2')).toBeUndefined();
  expect(() => parseExpected('generic/003:\n')).toThrow('without a reason');
});
