import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CommandError, EXIT, EXIT_CLASSES, exitOfErrno } from '../../src/cli/exit.ts';
import { failureOf } from '../../src/cli/report.ts';
import { errnoNumber } from '../../src/system/errno.ts';
import { VolumeError } from '../../src/volume/volume-error.ts';
import { checkout } from '../harness/index.ts';

/** Typed again on purpose: a number that changes its meaning breaks scripts, and must break this test. */
const PROMISED: Record<string, number> = {
  ok: 0,
  failed: 1,
  usage: 2,
  missing: 3,
  denied: 4,
  busy: 5,
  immutable: 6,
  unfit: 7,
  stale: 8,
  timeout: 9,
  interrupted: 10,
  full: 11,
  io: 12,
  unsupported: 13,
  unmounted: 14,
  bug: 70,
};

describe('exit codes', () => {
  it('are the promised ones', () => {
    expect(EXIT).toEqual(PROMISED);
  });

  it('put an errno in one class only, and every errno exists', () => {
    const all = EXIT_CLASSES.flatMap((each) => each.errnos as readonly string[]);
    expect(new Set(all).size).toBe(all.length);
    for (const name of all) expect(errnoNumber(name), name).toBeGreaterThan(0);
  });

  it('are on the page that promises them', () => {
    const page = readFileSync(join(checkout, 'docs', 'exit-codes.md'), 'utf8');
    const rows = [...page.matchAll(/^\| (\d+) \| `(\w+)` \| (.*?) \| (.*?) \|$/gm)].map(
      ([, code, name, meaning, errnos]) => ({
        code: Number(code),
        name,
        meaning,
        errnos: errnos === '–' ? [] : (errnos as string).split(' '),
      }),
    );
    expect(rows).toEqual(
      EXIT_CLASSES.map(({ code, name, meaning, errnos }) => ({ code, name, meaning, errnos: [...errnos] })),
    );
  });

  it.each([
    [Object.assign(new Error('x'), { code: 'ENOENT' }), EXIT.missing],
    [Object.assign(new Error('x'), { errno: -26 }), EXIT.immutable],
    [Object.assign(new Error('x'), { errno: 16 }), EXIT.busy],
    [Object.assign(new Error('x'), { code: 'ENOTHINGWEKNOW' }), EXIT.failed],
    [new VolumeError('BUSY', 'x', { pid: 1 }), EXIT.busy],
    [new VolumeError('SYSTEM', 'x', { errno: 28 }), EXIT.full],
    [new VolumeError('INVALID', 'x'), EXIT.usage],
    [new CommandError('x', EXIT.stale), EXIT.stale],
    [new TypeError('x is not a function'), EXIT.bug],
    ['not even an error', EXIT.bug],
  ])('%s is %i', (error, exit) => {
    expect(failureOf(error).exit).toBe(exit);
  });

  it('are `failed` for an errno of no class', () => {
    expect(exitOfErrno('EXFULL')).toBe(EXIT.failed);
    expect(exitOfErrno(undefined)).toBe(EXIT.failed);
  });
});
