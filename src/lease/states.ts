/** The life of a lease (leases.md section 4) as a table. transitions.ts is the only place that follows it. */

export type State =
  | 'PENDING'
  | 'GRANTED'
  | 'RECALLED'
  | 'FENCING'
  | 'FENCE_FAILED'
  | 'ORPHANED'
  | 'REVOKED'
  | 'RELEASED';

export type StateEvent =
  | 'grant'
  | 'give up'
  | 'return'
  | 'return part'
  | 'change'
  | 'recall'
  | 'recall wider'
  | 'recall met'
  | 'delay'
  | 'deadline'
  | 'proof'
  | 'fence failed'
  | 'fence retry'
  | 'force'
  | 'holder lost'
  | 'holder gone'
  | 'reclaim'
  | 'device lost'
  | 'buried';

/** What transitions.ts does after the state has changed. */
export type Effect =
  | 'none'
  | 'announce the recall'
  | 'end: blocks are free'
  | 'start the fence'
  | 'retry the fence later'
  | 'end: proven'
  | 'end: not proven'
  | 'look for the holder'
  | 'let go of the recall';

export interface Transition {
  readonly from: State;
  readonly event: StateEvent;
  readonly to: State;
  readonly effect: Effect;
}

const LIVE_UNFENCED = ['GRANTED', 'RECALLED'] as const;
const FENCED = ['FENCING', 'FENCE_FAILED'] as const;

function each(states: readonly State[], event: StateEvent, to: State | 'same', effect: Effect): Transition[] {
  return states.map((from) => ({ from, event, to: to === 'same' ? from : to, effect }));
}

export const TRANSITIONS: readonly Transition[] = [
  ...each(['PENDING'], 'grant', 'GRANTED', 'none'),
  ...each(['PENDING'], 'give up', 'RELEASED', 'none'),

  ...each(LIVE_UNFENCED, 'return', 'RELEASED', 'end: blocks are free'),
  ...each(LIVE_UNFENCED, 'return part', 'same', 'none'),
  ...each(['GRANTED', 'RECALLED'], 'change', 'same', 'none'),

  ...each(['GRANTED'], 'recall', 'RECALLED', 'announce the recall'),
  ...each(['RECALLED'], 'recall wider', 'RECALLED', 'announce the recall'),
  ...each(['RECALLED'], 'recall met', 'GRANTED', 'let go of the recall'),
  ...each(['RECALLED'], 'delay', 'RECALLED', 'none'),
  ...each(['RECALLED', 'GRANTED', 'ORPHANED'], 'deadline', 'FENCING', 'start the fence'),

  ...each(FENCED, 'proof', 'REVOKED', 'end: proven'),
  ...each(FENCED, 'return', 'RELEASED', 'end: blocks are free'),
  ...each(['FENCING'], 'fence failed', 'FENCE_FAILED', 'retry the fence later'),
  ...each(['FENCE_FAILED'], 'fence retry', 'FENCING', 'start the fence'),
  ...each(['GRANTED', 'RECALLED', 'ORPHANED', ...FENCED], 'force', 'REVOKED', 'end: not proven'),

  ...each(LIVE_UNFENCED, 'holder gone', 'RELEASED', 'end: proven'),
  ...each(LIVE_UNFENCED, 'holder lost', 'ORPHANED', 'look for the holder'),
  ...each(FENCED, 'holder lost', 'ORPHANED', 'look for the holder'),
  ...each(['ORPHANED'], 'holder lost', 'ORPHANED', 'look for the holder'),
  ...each(['ORPHANED'], 'proof', 'RELEASED', 'end: proven'),
  ...each(['ORPHANED'], 'return', 'RELEASED', 'end: blocks are free'),
  ...each(['ORPHANED'], 'reclaim', 'GRANTED', 'let go of the recall'),

  ...each(['GRANTED', 'RECALLED', 'ORPHANED', ...FENCED], 'device lost', 'REVOKED', 'end: not proven'),
  ...each(['REVOKED'], 'buried', 'RELEASED', 'end: blocks are free'),
];

const BY_KEY = new Map(TRANSITIONS.map((row) => [`${row.from} ${row.event}`, row]));

/** undefined: the event does not happen in that state. */
export function transition(from: State, event: StateEvent): Transition | undefined {
  return BY_KEY.get(`${from} ${event}`);
}

/** The lease covers its range: its blocks are protected, it is judged. */
export function isLive(state: State): boolean {
  return (
    state === 'GRANTED' ||
    state === 'RECALLED' ||
    state === 'FENCING' ||
    state === 'FENCE_FAILED' ||
    state === 'ORPHANED'
  );
}

/** On its way out: nothing is granted over it (I5). */
export function isEnding(state: State): boolean {
  return state === 'RECALLED' || state === 'FENCING' || state === 'FENCE_FAILED' || state === 'ORPHANED';
}
