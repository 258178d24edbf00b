/**
 * One cell of the operation matrix: a list of clauses, the first whose condition holds decides. Written as data, so that the
 * matrix can be printed, tested cell by cell and overlaid by a policy.
 */

/**
 * A allowed. B recall, wait, then do it. T ETXTBSY. K EDEADLK. Y EBUSY. R revoked on the spot (device lost).
 * `own`: of the holder's column, "as for a third party, with B and T turned into K".
 */
export type Letter = 'A' | 'B' | 'T' | 'K' | 'Y' | 'R';
export type Condition =
  | 'coherent'
  | 'unwritten_ok'
  | 'frozen'
  | 'rw'
  | 'sealed so'
  | 'layout rw'
  | 'direct'
  | 'layout'
  | 'exclusive'
  | 'unbreakable'
  | 'frozen own';
export type Clause = readonly [Letter | 'own', Condition?];
export type Cell = readonly Clause[];

/** What conditions are decided by: facts of the lease (or, for `sealed so`, of the flag). */
export interface LeaseFacts {
  column: 'layout' | 'direct' | 'unbreakable' | 'exclusive';
  rw: boolean;
  frozen: boolean;
  coherent: boolean;
  unwrittenOk: boolean;
}

const CONDITIONS: Record<Condition, (facts: LeaseFacts, sealed: number) => boolean> = {
  coherent: (facts) => facts.coherent,
  unwritten_ok: (facts) => facts.unwrittenOk,
  frozen: (facts) => facts.frozen,
  rw: (facts) => facts.rw,
  'sealed so': (_facts, sealed) => sealed === 2,
  'layout rw': (facts) => facts.column === 'layout' && facts.rw,
  direct: (facts) => facts.column === 'direct',
  layout: (facts) => facts.column === 'layout',
  exclusive: (facts) => facts.column === 'exclusive',
  unbreakable: (facts) => facts.column === 'unbreakable',
  'frozen own': (facts) => facts.frozen,
};

export function decide(cell: Cell, facts: LeaseFacts, sealed = 0): Letter | 'own' {
  for (const [letter, condition] of cell) {
    if (condition === undefined || CONDITIONS[condition](facts, sealed)) return letter;
  }
  throw new Error('a matrix cell without a last clause');
}

/** "B if coherent, else A", as the document writes it. */
export function cellText(cell: Cell): string {
  return cell
    .map(([letter, condition], index) => {
      const word =
        letter === 'Y' ? 'EBUSY' : letter === 'R' ? 'revoke' : letter === 'own' ? 'as others, refused K' : letter;
      if (condition !== undefined) return `${word} if ${condition}`;
      return index === 0 ? word : `else ${word}`;
    })
    .join(', ');
}
