import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkout } from '../../test/harness/index.ts';

/** A line of an expected-failures file: cases that fail (a pattern where `*` is anything), and why. */
export interface Expectation {
  pattern: string;
  reason: string;
}

/**
 * Reads `tools/suites/expected/NAME.txt`: lines of a pattern and a reason, parted by a colon; blank lines and lines that
 * begin with # are for readers.
 * @throws Error for a line without a reason.
 */
export function readExpected(suite: string): Expectation[] {
  let text: string;
  try {
    text = readFileSync(join(checkout, 'tools', 'suites', 'expected', `${suite}.txt`), 'utf8');
  } catch {
    return [];
  }
  return parseExpected(text);
}

export function parseExpected(text: string): Expectation[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const at = line.indexOf(': ');
      if (at < 0 || line.slice(at + 2).trim() === '') throw new Error(`expected failure without a reason: ${line}`);
      return { pattern: line.slice(0, at), reason: line.slice(at + 2).trim() };
    });
}

/** The reason why a case may fail, or undefined. */
export function reasonFor(expected: readonly Expectation[], name: string): Expectation | undefined {
  return expected.find(({ pattern }) => {
    const parts = pattern.split('*').map((part) => part.replace(/[.+?^$\x7b\x7d()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`).test(name);
  });
}
