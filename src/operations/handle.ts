/**
 * Handles of open files are bare numbers: the daemon keeps no descriptor and no table entry for an open file. The
 * epoch in them keeps the handles of one daemon apart from those of the next, and all
 * are below those of the control directory (control/handle.ts).
 */
export class Handles {
  private next: number;

  constructor(epoch: number) {
    this.next = (epoch % 2 ** 15) * 2 ** 33 + 1;
  }

  open(): number {
    return this.next++;
  }
}
