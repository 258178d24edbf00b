import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkout } from '../harness/index.ts';

/**
 * The arrows of ARCHITECTURE.md: what a folder of src/ may import from, beside itself. Nothing below imports anything
 * above; a new arrow is a decision, to be made here.
 */
const ARROWS: Record<string, readonly string[]> = {
  system: [],
  fuse: ['system'],
  volume: ['system'],
  blockmap: ['system'],
  namespace: ['system'],
  lease: ['system'],
  control: ['system', 'fuse', 'lease', 'namespace', 'blockmap'],
  operations: ['system', 'fuse', 'namespace', 'lease', 'blockmap', 'volume'],
  mount: ['system', 'fuse', 'volume', 'blockmap', 'namespace', 'lease', 'control', 'operations'],
  check: ['system', 'volume', 'blockmap'],
  client: ['system', 'control/grammar'],
  picture: ['system', 'volume'],
  cli: ['system', 'fuse', 'volume', 'mount', 'control/grammar', 'client', 'check', 'picture'],
};

/** Only the shape of things: an arrow of types that is not one of code. */
const TYPES_ONLY: Record<string, readonly string[]> = { lease: ['volume'] };

interface Import {
  from: string;
  to: string;
  typeOnly: boolean;
}

const src = join(checkout, 'src');
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(ts|mjs)$/.test(name));
const PATTERN = /(?:^|\n)\s*(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s)?'(\.[^']+)'|import\('(\.[^']+)'\)/g;

const imports: Import[] = files.flatMap((file) =>
  [...readFileSync(join(src, file), 'utf8').matchAll(PATTERN)].map(([, type, fixed, late]) => ({
    from: file,
    to: relative(src, resolve(src, file, '..', (fixed ?? late) as string)),
    typeOnly: type !== undefined,
  })),
);

describe('the house', () => {
  it('has only the folders that are drawn', () => {
    const folders = new Set(files.map((file) => file.split('/')[0] as string));
    expect([...folders].sort()).toEqual(Object.keys(ARROWS).sort());
    expect(imports.length).toBeGreaterThan(files.length);
  });

  it('has arrows one way only', () => {
    const wrong = imports.filter(({ from, to, typeOnly }) => {
      const [here, there] = [from.split('/')[0] as string, to.split('/')[0] as string];
      if (here === there) return false;
      const allowed = [...(ARROWS[here] ?? []), ...(typeOnly ? (TYPES_ONLY[here] ?? []) : [])];
      return !allowed.some((place) => to === place || to.startsWith(`${place}/`));
    });
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  it('has no circle among its folders', () => {
    const reach = (folder: string, seen = new Set<string>()): Set<string> => {
      for (const place of ARROWS[folder] ?? []) {
        const next = place.split('/')[0] as string;
        if (!seen.has(next)) reach(next, seen.add(next));
      }
      return seen;
    };
    for (const folder of Object.keys(ARROWS)) expect([...reach(folder)]).not.toContain(folder);
  });

  it('imports nothing from outside src, and no test', () => {
    expect(imports.filter(({ to }) => to.startsWith('..') && !to.endsWith('package.json'))).toEqual([]);
  });
});
