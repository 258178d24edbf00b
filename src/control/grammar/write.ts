import { escapeBytes, escapeText } from './bytes.ts';
import type { Field, Fields } from './fields.ts';
import type { Form } from './parse.ts';
import {
  EVENT,
  type LayoutEvent,
  REFUSAL,
  type Refusal,
  type ReplyOf,
  type RequestOf,
  VERBS,
  type Verb,
  type VerbName,
} from './verbs.ts';

type Values = Readonly<Record<string, unknown>>;
type Tag = string | number | undefined;

/** The reply of a verb as it is written to the session, newline included. */
export function writeReply<V extends VerbName>(form: Form, verb: V, reply: ReplyOf<V>, tag?: Tag): string {
  const { reply: fields, list }: Verb = VERBS[verb];
  const values = reply as Values;
  const items = list ? ((values[list.name] as readonly Values[] | undefined) ?? []) : [];
  if (form === 'json') {
    const object: Record<string, unknown> = { ok: true, ...jsonFields(fields, values) };
    if (list) object[list.name] = items.map((item) => jsonFields(list.item, item));
    return json(object, tag);
  }
  const lines = list ? items.map((item) => ` ${plainFields(list.item, item, list.name !== 'extents')}\n`) : [];
  return `${lines.join('')}${plain('ok', plainFields(fields, values, true), tag)}`;
}

/** A refusal; the plain form begins with `err` and the errno's name. */
export function writeRefusal(form: Form, refusal: Refusal, tag?: Tag): string {
  if (form === 'json') return json({ ok: false, ...jsonFields(REFUSAL, refusal) }, tag);
  const { errno, ...rest } = refusal;
  return plain(`err ${errno}`, plainFields(REFUSAL, rest, true), tag);
}

/** An event; the plain form begins with `event` and its name. */
export function writeEvent(form: Form, event: LayoutEvent): string {
  if (form === 'json') return json(jsonFields(EVENT, event), undefined);
  const { event: name, ...rest } = event;
  return plain(`event ${name}`, plainFields(EVENT, rest, true), undefined);
}

/** A request line, newline included. */
export function writeRequest<V extends VerbName>(form: Form, verb: V, values: RequestOf<V>, tag?: Tag): string {
  const fields: Fields = VERBS[verb].request;
  if (form === 'json') return json({ verb, ...jsonFields(fields, values as Values) }, tag);
  return plain(verb, plainFields(fields, values as Values, false), tag);
}

function json(object: Record<string, unknown>, tag: Tag): string {
  return `${JSON.stringify(tag === undefined ? object : { ...object, tag })}\n`;
}

function plain(head: string, words: string, tag: Tag): string {
  const line = words === '' ? head : `${head} ${words}`;
  return `${line}${tag === undefined ? '' : ` tag=${quote(escapeText(String(tag)))}`}\n`;
}

function jsonFields(fields: Fields, values: Values): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = values[name];
    if (value !== undefined) object[name] = jsonValue(field, value);
  }
  return object;
}

function jsonValue(field: Field<unknown>, value: unknown): unknown {
  if (value === null) return null;
  if (field.kind === 'path') return escapeBytes(value as Uint8Array);
  if (field.kind === 'object') return jsonFields(field.fields ?? {}, value as Values);
  if (field.kind === 'milliseconds') return Math.round(value as number);
  return value === Number.POSITIVE_INFINITY ? (field.kind === 'duration' ? 'inf' : null) : value;
}

function plainFields(fields: Fields, values: Values, asRange: boolean): string {
  const words: string[] = [];
  const joined = asRange && typeof values.offset === 'number' && values.length !== undefined;
  for (const [name, field] of Object.entries(fields)) {
    const value = values[name];
    if (value === undefined || (joined && name === 'length')) continue;
    if (joined && name === 'offset') {
      const { offset, length } = values as { offset: number; length: number | null };
      words.push(`range=${offset}-${length === null || length === Number.POSITIVE_INFINITY ? '' : offset + length}`);
    } else if (field.kind === 'object') words.push(...plainGroup(name, field, value as Values));
    else words.push(plainWord(name, field, value));
  }
  return words.join(' ');
}

/** `holder={pid,command}` becomes `holder=PID command=…`; other groups keep their name in front. */
function plainGroup(name: string, field: Field<unknown>, value: Values): string[] {
  return Object.entries(field.fields ?? {}).flatMap(([inner, innerField]) => {
    if (value[inner] === undefined) return [];
    const word = inner === 'pid' ? name : name === 'holder' ? inner : `${name}_${inner}`;
    return [plainWord(word, innerField, value[inner])];
  });
}

function plainWord(name: string, field: Field<unknown>, value: unknown): string {
  switch (field.kind) {
    case 'flag':
      return value === true ? name : `${name}=no`;
    case 'milliseconds':
      return `${name.replace(/_ms$/, '')}=${value === null ? '-' : `${Math.round((value as number) / 100) / 10}s`}`;
    case 'path':
      return `${name}=${quote(escapeBytes(value as Uint8Array))}`;
    case 'ranges':
      return `${name}=${(value as { offset: number; length: number | null }[]).map(rangeWord).join(',')}`;
    default:
      if (value === null) return `${name}=-`;
      if (typeof value === 'number' && Number.isFinite(value)) return `${name}=${value}`;
      if (value === Number.POSITIVE_INFINITY) return `${name}=inf`;
      return `${name}=${quote(escapeText(typeof value === 'object' ? JSON.stringify(value) : String(value)))}`;
  }
}

function rangeWord({ offset, length }: { offset: number; length: number | null }): string {
  return `${offset}-${length === null ? '' : offset + length}`;
}

/** Quotes what holds blanks or quotes, or is empty. The bytes are escaped already. */
function quote(escaped: string): string {
  return escaped === '' || /[\s"]/.test(escaped) ? `"${escaped.replaceAll('"', '\\"')}"` : escaped;
}
