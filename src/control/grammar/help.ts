import type { Field, Fields } from './fields.ts';
import { EVENT, REFUSAL, VERB_NAMES, VERBS, type Verb, type VerbName } from './verbs.ts';

/** One verb as `layoutfs help VERB` prints it. */
export function verbHelp(name: VerbName): string {
  const verb: Verb = VERBS[name];
  const lines = [`${name} - ${verb.summary}`, '', `  ${verb.example}`];
  const fields = Object.entries(verb.request);
  const width = Math.max(0, ...fields.map(([field, spec]) => usage(field, spec).length));
  if (fields.length > 0)
    lines.push('', ...fields.map(([field, spec]) => `  ${usage(field, spec).padEnd(width)}  ${spec.help}`));
  for (const names of verb.needs ?? []) lines.push('', `  one of: ${names.join(', ')}`);
  return `${lines.join('\n')}\n`;
}

/** All verbs, a line each. */
export function verbList(): string {
  const width = Math.max(...VERB_NAMES.map((name) => name.length));
  return VERB_NAMES.map((name) => `${name.padEnd(width)}  ${VERBS[name].summary}\n`).join('');
}

/** The reference of requests, replies, refusals and events in Markdown (docs/control.md is made of it). */
export function referenceMarkdown(): string {
  const verbs = VERB_NAMES.map((name) => {
    const verb: Verb = VERBS[name];
    const needs = (verb.needs ?? []).map((names) => `One of ${names.map((n) => `\`${n}\``).join(', ')} is needed.\n\n`);
    const list = verb.list ? `List \`${verb.list.name}\`:\n\n${table(verb.list.item)}\n` : '';
    return [
      `### ${name}\n\n${sentence(verb.summary)}\n\n    ${verb.example}\n\n`,
      Object.keys(verb.request).length > 0 ? `${table(verb.request)}\n` : '',
      needs.join(''),
      `Reply:\n\n${table(verb.reply)}\n`,
      list,
    ].join('');
  });
  return ['## Verbs\n\n', ...verbs, `## Refusals\n\n${table(REFUSAL)}\n`, `## Events\n\n${table(EVENT)}`].join('');
}

function usage(name: string, field: Field<unknown>): string {
  const value = field.kind === 'flag' ? name : `${name}=${field.choices?.join('|') ?? field.expected ?? field.kind}`;
  return field.required ? value : `[${value}]`;
}

function table(fields: Fields): string {
  const rows = Object.entries(fields).map(([name, field]) => {
    const kind =
      field.choices?.map((c) => `\`${c}\``).join(' ') ??
      (field.fields ? Object.keys(field.fields).join(', ') : field.kind);
    return `| \`${name}\` | ${kind} | ${field.required ? 'always' : ''} | ${field.help} |\n`;
  });
  return `| Field | Kind | | Meaning |\n|---|---|---|---|\n${rows.join('')}`;
}

function sentence(text: string): string {
  return `${text[0]?.toUpperCase()}${text.slice(1)}.`;
}
