import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Command, isGroup, parse } from '../../src/cli/command.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { checkout, run } from '../harness/index.ts';

const pages = [
  'README.md',
  'ARCHITECTURE.md',
  ...readdirSync(join(checkout, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  ...readdirSync(join(checkout, 'docs', 'man')).map((name) => `docs/man/${name}`),
];
const read = (page: string): string => readFileSync(join(checkout, page), 'utf8');

/** The words after `layoutfs` of every line of an example that begins with it, up to what belongs to the shell. */
function commandLines(text: string): string[][] {
  const lines: string[][] = [];
  const examples = [...text.matchAll(/^```sh.*?^```$|^ {4}[^\n]*$/gms)].map(([block]) => block).join('\n');
  for (const [line] of examples.matchAll(/^ *(?:npx )?layoutfs .*$/gm)) {
    const words = [...line.trim().matchAll(/'[^']*'|"[^"]*"|\S+/g)].map(([word]) => word);
    const end = words.findIndex((word) => /^(?:[|>&;#]|\d>|&&)/.test(word));
    lines.push(words.slice(words.indexOf('layoutfs') + 1, end < 0 ? undefined : end));
  }
  return lines;
}

async function find(words: readonly string[]): Promise<[Command, string[]]> {
  let commands = COMMANDS;
  for (let at = 0; ; at++) {
    const found = commands.find(({ name }) => name === words[at]);
    if (found === undefined) throw new Error(`there is no command "${words.slice(0, at + 1).join(' ')}"`);
    const command = await found.load();
    if (!isGroup(command)) return [command, words.slice(at + 1)];
    commands = command.commands;
  }
}

describe.each(pages)('%s', (page) => {
  it('has links that lead somewhere', () => {
    for (const [, target] of read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      expect(existsSync(join(checkout, dirname(page), target as string)), `${page}: ${target}`).toBe(true);
    }
  });

  it('names commands that exist', () => {
    const known = new Set([...COMMANDS.map(({ name }) => name), 'help', 'COMMAND', '…']);
    for (const [, command] of read(page).matchAll(/(?:npx |`)layoutfs ([a-z]+)\b/g))
      expect(known, `${page}: layoutfs ${command}`).toContain(command);
  });

  it('has command lines that the commands take', async () => {
    for (const line of commandLines(read(page))) {
      const [command, rest] = await find(line);
      expect(() => parse(command, rest), `${page}: layoutfs ${line.join(' ')}`).not.toThrow();
    }
  });

  it('names npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    for (const [, script] of read(page).matchAll(/npm run ([a-z:-]*[a-z])/g)) {
      // `soak:…` stands for all that begin so.
      const found = Object.keys(scripts).some((name) => name === script || name.startsWith(`${script}:`));
      expect(found, `npm run ${script}`).toBe(true);
    }
  });
});

it('docs/storage.md names every table of the schema', () => {
  const schema = readdirSync(join(checkout, 'schema')).filter((name) => name.endsWith('.sql'));
  const tables = schema.flatMap((name) =>
    [...read(`schema/${name}`).matchAll(/^CREATE TABLE (?:IF NOT EXISTS )?(\w+)/gm)].map(([, table]) => table),
  );
  expect(tables.length).toBeGreaterThan(10);
  for (const table of tables) expect(read('docs/storage.md')).toContain(`\`${table}\``);
});

describe('generated pages', () => {
  it('are what the tables of the code say', async () => {
    const names = [...read('tools/docs.ts').matchAll(/^page\('([\w.-]+)'/gm)].map(([, name]) => `docs/${name}`);
    expect(names.length).toBeGreaterThan(1);
    const before = names.map(read);
    const result = await run(process.execPath, [
      '--import',
      join(checkout, 'node_modules/tsx/dist/loader.mjs'),
      join(checkout, 'tools/docs.ts'),
      '--print',
    ]);
    expect(result.stderr).toBe('');
    expect(result.stdout).toBe(before.join(''));
  });
});
