import { COMMON, type Command, type Group, isGroup, type Lazy, type OptionSpec } from './command.ts';
import { usageError } from './exit.ts';

/** One place on the command line: the words so far, and what may follow. */
export interface Place {
  /** Commands so far, without the program's: `lease hold`; empty at the beginning. */
  path: string;
  commands: readonly { name: string; summary: string }[];
  options: Readonly<Record<string, OptionSpec>>;
}

/** All places of a list of commands, the outer ones first. */
export async function placesOf(commands: readonly Lazy[], path = ''): Promise<Place[]> {
  const places: Place[] = [{ path, commands, options: path === '' ? PROGRAM : COMMON }];
  for (const lazy of commands) {
    const command: Command | Group = await lazy.load();
    const inner = path === '' ? lazy.name : `${path} ${lazy.name}`;
    if (isGroup(command)) places.push(...(await placesOf(command.commands, inner)));
    else places.push({ path: inner, commands: [], options: { ...command.options, ...COMMON } });
  }
  return places;
}

const PROGRAM: Record<string, OptionSpec> = {
  help: { type: 'boolean', short: 'h', help: 'show the commands' },
  version: { type: 'boolean', short: 'V', help: 'show the version' },
};

export const completion: Command = {
  name: 'completion',
  summary: 'print a script that completes command lines in a shell',
  usage: 'bash|zsh|fish',
  about:
    'For bash, put `source <(layoutfs completion bash)` into ~/.bashrc; for zsh, the output as _layoutfs into a directory of\n' +
    '$fpath; for fish, as layoutfs.fish into ~/.config/fish/completions.',
  options: {},
  positionals: [1, 1],
  examples: ['layoutfs completion bash', 'layoutfs completion fish'],
  async run({ positionals }) {
    const write = SHELLS[positionals[0] as string];
    if (write === undefined) throw usageError(`"${positionals[0]}" is none of ${Object.keys(SHELLS).join(', ')}`);
    const { COMMANDS } = await import('./commands.ts');
    process.stdout.write(write(await placesOf(COMMANDS)));
    return 0;
  },
};

const SHELLS: Record<string, (places: readonly Place[]) => string> = { bash, zsh, fish };

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const flagsOf = ({ options }: Place): string[] =>
  Object.entries(options).flatMap(([name, { short }]) =>
    short === undefined ? [`--${name}`] : [`-${short}`, `--${name}`],
  );
const namesOf = ({ commands }: Place): string[] => commands.map(({ name }) => name);

/** Values of the options that have a fixed choice, by `path flag`. */
function choicesOf(place: Place): [flags: string[], values: string[]][] {
  return Object.entries(place.options)
    .filter(([, { type, value }]) => type === 'string' && value !== undefined && /^[\w-]+(\|[\w-]+)+$/.test(value))
    .map(([name, { short, value }]) => [
      short === undefined ? [`--${name}`] : [`-${short}`, `--${name}`],
      (value as string).split('|'),
    ]);
}

/** bash and zsh find the place in the same way: by the words that name commands, up to the first that does not. */
function walk(places: readonly Place[], words: string): string[] {
  const paths = places.filter(({ path }) => path !== '').map(({ path }) => quote(path));
  return [
    `  for word in ${words}; do`,
    `    case "\${place:+$place }$word" in`,
    `      ${paths.join('|')}) place="\${place:+$place }$word" ;;`,
    '    esac',
    '  done',
  ];
}

function bash(places: readonly Place[]): string {
  const lines = [
    '# bash completion of layoutfs',
    '_layoutfs() {',
    "  local word place='' flags='' commands='' values=''",
    '  local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD - 1]}"',
    ...walk(places, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"'),
    '  case "$place" in',
    ...places.map(
      (place) =>
        `    ${quote(place.path)}) flags=${quote(flagsOf(place).join(' '))} commands=${quote(namesOf(place).join(' '))} ;;`,
    ),
    '  esac',
    '  case "$place $before" in',
    ...places.flatMap((place) =>
      choicesOf(place).map(
        ([flags, values]) =>
          `    ${flags.map((flag) => quote(`${place.path} ${flag}`)).join('|')}) values=${quote(values.join(' '))} ;;`,
      ),
    ),
    '  esac',
    '  if [ -n "$values" ]; then COMPREPLY=($(compgen -W "$values" -- "$current"))',
    '  elif [[ $current == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$current"))',
    '  elif [ -n "$commands" ]; then COMPREPLY=($(compgen -W "$commands" -- "$current"))',
    '  else COMPREPLY=($(compgen -f -- "$current")); fi',
    '}',
    'complete -o filenames -F _layoutfs layoutfs',
  ];
  return `${lines.join('\n')}\n`;
}

function zsh(places: readonly Place[]): string {
  const described = (name: string, help: string): string => quote(`${name.replaceAll(':', '\\:')}:${help}`);
  const lines = [
    '#compdef layoutfs',
    "local word place=''",
    'local -a flags commands values',
    ...walk(places, '"${(@)words[2,CURRENT-1]}"'),
    'case "$place" in',
    ...places.map((place) => {
      const flags = Object.entries(place.options).map(([name, { help }]) => described(`--${name}`, help));
      const commands = place.commands.map(({ name, summary }) => described(name, summary));
      return `  ${quote(place.path)}) flags=(${flags.join(' ')}) commands=(${commands.join(' ')}) ;;`;
    }),
    'esac',
    'case "$place ${words[CURRENT-1]}" in',
    ...places.flatMap((place) =>
      choicesOf(place).map(
        ([flags, values]) =>
          `  ${flags.map((flag) => quote(`${place.path} ${flag}`)).join('|')}) values=(${values.map(quote).join(' ')}) ;;`,
      ),
    ),
    'esac',
    'if (( $#values )); then compadd -a values',
    'elif [[ $PREFIX == -* ]]; then _describe -o option flags',
    'elif (( $#commands )); then _describe command commands',
    'else _files; fi',
  ];
  return `${lines.join('\n')}\n`;
}

/** fish has no places: each line says under which words it holds. */
function fish(places: readonly Place[]): string {
  const lines = [
    '# fish completion of layoutfs',
    'function __layoutfs_place',
    "  set -l place ''",
    '  for word in (commandline -opc)[2..-1]',
    '    set -l next (string trim -- "$place $word")',
    `    if contains -- $next ${places
      .filter(({ path }) => path !== '')
      .map(({ path }) => quote(path))
      .join(' ')}`,
    '      set place $next',
    '    end',
    '  end',
    '  test "$place" = "$argv[1]"',
    'end',
  ];
  for (const place of places) {
    const under = `complete -c layoutfs -n ${quote(`__layoutfs_place ${quote(place.path)}`)}`;
    for (const { name, summary } of place.commands) lines.push(`${under} -f -a ${quote(name)} -d ${quote(summary)}`);
    const choices = new Map(choicesOf(place).map(([flags, values]) => [flags.at(-1), values]));
    for (const [name, { type, short, help }] of Object.entries(place.options)) {
      const values = choices.get(`--${name}`);
      const value = values !== undefined ? ` -x -a ${quote(values.join(' '))}` : type === 'string' ? ' -r' : '';
      lines.push(`${under} -l ${name}${short === undefined ? '' : ` -s ${short}`}${value} -d ${quote(help)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
