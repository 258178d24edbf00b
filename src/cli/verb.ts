import { bytesOf } from '../control/grammar/bytes.ts';
import type { Field } from '../control/grammar/fields.ts';
import { Malformed } from '../control/grammar/raw.ts';
import { readField, readRange } from '../control/grammar/read.ts';
import { VERBS, type Verb, type VerbName } from '../control/grammar/verbs.ts';
import type { Arguments, Command, OptionSpec } from './command.ts';
import { CommandError, EXIT, usageError } from './exit.ts';
import { layoutfsMounts, type Mount, mountAt, mountOf } from './mounts.ts';
import { bytesOfArgument } from './raw-arguments.ts';
import { printReply } from './reply.ts';
import { openSession } from './session.ts';

/** Fields that the command line says by its positional arguments, or by --range. */
const NOT_OPTIONS = new Set(['path', 'ino', 'gen', 'offset', 'length', 'id', 'to']);

/** What a verb takes before its options, in this order. */
type Place = 'PATH' | 'TO' | 'ID' | 'DIR' | 'OPERATION';

/** Places of the verbs that do not follow the rule below. */
const PLACES: Partial<Record<VerbName, { least: number; places: readonly Place[] }>> = {
  map: { least: 1, places: ['PATH'] },
  why: { least: 1, places: ['PATH', 'OPERATION'] },
  ls: { least: 0, places: ['PATH'] },
  prepare: { least: 1, places: ['PATH'] },
  reclaim: { least: 0, places: ['DIR'] },
};

function placesOf(name: VerbName): { least: number; places: readonly Place[] } {
  const special = PLACES[name];
  if (special !== undefined) return special;
  const fields = VERBS[name].request as Verb['request'];
  if ('to' in fields) return { least: 2, places: ['PATH', 'TO'] };
  if ('path' in fields) return { least: 1, places: ['PATH'] };
  if ('id' in fields) return { least: 1, places: ['ID', 'DIR'] };
  return { least: 0, places: ['DIR'] };
}

/** Options of a verb: one for each field of its request. */
export function optionsOf(name: VerbName): Record<string, OptionSpec> {
  const options: Record<string, OptionSpec> = {};
  const fields = VERBS[name].request as Verb['request'];
  if ('offset' in fields)
    options.range = { type: 'string', value: 'A-B', help: 'bytes A to B, B excluded; A- to any end' };
  for (const [field, spec] of Object.entries(fields)) {
    if (NOT_OPTIONS.has(field)) continue;
    const value = spec.choices?.join('|') ?? VALUE_NAMES[spec.kind] ?? 'TEXT';
    const help = spec.required ? `${spec.help} (required)` : spec.help;
    options[optionName(field)] = spec.kind === 'flag' ? { type: 'boolean', help } : { type: 'string', value, help };
  }
  return options;
}

const VALUE_NAMES: Record<string, string> = { integer: 'N', size: 'BYTES', duration: 'SECONDS', ranges: 'A-B,…' };
const optionName = (field: string): string => field.replaceAll('_', '-');

/** A command that sends one request of the grammar and prints its reply. */
export function verbCommand(name: VerbName, prefix = 'layoutfs'): Command {
  const verb: Verb = VERBS[name];
  const { least, places } = placesOf(name);
  const usage = [...places.map((place, at) => (at < least ? place : `[${place}]`)), '[OPTIONS]'].join(' ');
  return {
    name,
    summary: verb.summary,
    usage,
    ...(places.includes('DIR') && {
      about: 'DIR is a mount point; it may be left out where only one layoutfs is mounted.',
    }),
    options: optionsOf(name),
    positionals: [least, places.length],
    examples: (EXAMPLES[name] ?? []).map((rest) => `${prefix} ${name} ${rest}`.trimEnd()),
    async run(args) {
      const { mount, fields } = requestOf(name, args);
      await using session = await openSession(mount);
      printReply(name, await session.request(name, fields as never), args.json);
      return EXIT.ok;
    },
  };
}

