import { Progress, type ProgressOptions } from '../../src/cli/progress.ts';

/** The runs of a measurement, counted: each row, each peer, each round of it. On a terminal a line tells how far it is. */
export class Runs {
  private readonly options: Partial<ProgressOptions>;
  /** From the first run on: what is set up before has no part in the rate. */
  private bar: Progress | undefined;
  private begun = 0;
  private total = 0;

  constructor(options: Partial<ProgressOptions> = {}) {
    this.options = options;
  }

  /** A row is to be measured: so many rounds of so many peers. */
  expect(rounds: number, peers: number): void {
    this.total += rounds * peers;
  }

  /** A run begins, or is left out: those before it are done. */
  next(): void {
    this.bar ??= new Progress({ label: 'bench', unit: 'runs', ...this.options });
    this.bar.update(this.begun++, this.total);
  }

  /** Takes the line away; the next run brings it again. */
  end(): void {
    this.bar?.end();
  }
}
