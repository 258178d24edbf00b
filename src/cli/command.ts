import { type ParseArgsConfig, parseArgs } from 'node:util';
import { usageError } from './exit.ts';

/** One option of a command: what parseArgs needs, and what the help says. */
export interface OptionSpec {
  type: 'boolean' | 'string';
  short?: string;
  multiple?: boolean;
  /** What stands for the value in the help: `--size BYTES`. */
  value?: string;
  help: string;
}

export interface Arguments {
  /** By the long name: true, a text, or a list of texts for `multiple`. */
  options: Record<string, string | boolean | string[] | undefined>;
  positionals: string[];
  /** What stands after `--`, undefined where there is none. */
  rest: string[] | undefined;
  json: boolean;
}

export interface Command {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** Without the program's name: `IMAGE DIR [-o OPTIONS]`. */
  usage: string;
  /** A paragraph or two for --help. */
  about?: string;
  options: Record<string, OptionSpec>;
  /** How many positional arguments: [least, most]. */
  positionals: readonly [number, number];
  /** Complete command lines, as a reader would type them. */
  examples: readonly string[];
  /** More for the end of the help, made when it is asked for. */
  more?: () => string;
  /** Takes `-- COMMAND…`. */
  takesCommand?: boolean;
  /** Gives the exit code. Throws CommandError, or anything with a `code` that names an errno. */
  run(args: Arguments): Promise<number>;
}

/** A command that only has commands under it: `layoutfs lease …`. */
export interface Group {
  name: string;
  summary: string;
  commands: readonly Lazy[];
}

/** Commands are loaded when they are called: `layoutfs --version` need not wait for SQLite. */
export interface Lazy {
  name: string;
  summary: string;
  load: () => Promise<Command | Group>;
}

export function isGroup(command: Command | Group): command is Group {
  return 'commands' in command;
}

/** These every command has. */
export const COMMON: Record<string, OptionSpec> = {
  json: { type: 'boolean', help: 'answer in JSON' },
  help: { type: 'boolean', short: 'h', help: 'show this help' },
};

export const HELP: unique symbol = Symbol('help');

/** @throws CommandError (usage) for what does not fit the table. */
export function parse(command: Command, argv: readonly string[]): Arguments | typeof HELP {
  const dashes = command.takesCommand ? argv.indexOf('--') : -1;
  const own = dashes < 0 ? [...argv] : argv.slice(0, dashes);
  const config: ParseArgsConfig['options'] = {};
  for (const [name, { type, short, multiple }] of Object.entries({ ...command.options, ...COMMON })) {
    config[name] = { type, ...(short && { short }), ...(multiple && { multiple }) };
  }
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: own, options: config, allowPositionals: true, strict: true });
  } catch (error) {
    throw usageError((error as Error).message.split('. To specify')[0] as string);
  }
  if (parsed.values.help) return HELP;
  const [least, most] = command.positionals;
  const { positionals } = parsed;
  if (positionals.length < least) throw usageError(`an argument is missing: ${command.usage}`);
  if (positionals.length > most) throw usageError(`"${positionals[most]}" is one argument too many: ${command.usage}`);
  return {
    options: parsed.values as Arguments['options'],
    positionals,
    rest: dashes < 0 ? undefined : argv.slice(dashes + 1),
    json: parsed.values.json === true,
  };
}

export function helpOf(program: string, command: Command): string {
  const lines = [`${program} ${command.usage}`.trimEnd(), '', `  ${command.summary}`];
  if (command.about !== undefined) lines.push('', command.about);
  lines.push('', 'Options:');
  const rows = Object.entries({ ...command.options, ...COMMON }).map(([name, option]) => {
    const value = option.type === 'string' ? ` ${option.value ?? 'TEXT'}` : '';
    return [`${option.short ? `-${option.short}, ` : '    '}--${name}${value}`, option.help] as const;
  });
  const width = Math.min(32, Math.max(...rows.map(([left]) => left.length)));
  for (const [left, right] of rows) lines.push(`  ${left.padEnd(width)}  ${right}`);
  const more = command.more?.();
  if (more !== undefined) lines.push('', more);
  if (command.examples.length > 0) lines.push('', 'Examples:', ...command.examples.map((example) => `  ${example}`));
  return `${lines.join('\n')}\n`;
}

export function groupHelp(program: string, group: Group): string {
  const width = Math.max(...group.commands.map(({ name }) => name.length));
  const rows = group.commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return [
    `${program} COMMAND …`,
    '',
    `  ${group.summary}`,
    '',
    'Commands:',
    ...rows,
    '',
    `"${program} COMMAND --help" tells more about one of them, with examples.`,
    '',
  ].join('\n');
}
