import type { ReplyOf } from '../control/grammar/verbs.ts';
import { Mapping } from './mapping.ts';
import type { Ask, Session } from './session.ts';

type Extent = ReplyOf<'map'>['extents'][number];

/** A lease of a session. Its `seq` follows the daemon's with every reply; `await using` returns it. */
export class Lease {
  readonly session: Session;
  readonly id: number;
  /** Bytes; null is to any end. */
  readonly offset: number;
  readonly length: number | null;
  /** Proves the holder to other sessions and after a crash. */
  readonly token: string;
  seq: number;
  state: string;
  kind: string;
  mode: string;
  gen: number;

  constructor(session: Session, granted: ReplyOf<'get'>) {
    this.session = session;
    this.id = granted.id;
    this.offset = granted.offset;
    this.length = granted.length;
    this.token = granted.token;
    this.gen = granted.gen;
    this.seq = granted.seq;
    this.state = granted.state;
    this.kind = granted.kind;
    this.mode = granted.mode;
  }

  /** All extents of the leased range, from as many pages as it takes. */
  async extents(): Promise<Extent[]> {
    const extents: Extent[] = [];
    for (let offset = this.offset; ; ) {
      const page = await this.session.request('map', { id: this.id, offset });
      this.gen = page.gen;
      extents.push(...page.extents);
      if (page.next === null) return extents;
      offset = page.next;
    }
  }

  /** Maps the leased bytes, see Mapping. */
  map(options: { window?: 'device' | 'guarded'; readOnly?: boolean } = {}): Promise<Mapping> {
    return Mapping.of(this, options);
  }

  /** What was stored through a mapping becomes part of the file, durably; `size` grows the file. */
  async commit(values: Omit<Ask<'commit'>, 'id' | 'seq' | 'token'> = {}): Promise<ReplyOf<'commit'>> {
    return this.follow(await this.session.request('commit', { ...values, id: this.id }));
  }

  async return(values: Omit<Ask<'return'>, 'id' | 'seq' | 'token'> = {}): Promise<ReplyOf<'return'>> {
    return this.follow(await this.session.request('return', { ...values, id: this.id }));
  }

  async downgrade(values: Omit<Ask<'downgrade'>, 'id' | 'seq' | 'token'>): Promise<ReplyOf<'downgrade'>> {
    return this.follow(await this.session.request('downgrade', { ...values, id: this.id }));
  }

  async delay(seconds: number): Promise<ReplyOf<'delay'>> {
    return this.follow(await this.session.request('delay', { id: this.id, for: seconds }));
  }

  get isHeld(): boolean {
    return this.state === 'granted' || this.state === 'recalled';
  }

  /** Returns it, with its sub-leases, if it is still held. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isHeld) await this.return({ cascade: true });
  }

  private follow<R extends { seq: number; state: string; kind: string; mode: string }>(reply: R): R {
    this.seq = reply.seq;
    this.state = reply.state;
    this.kind = reply.kind;
    this.mode = reply.mode;
    return reply;
  }
}
