/** Somebody who waits until what he has done so far is durable. */
interface Waiter {
  fn: (errno: number) => void;
  /** Device changes that must be synced first; -1 for metadata alone. */
  data: number;
  /** Transaction that must be durable; 0 as long as it is not committed. */
  sequence: number;
  errno: number;
}

/** The callers of `whenDurable`: what they need next, and who is done. */
export class Waiters {
  private list: Waiter[] = [];

  get size(): number {
    return this.list.length;
  }

  add(fn: (errno: number) => void, data: number, sequence: number): void {
    this.list.push({ fn, data, sequence, errno: 0 });
  }

  /** Whether somebody waits for data that is not synced yet. */
  needsData(synced: number): boolean {
    for (const waiter of this.list) if (waiter.data > synced) return true;
    return false;
  }

  /** Whether somebody's data is synced (or none) and his transaction is still open. */
  needsCommit(synced: number): boolean {
    for (const waiter of this.list) if (waiter.sequence === 0 && waiter.data <= synced) return true;
    return false;
  }

  needsSync(durable: number): boolean {
    for (const waiter of this.list) if (waiter.sequence > durable) return true;
    return false;
  }

  /** A device sync failed that was to cover changes up to `synced`: nobody can know whose. */
  dataFailed(synced: number, errno: number): void {
    for (const waiter of this.list)
      if (waiter.data >= 0 && waiter.data <= synced && waiter.sequence === 0) waiter.errno = errno;
  }

  /** Transaction `sequence` was committed and holds everything done so far. */
  committed(sequence: number, synced: number): void {
    for (const waiter of this.list) if (waiter.sequence === 0 && waiter.data <= synced) waiter.sequence = sequence;
  }

  /** Takes out, in order of arrival, those whose transaction is durable. */
  done(durable: number): (() => void)[] {
    const out: (() => void)[] = [];
    const rest: Waiter[] = [];
    for (const waiter of this.list) {
      if (waiter.sequence !== 0 && waiter.sequence <= durable) out.push(() => waiter.fn(waiter.errno));
      else rest.push(waiter);
    }
    this.list = rest;
    return out;
  }

  /** Takes out everybody: the metadata has failed. */
  all(errno: number): (() => void)[] {
    const { list } = this;
    this.list = [];
    return list.map((waiter) => () => waiter.fn(errno));
  }
}
