import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { lease } from '../../src/cli/lease.ts';
import { check, hasTool, layoutfs, run } from '../harness/index.ts';

let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'layoutfs-completion-'));
  for (const shell of ['bash', 'zsh', 'fish'])
    writeFileSync(join(folder, shell), await check(process.execPath, [layoutfs, 'completion', shell]));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the shell offers at the end of a command line. */
const offered: Record<string, (words: readonly string[]) => Promise<string[]>> = {
  bash: async (words) => {
    const script = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _layoutfs; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return (await check('bash', ['--norc', '-c', script, join(folder, 'bash'), ...words])).trim().split('\n');
  },
  // The functions of zsh's completion system are replaced by ones that print what they are given.
  zsh: async (words) => {
    const script = `
      _describe() { local list=\${@[-1]}; print -l -- \${\${(P)list}%%:*}; }
      compadd() { print -l -- \${(P)2}; }
      _files() { print FILES; }
      words=("$@"); CURRENT=$#; PREFIX=\${@[-1]}
      () { source "$ZSH_SCRIPT_UNDER_TEST"; }`;
    const env = { ZSH_SCRIPT_UNDER_TEST: join(folder, 'zsh') };
    const said = (await check('zsh', ['-f', '-c', script, 'zsh', ...words], { env })).trim().split('\n');
    return said.filter((word) => word.startsWith(words.at(-1) as string));
  },
  fish: async (words) => {
    const script = 'source $argv[1]; complete -C $argv[2]';
    const env = { HOME: folder };
    const said = await check('fish', ['--no-config', '-c', script, join(folder, 'fish'), words.join(' ')], { env });
    return said
      .trim()
      .split('\n')
      .map((line) => line.split('\t')[0] as string);
  },
};

describe.each(Object.keys(offered))('completion in %s', (shell) => {
  const test = hasTool(shell) ? it : it.skip;
  const why = hasTool(shell) ? '' : ` (needs ${shell})`;
  const offer = offered[shell] as (words: readonly string[]) => Promise<string[]>;

  test(`offers every command, and those of a group${why}`, async () => {
    expect((await offer(['layoutfs', ''])).sort()).toEqual(COMMANDS.map(({ name }) => name).sort());
    expect((await offer(['layoutfs', 'lease', ''])).sort()).toEqual(lease.commands.map(({ name }) => name).sort());
    expect(await offer(['layoutfs', 'mk'])).toEqual(['mkfs']);
  });

  test(`offers the options of a command, and the values that one may have${why}`, async () => {
    expect(await offer(['layoutfs', 'mkfs', '--si'])).toEqual(['--size']);
    expect(await offer(['layoutfs', 'lease', 'hold', '--on-r'])).toEqual(['--on-recall']);
    expect((await offer(['layoutfs', 'lease', 'hold', 'file', '--on-recall', ''])).sort()).toEqual([
      'ignore',
      'signal',
      'term',
    ]);
  });
});

it('of a shell that nobody knows is refused', async () => {
  const refused = await run(process.execPath, [layoutfs, 'completion', 'tcsh']);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('bash, zsh, fish');
});
