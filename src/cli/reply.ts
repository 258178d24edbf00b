import type { Field } from '../control/grammar/fields.ts';
import { type ReplyOf, VERBS, type Verb, type VerbName } from '../control/grammar/verbs.ts';
import { writeReply } from '../control/grammar/write.ts';
import { milliseconds, print, table } from './output.ts';

/** A reply: for people its list as a table, and then its fields, a line each; for programs as the daemon writes it. */
export function printReply<V extends VerbName>(name: V, answer: ReplyOf<V>, json: boolean): void {
  const line = writeReply('json', name, answer);
  if (json) {
    process.stdout.write(line);
    return;
  }
  const reply = JSON.parse(line) as Record<string, unknown>;
  const { reply: fields, list }: Verb = VERBS[name];
  if (list !== undefined) {
    const items = (reply[list.name] as Record<string, unknown>[] | undefined) ?? [];
    const columns = Object.entries(list.item).filter(([column]) => items.some((item) => item[column] !== undefined));
    if (items.length > 0) {
      const head = columns.map(([column]) => column.replace(/_ms$/, ''));
      print(
        table(
          head,
          items.map((item) => columns.map(([column, field]) => cell(field, item[column]))),
        ),
      );
    }
  }
  const lines = Object.entries(fields)
    .filter(([field]) => reply[field] !== undefined)
    .map(([field, spec]) => `${field.replace(/_ms$/, '')}: ${cell(spec, reply[field])}`);
  print(lines.join('\n'));
}

function cell(field: Field<unknown>, value: unknown): string {
  if (value === undefined || value === null) return '-';
  if (field.kind === 'milliseconds') return milliseconds(value as number);
  if (field.kind === 'flag') return value === true ? 'yes' : 'no';
  if (typeof value === 'object') return group(value as Record<string, unknown>);
  return String(value);
}

/** `4242 (postgres)` for a process; other groups by their values. */
function group(value: Record<string, unknown>): string {
  if ('pid' in value) return `${value.pid} (${value.command})`;
  return Object.values(value).join(' ');
}
