import type { Fields } from './fields.ts';
import * as f from './fields.ts';

/** A verb of the table: what it takes, what it answers. */
export interface Verb {
  readonly summary: string;
  readonly request: Fields;
  /** Each line: at least one of these fields must be there. */
  readonly needs?: readonly (readonly string[])[];
  readonly reply: Fields;
  /** The list that the reply carries, if any: its name and the fields of an item. */
  readonly list?: { readonly name: string; readonly item: Fields };
  readonly example: string;
}

/** Keeps the literal types of an entry of the table. */
export const verb = <const V extends Verb>(of: V): V => of;

export const KINDS = ['layout', 'direct', 'exclusive', 'frozen', 'swap'] as const;
export const STATES = [
  'pending',
  'granted',
  'recalled',
  'fencing',
  'fence_failed',
  'orphaned',
  'revoked',
  'released',
] as const;
export const EXTENT_STATES = ['written', 'unwritten', 'hole', 'shared'] as const;

/** Groups of fields that several verbs share. */
export const range = {
  offset: f.size('first byte of the range'),
  length: f.size('bytes of the range; without it, to any end'),
};
export const file = {
  path: f.path('the file, from the root of the mount'),
  ino: f.integer('the file by inode number'),
  gen: f.integer('with ino=: refused (ESTALE) when the block map is at another generation'),
};
export const lease = {
  id: f.required(f.integer('the lease')),
  seq: f.integer('the last seq the holder knows; an old one is ESTALE'),
  token: f.text('as told by get: proves the holder from another session'),
};
export const changed = {
  id: f.required(f.integer('the lease')),
  seq: f.required(f.integer('its seq now')),
  state: f.required(f.choice(STATES, 'its state now')),
  kind: f.required(f.choice(KINDS, 'its kind now')),
  mode: f.required(f.choice(['ro', 'rw'], 'its mode now')),
};
export const replyRange = {
  offset: f.required(f.size('first byte')),
  length: f.nullable(f.size('bytes; null is to any end')),
};
export const generation = { gen: f.required(f.integer('generation of the block map')) };
export const FILE = ['path', 'ino'];

export const HOLDER = {
  pid: f.required(f.integer('process')),
  command: f.required(f.text('its command')),
};
export const BREAKER = {
  pid: f.required(f.integer('process, 0 for the page cache')),
  command: f.required(f.text('its command')),
  operation: f.required(f.text('what it asked for')),
};

export const leaseItem = {
  ...changed,
  path: f.required(f.path('as it was asked for')),
  ino: f.required(f.integer('inode')),
  ...replyRange,
  bind: f.required(f.text('what the lease lives with')),
  holder: f.required(f.group(HOLDER, 'the holder')),
  uid: f.required(f.integer('user of the holder')),
  unbreakable: f.flag('only an administrator recalls it'),
  age_ms: f.required(f.milliseconds('since the grant')),
  deadline_ms: f.nullable(f.milliseconds('until the fence, of a recalled lease')),
  parent: f.integer('of a sub-lease'),
};

export const blockerItem = {
  lease: f.integer('the lease in the way'),
  kind: f.text('its kind'),
  state: f.text('its state'),
  holder: f.group(HOLDER, 'its holder'),
  ...replyRange,
  age_ms: f.milliseconds('since the grant'),
  deadline_ms: f.nullable(f.milliseconds('until it gives way at the latest')),
  cause: f.required(f.text('a word for programs')),
  hint: f.required(f.text('the cure')),
};
