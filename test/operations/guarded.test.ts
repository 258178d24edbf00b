import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkout } from '../harness/mount.ts';

/** Calls that change a block map; `blocks` is what the control layer calls it. */
const CHANGE =
  /\b(?:blockmap|blocks)(?:\.(?:write|allocate|punch|zeroRange|truncate|collapse|insert|share|unshare|relocate|markWritten|removeAll)|\[)/;
const GUARD = /\b(?:guard\.admit|admitSize|admit)\(/;

/** Files that change a map without asking, each with its reason. */
const EXEMPT: Record<string, string> = {
  'src/mount/lease-map.ts': 'the fence itself moves the blocks; lease/fence.ts looks for other leases first',
};

function sources(folder: string): string[] {
  return readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

const changing = ['src/operations', 'src/control', 'src/mount', 'src/namespace', 'src/cli', 'src/client']
  .flatMap(sources)
  .filter((path) => CHANGE.test(readFileSync(join(checkout, path), 'utf8')));

it('finds the operations that change block maps', () => {
  expect(changing).toEqual(expect.arrayContaining(['src/operations/write.ts', 'src/control/verbs/files.ts']));
});

it.each(changing.filter((path) => !(path in EXEMPT)))('%s asks the guard before it changes a block map', (path) => {
  expect(readFileSync(join(checkout, path), 'utf8')).toMatch(GUARD);
});

it('exempts nobody without need', () => {
  expect(Object.keys(EXEMPT).filter((path) => !changing.includes(path))).toEqual([]);
});
