/**
 * The kinds of lease (leases.md section 2) as a table: what a kind asks of the file before it is granted, which column of
 * the operation matrix judges it, and whether several holders may have it at once.
 */

export type Kind = 'layout' | 'direct' | 'exclusive' | 'frozen' | 'swap';
export type Mode = 'ro' | 'rw';

/** A column of the operation matrix (leases.md section 5), without the flag and the holder's own. */
export type Column = 'layout' | 'direct' | 'unbreakable' | 'exclusive';

export interface KindRule {
  readonly kind: Kind;
  readonly column: Column;
  /** Several holders at once on overlapping ranges. */
  readonly shared: boolean;
  /** No recall by an operation; only an administrator or the loss of the device ends it. Needs privilege. */
  readonly unbreakable: boolean;
  readonly defaultMode: Mode;
  /** A third party's in-place write recalls, unless the holder says otherwise. */
  readonly coherent: boolean;
  /** What the range may contain when the lease is granted. */
  readonly holes: boolean;
  readonly unwritten: boolean | 'if unwritten_ok';
  readonly sharedExtents: boolean;
  readonly promise: string;
}

export const KINDS: Readonly<Record<Kind, KindRule>> = {
  layout: {
    kind: 'layout',
    column: 'layout',
    shared: true,
    unbreakable: false,
    defaultMode: 'ro',
    coherent: true,
    holes: true,
    unwritten: true,
    sharedExtents: true,
    promise: 'told before blocks leave the map; rw may allocate and commit',
  },
  direct: {
    kind: 'direct',
    column: 'direct',
    shared: true,
    unbreakable: false,
    defaultMode: 'rw',
    coherent: false,
    holes: false,
    unwritten: 'if unwritten_ok',
    sharedExtents: false,
    promise: 'the map of the range does not change while granted; allocation is refused to everybody',
  },
  exclusive: {
    kind: 'exclusive',
    column: 'exclusive',
    shared: false,
    unbreakable: false,
    defaultMode: 'rw',
    coherent: false,
    holes: true,
    unwritten: true,
    sharedExtents: true,
    promise: 'only the holder may change the map',
  },
  frozen: {
    kind: 'frozen',
    column: 'unbreakable',
    shared: true,
    unbreakable: true,
    defaultMode: 'ro',
    coherent: false,
    holes: false,
    unwritten: true,
    sharedExtents: true,
    promise: 'as direct unbreakable; written and unwritten state frozen too, reads only',
  },
  swap: {
    kind: 'swap',
    column: 'unbreakable',
    shared: false,
    unbreakable: true,
    defaultMode: 'rw',
    coherent: false,
    holes: false,
    unwritten: true,
    sharedExtents: false,
    promise: 'as direct unbreakable, for one holder, unwritten extents allowed',
  },
};

export const KIND_NAMES = Object.keys(KINDS) as Kind[];

/** The column that judges a lease: `direct` with `unbreakable` moves to its own column. */
export function columnOf(kind: Kind, unbreakable: boolean): Column {
  return unbreakable && kind === 'direct' ? 'unbreakable' : KINDS[kind].column;
}
