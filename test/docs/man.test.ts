import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { OPTIONS } from '../../src/mount/options.ts';
import { manPages } from '../../tools/man.ts';
import { check, checkout, hasTool, run } from '../harness/index.ts';

let folder = '';
let pages: Map<string, string>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'layoutfs-man-'));
  pages = await manPages();
  for (const [name, text] of pages) writeFileSync(join(folder, name), text);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('there is a page in sections 1, 5 and 8, and the package installs them all', () => {
  expect([...pages.keys()]).toEqual([
    'fsck.layoutfs.8',
    'layoutfs.1',
    'layoutfs.5',
    'mkfs.layoutfs.8',
    'mount.layoutfs.8',
  ]);
  const { man } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { man: string[] };
  expect(man.sort()).toEqual([...pages.keys()].map((name) => `./man/${name}`));
});

it('they name every command and every mount option, and leave no mark unfilled', () => {
  for (const { name } of COMMANDS) expect(pages.get('layoutfs.1')).toContain(`\\fB${name.replaceAll('-', '\\-')}`);
  for (const { name } of OPTIONS) expect(pages.get('layoutfs.5')).toContain(name.replaceAll('-', '\\-'));
  for (const text of pages.values()) expect(text).not.toMatch(/\{\{|\*\*/);
});

it.skipIf(!hasTool('man'))('man(1) shows them without a warning (needs man)', async () => {
  for (const name of pages.keys()) {
    const shown = await run('man', ['--warnings', '-l', join(folder, name)], {
      env: { MANWIDTH: '80', LC_ALL: 'C.UTF-8' },
    });
    expect(shown.stderr, name).toBe('');
    expect(shown.stdout).toContain('DESCRIPTION');
  }
  const text = await check('man', ['-l', join(folder, 'mount.layoutfs.8')], {
    env: { MANWIDTH: '80', LC_ALL: 'C.UTF-8' },
  });
  expect(text).toMatch(/mount\.layoutfs - mount a layoutfs volume/);
  expect(text).toContain('/mnt/disk  layoutfs  noauto,x-systemd.automount');
});
