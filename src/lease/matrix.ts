/**
 * THE operation matrix (leases.md section 5): what an operation on an overlapping range meets, by the kind of lease. One line
 * here is one line there; a line of the document that decides by a fact of the change has one line here for each case.
 * Policies (policies.ts) lay their own cells over it. Nothing else in the program decides whether an operation conflicts.
 */
import { type Cell, decide, type LeaseFacts, type Letter } from './cell.ts';
import type { Column } from './kinds.ts';
import { ROW_NAMES, ROW_NUMBERS, type RowName } from './rows.ts';

export interface Row {
  readonly number: number;
  readonly name: RowName;
  readonly title: string;
  readonly layout: Cell;
  readonly direct: Cell;
  readonly unbreakable: Cell;
  readonly exclusive: Cell;
  readonly sealed: Cell;
  readonly holder: Cell;
  /** Changes the size: touches every whole-file lease and every lease that covers the end of the file (section 3). */
  readonly resizes: boolean;
}

const A: Cell = [['A']];
const B: Cell = [['B']];
const T: Cell = [['T']];
const K: Cell = [['K']];
const Y: Cell = [['Y']];
const R: Cell = [['R']];
/** The document says nothing else for the holder: as for others, where others would wait or be refused it is K. */
const OWN: Cell = [['own']];
const B_IF_COHERENT: Cell = [['B', 'coherent'], ['A']];

type Line = [title: string, layout: Cell, direct: Cell, unbreakable: Cell, exclusive: Cell, sealed: Cell, holder: Cell];

const LINES: Record<RowName, Line> = {
  read: ['read', A, A, A, A, A, A],
  'write-in-place': ['write in place, written blocks', B_IF_COHERENT, B_IF_COHERENT, A, A, A, A],
  'write-unwritten': [
    'write into unwritten (conversion)',
    A,
    [['A', 'unwritten_ok'], ['T']],
    [['T', 'frozen'], ['A']],
    T,
    [['A', 'sealed so'], ['T']],
    A,
  ],
  'write-hole': [
    'write into a hole before EOF',
    B_IF_COHERENT,
    T,
    T,
    T,
    T,
    [['A', 'layout rw'], ['A', 'exclusive'], ['own']],
  ],
  'write-append': [
    'append, extending write that allocates',
    B_IF_COHERENT,
    T,
    T,
    T,
    T,
    [['A', 'layout rw'], ['A', 'exclusive'], ['own']],
  ],
  'extend-preallocated': ['extending inside preallocated space', B, T, T, T, T, [['A', 'exclusive'], ['own']]],
  commit: ['extending by commit (grows only)', B, T, T, T, T, A],
  shrink: ['truncate shrink, O_TRUNC', B, B, T, T, T, K],
  grow: ['truncate grow', B, B, T, T, T, [['A', 'exclusive'], ['K']]],
  fallocate: ['fallocate mode 0 / KEEP_SIZE', A, T, T, T, T, [['A', 'layout rw'], ['A', 'exclusive'], ['own']]],
  punch: ['PUNCH_HOLE', B, B, T, T, T, K],
  'zero-in-place': ['ZERO_RANGE done in place', B, A, A, T, T, A],
  zero: ['ZERO_RANGE not in place', B, B, T, T, T, K],
  'collapse-insert': ['collapse, insert (control verbs)', B, B, T, T, T, K],
  prepare: ['unshare, prepare', B, B, T, T, T, [['A', 'exclusive'], ['own']]],
  'prepare-nothing': ['unshare, prepare with nothing to do', B, A, A, T, A, [['A', 'exclusive'], ['own']]],
  'clone-source': ['clone, as source', B, B, [['A', 'frozen'], ['T']], T, T, [['A', 'frozen own'], ['K']]],
  'clone-destination': ['clone, as destination, over allocated blocks', B, B, T, T, T, K],
  'clone-destination-allocating': ['clone, as destination, that allocates', B, T, T, T, T, K],
  'copy-source': ['copy_file_range, copying, the source', A, A, A, A, A, A],
  name: ['rename, link, unlink of a name', A, A, A, A, A, A],
  'last-unlink': ['last unlink, rename over it (blocks stay until the leases end)', A, A, A, A, A, A],
  attributes: ['chmod, chown, utimes, xattr, ACL', A, A, A, A, A, A],
  fsync: ['fsync, syncfs', A, A, A, A, A, A],
  open: ['open, mmap for reading, private mmap', A, A, A, A, A, A],
  relocate: ['relocate, defragment', B, B, T, T, T, K],
  drain: ['shrink or drain a range of the device', B, B, Y, Y, Y, OWN],
  'extent-query': ['extent query', A, A, A, A, A, A],
  seal: ['seal', [['B', 'rw'], ['A']], A, A, T, A, [['A', 'exclusive'], ['own']]],
  unseal: ['unseal', A, Y, Y, T, A, [['A', 'layout'], ['A', 'exclusive'], ['Y']]],
  unmount: ['unmount, daemon stop', B, B, B, B, A, B],
  'device-lost': ['device lost', R, R, R, R, A, R],
};

const RESIZES: ReadonlySet<RowName> = new Set(['write-append', 'extend-preallocated', 'commit', 'shrink', 'grow']);

/** Cells that a policy puts in the place of the strict ones. */
export type Overlay = Partial<Record<RowName, Partial<Record<Column | 'holder', Cell>>>>;

export function makeMatrix(overlay: Overlay): Readonly<Record<RowName, Row>> {
  const rows = {} as Record<RowName, Row>;
  for (const name of ROW_NAMES) {
    const [title, layout, direct, unbreakable, exclusive, sealed, holder] = LINES[name];
    rows[name] = {
      number: ROW_NUMBERS[name],
      name,
      title,
      layout,
      direct,
      unbreakable,
      exclusive,
      sealed,
      holder,
      resizes: RESIZES.has(name),
      ...overlay[name],
    };
  }
  return rows;
}

/** What a third party's operation meets in a lease with these facts. */
export function thirdParty(row: Row, facts: LeaseFacts): Letter {
  return decide(row[facts.column], facts) as Letter;
}

/** What the holder's own operation meets in its lease. */
export function byHolder(row: Row, facts: LeaseFacts): Letter {
  const letter = decide(row.holder, facts);
  if (letter !== 'own') return letter;
  const others = thirdParty(row, facts);
  return others === 'B' || others === 'T' ? 'K' : others;
}

/** What anybody's operation meets in the inode's flag: 1 sealed, 2 sealed with unwritten extents. */
export function bySeal(row: Row, sealed: number): Letter {
  return decide(row.sealed, SEAL_FACTS, sealed) as Letter;
}

const SEAL_FACTS: LeaseFacts = {
  column: 'unbreakable',
  rw: true,
  frozen: false,
  coherent: false,
  unwrittenOk: false,
};
