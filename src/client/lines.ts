import { unescapeBytes } from '../control/grammar/bytes.ts';
import type { Field, Fields } from '../control/grammar/fields.ts';
import {
  EVENT,
  type LayoutEvent,
  REFUSAL,
  type Refusal,
  VERBS,
  type Verb,
  type VerbName,
} from '../control/grammar/verbs.ts';

/** A line that came from the daemon. */
export type Line =
  | { event: LayoutEvent }
  | { tag: number; reply: Record<string, unknown> }
  | { tag: number; refusal: Refusal };

/** Reads a JSON line of a session; `verbOf` tells which verb a tag belongs to. */
export function readLine(line: string, verbOf: (tag: number) => VerbName | undefined): Line {
  const object = JSON.parse(line) as Record<string, unknown>;
  if (typeof object.event === 'string') return { event: values(EVENT, object) as LayoutEvent };
  const tag = typeof object.tag === 'number' ? object.tag : 0;
  if (object.ok !== true) return { tag, refusal: values(REFUSAL, object) as Refusal };
  const name = verbOf(tag);
  const verb: Verb | undefined = name && VERBS[name];
  if (!verb) return { tag, reply: object };
  const reply = values(verb.reply, object);
  const { list } = verb;
  if (list)
    reply[list.name] = ((object[list.name] ?? []) as Record<string, unknown>[]).map((item) => values(list.item, item));
  return { tag, reply };
}

function values(fields: Fields, object: Record<string, unknown>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (object[name] !== undefined) result[name] = value(field, object[name]);
  }
  return result;
}

function value(field: Field<unknown>, given: unknown): unknown {
  if (given === null) return null;
  if (field.kind === 'path')
    return Buffer.from(String(unescapeBytes(Buffer.from(String(given)).toString('latin1'))), 'latin1');
  if (field.kind === 'object') return values(field.fields ?? {}, given as Record<string, unknown>);
  return given;
}
