/**
 * Makes the man pages: docs/man/*.md to man/*, for the package (`npm run man`). What the code knows in tables is put in
 * where the Markdown says `{{name}}`. Of Markdown it takes what these pages use: headings, paragraphs, `**bold**`,
 * `*emphasis*`, code, indented examples, and definition lists (a line that begins with `: ` under its term).
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Command, isGroup, type Lazy } from '../src/cli/command.ts';
import { COMMANDS } from '../src/cli/commands.ts';
import { EXIT_CLASSES } from '../src/cli/exit.ts';
import { VERBS } from '../src/control/grammar/verbs.ts';
import { OPTIONS, usageOf } from '../src/mount/options.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const term = (name: string, text: string): string => `${name}\n: ${text}\n`;

async function listOf(commands: readonly Lazy[], prefix = ''): Promise<string[]> {
  const lines: string[] = [];
  for (const lazy of commands) {
    const command = await lazy.load();
    if (isGroup(command)) lines.push(...(await listOf(command.commands, `${prefix}${lazy.name} `)));
    else lines.push(term(`**${prefix}${lazy.name}** ${command.usage}`.trimEnd(), command.summary));
  }
  return lines;
}

async function optionsOf(name: string): Promise<string> {
  const command = (await COMMANDS.find((each) => each.name === name)?.load()) as Command;
  return Object.entries(command.options)
    .map(([option, { short, type, value, help }]) =>
      term(`${short ? `**-${short}**, ` : ''}**--${option}**${type === 'string' ? ` *${value ?? 'TEXT'}*` : ''}`, help),
    )
    .join('\n');
}

const TABLES: Record<string, (argument: string) => string | Promise<string>> = {
  commands: async () => (await listOf(COMMANDS)).join('\n'),
  options: optionsOf,
  'mount-options': () => OPTIONS.map((row) => term(`**${usageOf(row)}**`, row.help)).join('\n'),
  'exit-codes': () => EXIT_CLASSES.map(({ code, meaning }) => term(`**${code}**`, meaning)).join('\n'),
  verbs: () =>
    Object.entries(VERBS)
      .map(([name, { summary }]) => term(`**${name}**`, summary))
      .join('\n'),
};

async function fill(page: string): Promise<string> {
  let result = page;
  for (const [mark, name, argument] of page.matchAll(/^\{\{([\w-]+) ?(\w*)\}\}$/gm)) {
    const table = TABLES[name as string];
    if (table === undefined) throw new Error(`there is no table "${name}"`);
    const text = await table(argument as string);
    result = result.replace(mark, () => text.trimEnd());
  }
  return result;
}

/** Text of a line: escapes first, then the fonts. */
function inline(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '...')
    .replace(/\*\*(.+?)\*\*|\*(.+?)\*|`(.+?)`/g, (_, bold?: string, emphasis?: string, code?: string) =>
      emphasis === undefined ? `\\fB${bold ?? code}\\fR` : `\\fI${emphasis}\\fR`,
    )
    .replace(/^(?=[.'])/, '\\&');
}

/** A page in the man macros of roff. */
export async function manPage(markdown: string, version: string): Promise<string> {
  const out: string[] = [];
  const lines = (await fill(markdown)).split('\n');
  let paragraph = false;
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string;
    const title = /^# (\S+) (\d) "(.*)"$/.exec(line);
    if (title !== null) {
      const [, name, section, what] = title;
      out.push(`.TH ${(name as string).toUpperCase()} ${section} "" "layoutfs ${version}"`);
      out.push('.SH NAME', `${inline(name as string)} \\- ${inline(what as string)}`);
    } else if (line.startsWith('## ')) out.push(`.SH ${line.slice(3)}`);
    else if (line === '') {
      paragraph = false;
    } else if (line.startsWith('    ')) {
      out.push('.PP', '.nf');
      for (; lines[at]?.startsWith('    '); at++) out.push(inline((lines[at] as string).slice(4)));
      out.push('.fi');
    } else if (lines[at + 1]?.startsWith(': ')) out.push('.TP', inline(line));
    else if (line.startsWith(': ')) out.push(inline(line.slice(2)));
    else {
      if (!paragraph && !out.at(-1)?.startsWith('.SH')) out.push('.PP');
      out.push(inline(line));
      paragraph = true;
    }
  }
  return `${out.join('\n')}\n`;
}

/** All pages, by the name of their file: `layoutfs.1`. */
export async function manPages(): Promise<Map<string, string>> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const pages = new Map<string, string>();
  const folder = join(root, 'docs', 'man');
  for (const name of readdirSync(folder)
    .filter((each) => each.endsWith('.md'))
    .sort()) {
    pages.set(name.slice(0, -'.md'.length), await manPage(readFileSync(join(folder, name), 'utf8'), version));
  }
  return pages;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  rmSync(join(root, 'man'), { recursive: true, force: true });
  mkdirSync(join(root, 'man'));
  for (const [name, text] of await manPages()) writeFileSync(join(root, 'man', name), text);
}
