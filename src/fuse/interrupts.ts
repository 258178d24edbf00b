/**
 * INTERRUPTs that came before the request they are about, by its id. Few, and not for long: most of them are about
 * requests that were answered while the signal was on its way.
 */
export class Interrupts {
  private readonly times = new Map<number, number>();

  /** Whether any is remembered. */
  get any(): boolean {
    return this.times.size > 0;
  }

  /** Remembers one; false when it was remembered already. */
  remember(unique: number): boolean {
    const now = performance.now();
    for (const [id, time] of this.times) {
      if (this.times.size < LIMIT && now - time < AGE_MS) break;
      this.times.delete(id);
    }
    if (this.times.has(unique)) return false;
    this.times.set(unique, now);
    return true;
  }

  /** Whether one came for this request; it is forgotten. */
  take(unique: number): boolean {
    return this.times.delete(unique);
  }
}

const LIMIT = 256;
const AGE_MS = 10_000;
