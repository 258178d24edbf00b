/**
 * What a new lease meets in those of other holders on an overlapping range (leases.md section 3), as a table: existing row,
 * requested column. One holder's own leases are compatible with each other: the matrix judges what he then does.
 */
import type { Kind, Mode } from './kinds.ts';

export type Slot = 'layout ro' | 'layout rw' | 'direct' | 'unbreakable' | 'frozen' | 'swap' | 'exclusive';
export const SLOTS: readonly Slot[] = [
  'layout ro',
  'layout rw',
  'direct',
  'unbreakable',
  'frozen',
  'swap',
  'exclusive',
];

/**
 * ok: both. recall: the existing one is recalled and the request waits. recall to ro: it may keep `layout ro`. again: EAGAIN, or a wait
 * for its end, without recall. ro: EAGAIN, but `accept=ro` takes layout ro. busy: EBUSY. text: ETXTBSY.
 */
export type Meeting = 'ok' | 'recall' | 'recall to ro' | 'again' | 'ro' | 'busy' | 'text';

type Line = Readonly<Record<Slot, Meeting>>;

function line(ro: Meeting, rw: Meeting, direct: Meeting, pinned: Meeting, swap: Meeting, exclusive: Meeting): Line {
  return { 'layout ro': ro, 'layout rw': rw, direct, unbreakable: pinned, frozen: pinned, swap, exclusive };
}

export const COMPATIBILITY: Readonly<Record<Slot | 'sealed', Line>> = {
  'layout ro': line('ok', 'ok', 'ok', 'ok', 'ok', 'recall'),
  'layout rw': line('ok', 'ok', 'recall to ro', 'recall to ro', 'recall to ro', 'recall'),
  direct: line('ok', 'ro', 'ok', 'ok', 'ok', 'recall'),
  unbreakable: line('ok', 'ro', 'ok', 'ok', 'busy', 'again'),
  frozen: line('ok', 'ro', 'ok', 'ok', 'busy', 'again'),
  // swap is for one holder: whoever asks for a pin of his own beside it is told so.
  swap: line('ok', 'ro', 'ok', 'busy', 'busy', 'again'),
  exclusive: line('again', 'again', 'again', 'again', 'again', 'again'),
  sealed: line('ok', 'text', 'ok', 'ok', 'ok', 'text'),
};

export function slotOf(kind: Kind, mode: Mode, unbreakable: boolean): Slot {
  if (kind === 'layout') return mode === 'rw' ? 'layout rw' : 'layout ro';
  if (kind === 'direct') return unbreakable ? 'unbreakable' : 'direct';
  return kind;
}
