/**
 * Handles of open files are bare numbers: the daemon keeps no descriptor and no table entry for an open file. The
 * epoch in them keeps the handles of one daemon apart from those of the next, and all
 * are below those of the control directory (control/handle.ts).
 */
export class Handles {
  private readonly next: Float64Array;

  /** `next`: where the next number is kept, so that a daemon that takes the mount over goes on counting; 0 at first. */
  constructor(epoch: number, next: Float64Array = new Float64Array(1)) {
    this.next = next;
    if (next[0] === 0) next[0] = (epoch % 2 ** 15) * 2 ** 33 + 1;
  }

  open(): number {
    return this.next[0]++;
  }
}
