/**
 * What the benchmark has set up and must take away again: mounts, loop devices, daemons, its folder. Undone in reverse
 * order at the end, on a failure and on SIGINT or SIGTERM.
 */
export class Undo {
  private readonly steps: (() => void)[] = [];

  /** Registers a step; answers a function that does it now, once. */
  add(step: () => void): () => void {
    this.steps.push(step);
    return () => {
      const at = this.steps.indexOf(step);
      if (at < 0) return;
      this.steps.splice(at, 1);
      step();
    };
  }

  /** On SIGINT and SIGTERM everything is undone and the process ends; `before` comes first. */
  onSignals(before: () => void): void {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        before();
        this.all();
        process.exit(130);
      });
    }
  }

  all(): void {
    for (let step = this.steps.pop(); step; step = this.steps.pop()) {
      try {
        step();
      } catch (error) {
        process.stderr.write(`clean-up: ${(error as Error).message}\n`);
      }
    }
  }
}
