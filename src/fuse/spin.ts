/**
 * Whether it pays to look for the next request again and again for a moment before sleeping. It does when
 * the caller runs on another processor: he comes back sooner than two wake-ups would take (measured on two virtual
 * CPUs: 2 to 3 times the requests, half the processor time each). It does not when he waits for this very processor.
 * So: as long as it finds something, and an attempt now and then, ever more rarely, when it did not.
 */
export class Spin {
  private credit = CREDIT;
  private skipped = 0;
  private retry = RETRY;

  /** How many looks to take now, at about 0.7 µs each; 0 for none. */
  looks(): number {
    if (this.credit > 0) return LOOKS;
    this.skipped++;
    if (this.skipped < this.retry) return 0;
    this.skipped = 0;
    return LOOKS;
  }

  /** Tells how the looks ended: something was found, or not. */
  learn(found: boolean): void {
    if (found) {
      this.credit = Math.min(CREDIT, this.credit + 2);
      this.retry = RETRY;
    } else if (this.credit > 0) this.credit--;
    else this.retry = Math.min(MOST, this.retry * 2);
  }
}

const LOOKS = 120;
const CREDIT = 8;
const RETRY = 64;
const MOST = 8192;
