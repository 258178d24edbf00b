import { accepted, type Case, must } from '../case.ts';

/** Requests for each slot of the table. */
const ASKED = {
  'layout ro': { kind: 'layout', mode: 'ro' },
  'layout rw': { kind: 'layout', mode: 'rw' },
  direct: { kind: 'direct' },
  unbreakable: { kind: 'direct', unbreakable: true },
  frozen: { kind: 'frozen' },
  swap: { kind: 'swap' },
  exclusive: { kind: 'exclusive' },
} as const;
type Slot = keyof typeof ASKED;

/**
 * leases.md, section 3, as the kit's own copy: what an existing lease (row) lets others have (columns as in ASKED). `recall`:
 * EAGAIN, and its holder hears of it; an errno: that, and its holder hears nothing; `either` where the table leaves it open.
 */
const TABLE: Record<Slot | 'sealed', readonly string[]> = {
  'layout ro': ['ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'recall'],
  'layout rw': ['ok', 'ok', 'recall', 'recall', 'recall', 'recall', 'recall'],
  direct: ['ok', 'EAGAIN', 'ok', 'ok', 'ok', 'ok', 'recall'],
  unbreakable: ['ok', 'EAGAIN', 'ok', 'ok', 'ok', 'EBUSY', 'EAGAIN'],
  frozen: ['ok', 'EAGAIN', 'ok', 'ok', 'ok', 'EBUSY', 'EAGAIN'],
  swap: ['ok', 'EAGAIN', 'ok', 'either', 'either', 'EBUSY', 'EAGAIN'],
  exclusive: ['EAGAIN', 'EAGAIN', 'EAGAIN', 'EAGAIN', 'EAGAIN', 'EAGAIN', 'EAGAIN'],
  sealed: ['ok', 'ETXTBSY', 'ok', 'ok', 'ok', 'ok', 'ETXTBSY'],
};

/** A case for each row. */
export const COMPATIBILITY_CASES: readonly Case[] = (Object.keys(TABLE) as (Slot | 'sealed')[]).map((existing) => ({
  name: `compatibility: what others get beside ${existing === 'sealed' ? 'a seal' : `a lease "${existing}"`}`,
  verbs: existing === 'sealed' ? ['get', 'seal', 'unseal'] : ['get'],
  async run({ session, path }) {
    for (const [at, asked] of (Object.keys(ASKED) as Slot[]).entries()) {
      const [holder, other] = [session(), session()];
      const held = existing === 'sealed' ? { verb: 'seal', path } : { verb: 'get', path, ...ASKED[existing] };
      accepted(holder.ask(held));
      const { reply } = other.ask({ verb: 'get', path, ...ASKED[asked] });
      const met = reply?.ok === true ? 'ok' : holder.heard('recall') ? 'recall' : String(reply?.errno);
      const expected = TABLE[existing][at] as string;
      const right = expected === 'either' ? met === 'ok' || met === 'EBUSY' : met === expected;
      must(right, `"${asked}" beside "${existing}": ${met}, should be ${expected}`);
      must(met !== 'recall' || reply?.errno === 'EAGAIN', `a recall begun is EAGAIN, not ${reply?.errno}`);
      holder.close();
      other.close();
      if (existing === 'sealed') accepted(session().ask({ verb: 'unseal', path }));
    }
  },
}));
