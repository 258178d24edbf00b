/**
 * The TypeScript client of layoutfs: leases on files of a mounted volume, direct mappings of their blocks, and events.
 * Requests and replies have the types of the daemon's own grammar.
 */
export type { Range } from '../control/grammar/fields.ts';
export { verbHelp, verbList } from '../control/grammar/help.ts';
export {
  EVENT_NAMES,
  KINDS,
  type LayoutEvent,
  type Refusal,
  type ReplyOf,
  type RequestOf,
  VERB_NAMES,
  VERBS,
  type VerbName,
} from '../control/grammar/verbs.ts';
export { LayoutError } from './error.ts';
export { Lease } from './lease.ts';
export { Mapping } from './mapping.ts';
export { type Ask, Session } from './session.ts';
