import type { Fields, ValuesOf } from './fields.ts';
import * as f from './fields.ts';
import { BREAKER, HOLDER } from './groups.ts';

export const EVENT_NAMES = [
  'recall',
  'invalidate',
  'granted',
  'revoked',
  'released',
  'orphaned',
  'fence',
  'quarantine',
  'gen',
  'overflow',
] as const;

/** Why something was refused. Every field is told where it is known. */
export const REFUSAL = {
  errno: f.required(f.text('name of the errno')),
  lease: f.integer('the lease in the way'),
  holder: f.group(HOLDER, 'its holder'),
  offset: f.size('first byte of its range'),
  length: f.nullable(f.size('bytes of its range; null is to any end')),
  age_ms: f.milliseconds('since its grant'),
  deadline_ms: f.nullable(f.milliseconds('until it gives way at the latest')),
  column: f.integer('byte of the request line, from 1'),
  recallconflict: f.flag('a recall or fence is going on there'),
  hint: f.text('the cure'),
} as const satisfies Fields;

/** An event of the session's leases, or on `.layout/events` of all leases. */
export const EVENT = {
  event: f.required(f.choice(EVENT_NAMES, 'what happened')),
  lease: f.integer('to which lease'),
  seq: f.integer('its seq now'),
  path: f.path('its file, as asked for'),
  ino: f.integer('its inode'),
  offset: f.size('first byte'),
  length: f.nullable(f.size('bytes; null is to any end')),
  kind: f.text('kind of the lease'),
  reason: f.text('why'),
  target: f.text('what may be kept: none, or a kind'),
  deadline_ms: f.nullable(f.milliseconds('time left')),
  breaker: f.group(BREAKER, 'who asked'),
  gen: f.integer('generation of the block map'),
  method: f.text('of a fence'),
  result: f.text('of a fence'),
  strength: f.text('of the proof that a fence gave'),
  lost: f.integer('events that did not fit'),
} as const satisfies Fields;

type Loose<T> = { [K in keyof T]?: T[K] };
export type Refusal = { errno: string } & Loose<ValuesOf<typeof REFUSAL>>;
export type LayoutEvent = Pick<ValuesOf<typeof EVENT>, 'event'> & Loose<ValuesOf<typeof EVENT>>;
