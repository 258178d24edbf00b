import { E } from '../../system/errno.ts';
import { readJson } from './json.ts';
import { readPlain } from './plain.ts';
import { Malformed, type Raw } from './raw.ts';
import { readField, readRange } from './read.ts';
import { type RequestOf, VERB_NAMES, VERBS, type Verb, type VerbName } from './verbs.ts';

/** Bytes of a request line without its newline, at most (control.md). */
export const MAX_LINE = 65536;
/** Bytes of a tag, at most: it is carried back in every reply. */
const MAX_TAG = 256;

export type Form = 'plain' | 'json';

/** A well-formed request. Durations are seconds, sizes bytes, paths bytes; `length` is absent for "to any end". */
export type Parsed = {
  [V in VerbName]: { verb: V; values: RequestOf<V>; form: Form; tag?: string | number };
}[VerbName];

/** Why a line is none. Nothing was changed. */
export interface Fault {
  errno: number;
  /** Byte of the line, from 1. */
  column: number;
  hint: string;
  form: Form;
  tag?: string | number;
}

/** Reads one request line (without its newline). Never throws, whatever the bytes are. */
export function parseRequest(bytes: Uint8Array): Parsed | Fault {
  const line = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1').replace(/\r$/, '');
  const form: Form = /^[ \t]*[{[]/.test(line) ? 'json' : 'plain';
  const hint = (errno: number, column: number, message: string): Fault => ({ errno, column, hint: message, form });
  if (line.length > MAX_LINE) return hint(E.MSGSIZE, MAX_LINE + 1, `a line holds at most ${MAX_LINE} bytes`);
  let tag: string | number | undefined;
  try {
    const { verb, fields } = form === 'json' ? jsonRequest(line) : readPlain(line);
    tag = readTag(fields);
    if (!Object.hasOwn(VERBS, verb.value)) {
      return { ...hint(E.NOSYS, verb.column, `no such verb; there are: ${VERB_NAMES.join(' ')}`), tag };
    }
    const values = readValues(VERBS[verb.value as VerbName], fields, form === 'json', line.length + 1);
    return { verb: verb.value, values, form, tag } as Parsed;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { ...hint(E.INVAL, error.column, error.message), tag };
  }
}

export function isFault(request: Parsed | Fault): request is Fault {
  return 'errno' in request;
}

function jsonRequest(line: string): { verb: Raw & { value: string }; fields: Map<string, Raw> } {
  const { value, column } = readJson(line);
  if (!(value instanceof Map)) throw new Malformed(column, 'a request is an object');
  const fields = new Map(value as Map<string, Raw>);
  const verb = fields.get('verb');
  if (verb === undefined) throw new Malformed(column, 'the verb is missing');
  if (typeof verb.value !== 'string') throw new Malformed(verb.column, 'the verb must be a text');
  fields.delete('verb');
  return { verb: verb as Raw & { value: string }, fields };
}

function readTag(fields: Map<string, Raw>): string | number | undefined {
  const raw = fields.get('tag');
  fields.delete('tag');
  if (raw === undefined || raw.value === null) return undefined;
  if (typeof raw.value === 'number' && Number.isSafeInteger(raw.value)) return raw.value;
  if (typeof raw.value === 'string' && raw.value.length <= MAX_TAG)
    return readField('tag', { kind: 'text', help: '', required: false }, raw, false) as string;
  throw new Malformed(raw.column, `tag must be a text of at most ${MAX_TAG} bytes or a whole number`);
}

function readValues(verb: Verb, fields: Map<string, Raw>, json: boolean, end: number): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, raw] of fields) {
    if (raw.value === null) continue;
    if (name === 'range' && Object.hasOwn(verb.request, 'offset')) {
      if (fields.has('offset') || fields.has('length')) throw new Malformed(raw.column, 'range, or offset and length');
      const { offset, length } = readRange(name, raw);
      values.offset = offset;
      if (length !== null) values.length = length;
      continue;
    }
    if (!Object.hasOwn(verb.request, name)) {
      const known = Object.keys(verb.request).join(' ') || 'none';
      throw new Malformed(raw.name ?? raw.column, `no field of this verb; there are: ${known}`);
    }
    values[name] = readField(name, verb.request[name] as Verb['request'][string], raw, json);
  }
  checkTogether(verb, fields, values, end);
  return values;
}

/** The conditions on fields together: what must be there, and a range inside what a file can be. */
function checkTogether(verb: Verb, fields: Map<string, Raw>, values: Record<string, unknown>, end: number): void {
  const column = (name: string): number => fields.get(name)?.column ?? fields.get('range')?.column ?? end;
  for (const [name, field] of Object.entries(verb.request)) {
    if (field.required && values[name] === undefined) throw new Malformed(end, `${name} is missing`);
  }
  for (const names of verb.needs ?? []) {
    const given = names.filter((name) => values[name] !== undefined);
    if (given.length === 0) throw new Malformed(end, `${names.join(' or ')} is missing`);
    if (given.length > 1) throw new Malformed(column(given[1] as string), `${given.join(' or ')}, not both`);
  }
  const { offset, length } = values as { offset?: number; length?: number };
  if (length === 0 && offset !== undefined) throw new Malformed(column('length'), 'the range is empty');
  if (!Number.isSafeInteger((offset ?? 0) + (length ?? 0)))
    throw new Malformed(column('length'), 'the range is too long');
}
