import type { Fields, ValuesOf } from './fields.ts';
import { FILE_VERBS } from './fileVerbs.ts';
import type { Verb } from './groups.ts';
import { LEASE_VERBS } from './leaseVerbs.ts';
import { OTHER_VERBS } from './otherVerbs.ts';

export { EVENT, EVENT_NAMES, type LayoutEvent, REFUSAL, type Refusal } from './answers.ts';
export { EXTENT_STATES, KINDS, STATES, type Verb } from './groups.ts';

/**
 * THE table of verbs: everything that can be said on `.layout/ctl`. Requests and replies are read, checked, written,
 * typed and documented from here and from nowhere else.
 *
 * `offset` and `length` may be written as one word `range=a-b` in either form (bytes, b excluded, `a-` to any end).
 */
export const VERBS = { ...LEASE_VERBS, ...FILE_VERBS, ...OTHER_VERBS } as const satisfies Record<string, Verb>;

export type VerbName = keyof typeof VERBS;
export const VERB_NAMES = Object.keys(VERBS) as VerbName[];

type ListOf<V> = V extends { list: { name: infer N extends string; item: infer I extends Fields } }
  ? { [K in N]: ValuesOf<I>[] }
  : unknown;
/** The typed request of a verb (without `verb` and `tag`). */
export type RequestOf<V extends VerbName> = ValuesOf<(typeof VERBS)[V]['request']>;
/** The typed reply of a verb (without `ok` and `tag`). */
export type ReplyOf<V extends VerbName> = ValuesOf<(typeof VERBS)[V]['reply']> & ListOf<(typeof VERBS)[V]>;
