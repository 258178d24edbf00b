/** How an operation moved contents from place to place, so that the oracle can follow a sector through it. Bytes, whole blocks. */
export type Move =
  /** COLLAPSE_RANGE (`by` < 0) and INSERT_RANGE: what was at `at` and behind it is `by` further on. */
  | { readonly kind: 'shift'; readonly ino: number; readonly at: number; readonly by: number }
  /** Reflink: the first `length` bytes of `to` are those of `from`. */
  | { readonly kind: 'copy'; readonly from: number; readonly to: number; readonly length: number };

/** A byte of a file. */
export interface Place {
  readonly ino: number;
  readonly at: number;
}

/** Where what is at a place now was before the move; undefined: nowhere, the place is new. */
export function before(move: Move, place: Place): Place | undefined {
  if (move.kind === 'copy') {
    return place.ino === move.to && place.at < move.length ? { ino: move.from, at: place.at } : place;
  }
  const { ino, at, by } = move;
  if (place.ino !== ino || place.at < Math.min(at, at + by)) return place;
  return place.at < at + by ? undefined : { ino, at: place.at - by };
}

/** Where what was at a place before the move is now; undefined: nowhere, it was given up. */
export function after(move: Move, place: Place): Place | undefined {
  if (move.kind === 'copy') return place.ino === move.to && place.at < move.length ? undefined : place;
  const { ino, at, by } = move;
  if (place.ino !== ino || place.at < Math.min(at, at + by)) return place;
  return place.at < at ? undefined : { ino, at: place.at + by };
}
