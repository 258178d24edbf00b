import type { Refusal } from '../control/grammar/verbs.ts';

/** A verb was refused. `code` is the errno's name, as in Node's own errors; the rest is what the daemon said. */
export class LayoutError extends Error {
  readonly code: string;
  readonly verb: string;
  readonly refusal: Refusal;

  constructor(verb: string, refusal: Refusal) {
    const holder = refusal.holder ? ` (held by ${refusal.holder.command}, pid ${refusal.holder.pid})` : '';
    super(`${verb}: ${refusal.errno}${holder}${refusal.hint ? `: ${refusal.hint}` : ''}`);
    this.name = 'LayoutError';
    this.code = refusal.errno;
    this.verb = verb;
    this.refusal = refusal;
  }
}
