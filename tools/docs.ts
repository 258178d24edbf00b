/**
 * Writes the pages of docs/ that are tables of the code: exit codes, mount options. `npm run docs`; with
 * --print they go to stdout instead, which a test compares with what is there.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT_CLASSES } from '../src/cli/exit.ts';
import { defaultMountOptions, OPTIONS, type OptionRow, usageOf } from '../src/mount/options.ts';
import { checkout } from '../test/harness/mount.ts';
import { controlPage } from './docs/control.ts';
import { leaseMatrix } from './docs/lease-matrix.ts';

function page(name: string, lines: readonly string[]): void {
  const text = `${lines.join('\n')}\n`;
  if (process.argv.includes('--print')) process.stdout.write(text);
  else writeFileSync(join(checkout, 'docs', name), text);
}

page('exit-codes.md', [
  '# Exit codes',
  '',
  'Scripts may rely on these numbers: one never changes its meaning. Each is a class of errno.',
  '',
  '| Code | Name | Meaning | errno |',
  '|---|---|---|---|',
  ...EXIT_CLASSES.map(
    ({ code, name, meaning, errnos }) =>
      `| ${code} | \`${name}\` | ${meaning} | ${errnos.length === 0 ? '–' : errnos.join(' ')} |`,
  ),
  '',
  'With `--json` a failure is an object on stdout, with `ok: false`, the `errno` by name, the `exit` code, a `message`, and of a',
  'refused lease operation who is in the way.',
  '',
  'Three programs answer as their callers expect:',
  '',
  '- `layoutfs lease hold PATH -- COMMAND` ends with the code of COMMAND (128 + N where signal N ended it, 126 and 127 where it',
  '  can not be run), or, where the lease is not to be had, with a code of the table, or the one of `--conflict-exit-code`.',
  '- `layoutfs fsck` and `fsck.layoutfs`: fsck(8). 0 clean, 1 mended, 4 damage left, 8 could not be checked, 16 wrong command',
  '  line (`fsck.layoutfs`), 32 cancelled; they add up.',
  '- `mount.layoutfs`: mount(8). 0 mounted, 1 wrong command line, 4 defect, 32 not mounted.',
]);

/** Flags of one field name each other: the one in force by default is marked. */
function defaultOf(row: OptionRow): string {
  const value = defaultMountOptions(true)[row.field];
  if (row.type === 'flag') return value === (row.sets ?? true) ? 'yes' : '';
  if (value === undefined) return row.field === 'log' ? '`IMAGE.log`' : 'none';
  return `\`${String(value)}\``;
}

page('mount-options.md', [
  '# Mount options',
  '',
  'After `-o`, separated by commas; a comma inside a value is written `\\,`. Of several words for one thing the last one wins.',
  'Defaults are those of a mount by root; other users get `noallow_other,nosuid,nodev`. What fstab(5) adds for mount(8) itself',
  '(`noauto`, `_netdev`, `user`, `nofail`, `x-…`), or names what is always on (`acl`, `user_xattr`), is accepted and ignored. An unknown option is an error.',
  '',
  '| Option | What it does | Default |',
  '|---|---|---|',
  ...OPTIONS.map((row) => `| \`${usageOf(row).replaceAll('|', '\\|')}\` | ${row.help} | ${defaultOf(row)} |`),
]);

page('lease-matrix.md', leaseMatrix());

page('control.md', controlPage());