/** The values of the request that a command line means, and the mount that it goes to. */
export function requestOf(name: VerbName, args: Arguments): { mount: Mount; fields: Record<string, unknown> } {
  const fields: Record<string, unknown> = {};
  let mount: Mount | undefined;
  const { places } = placesOf(name);
  places.forEach((place, at) => {
    const text = args.positionals[at];
    if (text === undefined) return;
    if (place === 'PATH' || place === 'TO') {
      const found = mountOf(text);
      if (mount !== undefined && mount.dir !== found.mount.dir)
        throw usageError('the two files are on different mounts');
      mount = found.mount;
      // `ls` of the mount point itself means all of it.
      if (!(name === 'ls' && found.inside === '/'))
        fields[place === 'TO' ? 'to' : 'path'] = bytesOfArgument(found.inside);
    } else if (place === 'DIR') mount = mountAt(text);
    else if (place === 'ID') fields.id = readOption('id', VERBS.return.request.id, text);
    else fields.operation = text;
  });
  const specs = VERBS[name].request as Verb['request'];
  for (const [field, spec] of Object.entries(specs)) {
    const given = args.options[optionName(field)];
    if (NOT_OPTIONS.has(field) || given === undefined) continue;
    fields[field] = spec.kind === 'flag' ? given : readOption(field, spec, given as string);
  }
  if (typeof args.options.range === 'string') Object.assign(fields, readRangeOption(args.options.range));
  return { mount: mount ?? onlyMount(), fields };
}

function readOption(field: string, spec: Field<unknown>, text: string): unknown {
  try {
    return readField(field, spec, { column: 1, value: bytesOf(text) }, false);
  } catch (error) {
    if (error instanceof Malformed) throw usageError(`--${optionName(field)}: ${error.message}`);
    throw error;
  }
}

function readRangeOption(text: string): Record<string, number> {
  try {
    const { offset, length } = readRange('range', { column: 1, value: text });
    return { offset, ...(length !== null && { length }) };
  } catch (error) {
    if (error instanceof Malformed) throw usageError(`--range: ${error.message}`);
    throw error;
  }
}

/** @throws CommandError (unmounted, or usage when it is not clear which mount is meant) */
export function onlyMount(): Mount {
  const mounts = layoutfsMounts();
  if (mounts.length === 1) return mounts[0] as Mount;
  if (mounts.length === 0) throw new CommandError('no layoutfs is mounted', EXIT.unmounted, 'ENODEV');
  throw usageError(`several are mounted, say which: ${mounts.map((mount) => mount.dir).join(' ')}`);
}

/** Arguments that follow the command's name. */
const EXAMPLES: Partial<Record<VerbName, readonly string[]>> = {
  return: ['7', '7 /mnt --range 0-1m'],
  map: ['/mnt/data', '/mnt/data --range 0-1g --json'],
  ls: ['', '/mnt/data', '/mnt --all --json'],
  break: ['/mnt/data', '/mnt/data --range 0-1m'],
  why: ['/mnt/data', '/mnt/data shrink'],
  prepare: ['/mnt/data --range 0-1g --extend', '/mnt/data --contiguous --align 2m'],
  seal: ['/mnt/disk.raw'],
  unseal: ['/mnt/disk.raw'],
  policy: ['', '/mnt --json'],
  quarantine: ['', '/mnt --action release --lease 7'],
  clone: ['/mnt/a /mnt/b'],
  collapse: ['/mnt/a --range 0-1m'],
  insert: ['/mnt/a --range 0-1m'],
  relocate: ['/mnt/a --contiguous'],
  drain: ['/mnt --range 1g-2g'],
  freeze: ['/mnt --timeout 30s'],
  thaw: ['/mnt'],
  revoke: ['7 --reason "disk replacement"'],
  expire: ['7 --force'],
  renew: ['7 --secret "$SECRET"'],
  reclaim: ['--name pool --secret "$SECRET"'],
};
