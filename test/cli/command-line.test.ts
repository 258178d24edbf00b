import { beforeAll, describe, expect, it } from 'vitest';
import { type Command, type Group, HELP, helpOf, isGroup, type Lazy, parse } from '../../src/cli/command.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { EXIT } from '../../src/cli/exit.ts';
import { layoutfs, run } from '../harness/index.ts';

const found: { called: string; command: Command; lazy: Lazy }[] = [];

async function collect(prefix: string, list: readonly Lazy[]): Promise<void> {
  for (const lazy of list) {
    const command: Command | Group = await lazy.load();
    if (isGroup(command)) await collect(`${prefix} ${lazy.name}`, command.commands);
    else found.push({ called: `${prefix} ${lazy.name}`, command, lazy });
  }
}

beforeAll(() => collect('layoutfs', COMMANDS));

const layoutfsRun = (...args: string[]) => run(process.execPath, [layoutfs, ...args]);

describe('every command', () => {
  it('is loaded under its own name, and there are all of them', () => {
    for (const { command, lazy } of found) expect(command.name).toBe(lazy.name);
    expect(found.length).toBeGreaterThan(25);
  });

  it('has a help with its options, and examples that its own parser takes', () => {
    for (const { called, command } of found) {
      const help = helpOf(called, command);
      expect(help).toContain(command.summary);
      for (const option of Object.keys(command.options)) expect(help).toContain(`--${option}`);
      expect(command.examples.length, `${called} has an example`).toBeGreaterThan(0);
      for (const example of command.examples) {
        expect(example.startsWith(`${called} `) || example === called, `${example} is for ${called}`).toBe(true);
        expect(() => parse(command, words(example.slice(called.length)))).not.toThrow();
      }
    }
  });

  it('answers --help with its help, and anything unknown with a usage error', () => {
    for (const { command } of found) {
      expect(parse(command, ['--help'])).toBe(HELP);
      expect(() => parse(command, ['--frobnicate'])).toThrow(/frobnicate/);
    }
  });
});

/** As a shell splits these examples: blanks and quotes. */
function words(text: string): string[] {
  return [...text.matchAll(/'([^']*)'|"((?:\\"|[^"])*)"|(\S+)/g)].map(
    ([, single, double, plain]) => single ?? double ?? plain,
  ) as string[];
}

describe('layoutfs', () => {
  it('shows the commands on stdout for --help, on stderr with a usage code for nothing', async () => {
    const help = await layoutfsRun('--help');
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const { name } of COMMANDS) expect(help.stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(await layoutfsRun()).toMatchObject({ code: EXIT.usage, stdout: '' });
    expect((await layoutfsRun('help', 'mkfs')).stdout).toContain('layoutfs mkfs IMAGE');
  });

  it('says its version', async () => {
    expect((await layoutfsRun('--version')).stdout).toMatch(/^layoutfs \d+\.\d+\.\d+\n$/);
    expect(JSON.parse((await layoutfsRun('--version', '--json')).stdout)).toMatchObject({ name: 'layoutfs' });
  });

  it.each([
    [['frob'], EXIT.usage, 'no command "frob"'],
    [['mkfs'], EXIT.usage, 'an argument is missing'],
    [['mkfs', '/tmp/x', 'y'], EXIT.usage, 'one argument too many'],
    [['mkfs', '/tmp/x', '--size', 'big'], EXIT.usage, 'not a size'],
    [['mkfs', '/tmp/x', '--size', '1g', '--block-size', '5000'], EXIT.usage, 'power of two'],
    [['mount', '/nowhere/x', '/tmp'], EXIT.missing, 'layoutfs mkfs'],
    [['mount', '/etc/hostname', '/nowhere'], EXIT.missing, 'no such directory'],
    [['mount', '/etc/hostname', '/etc/hostname'], EXIT.missing, 'not a directory'],
    [['mount', '/etc/hostname', '/tmp', '-o', 'frob'], EXIT.usage, 'Known:'],
    [['umount', '/tmp'], EXIT.unmounted, 'no layoutfs'],
    [['why', '/etc/hostname'], EXIT.unmounted, 'not on a layoutfs'],
    [['lease', 'hold', '/etc/hostname'], EXIT.usage, 'COMMAND is missing'],
    [['lease', 'hold', '/etc/hostname', '--on-recall=frob', '--', 'true'], EXIT.usage, 'none of term'],
  ])('%j ends with %i', async (args, code, message) => {
    const result = await layoutfsRun(...args);
    expect(result.stderr).toContain(message);
    expect(result.code).toBe(code);
    expect(result.stdout).toBe('');
  });

  it('gives failures as JSON on stdout when asked', async () => {
    const { stdout, stderr, code } = await layoutfsRun('umount', '/tmp', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, errno: 'ENODEV', exit: EXIT.unmounted });
    expect({ stderr, code }).toEqual({ stderr: '', code: EXIT.unmounted });
  });

  it('leaves --json behind -- to the command', async () => {
    const { stdout, stderr } = await layoutfsRun('lease', 'hold', '/etc/hostname', '--', 'x', '--json');
    expect(stdout).toBe('');
    expect(stderr).toContain('not on a layoutfs');
  });
});
