import { performance } from 'node:perf_hooks';
import { operationName } from '../fuse/catalogue.ts';
import { Answer, type Request } from '../fuse/request.ts';
import type { Handler } from '../fuse/session.ts';

/** Upper bounds of the histogram's buckets, seconds; one more takes the rest. */
export const BUCKETS: readonly number[] = [10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 5e-3, 25e-3, 0.1, 1, 10];
const WIDTH = BUCKETS.length + 1;
const BOUNDS_MS = Float64Array.from(BUCKETS, (seconds) => seconds * 1000);

/**
 * How many requests of each operation were answered, and after how long. A request costs two looks at the clock and
 * no memory; only one that is parked (for a lease, for a sync) costs an entry until its answer.
 */
export class RequestStatistics {
  private readonly handled: Float64Array;
  private readonly sumMs: Float64Array;
  private readonly buckets: Float64Array;
  /** When parked requests came, ms, by `unique`. */
  private readonly parkedSince = new Map<number, number>();
  private readonly now: () => number;

  /** `operations`: how many codes there are; `now`: a monotonic clock, ms. */
  constructor(operations: number, now: () => number = () => performance.now()) {
    this.now = now;
    this.handled = new Float64Array(operations);
    this.sumMs = new Float64Array(operations);
    this.buckets = new Float64Array(operations * WIDTH);
  }

  /** Requests that came and are not answered. */
  get parked(): number {
    return this.parkedSince.size;
  }

  /** The same handlers, each with its watch. */
  watched(handlers: readonly (Handler | undefined)[]): (Handler | undefined)[] {
    return handlers.map((handler) => handler && this.watch(handler));
  }

  private watch(handler: Handler): Handler {
    return (request) => {
      // One that comes again after its wait keeps its time of arrival: `replied` counts it.
      if (this.parkedSince.size > 0 && this.parkedSince.has(request.unique)) return handler(request);
      const { opcode, unique } = request;
      const start = this.now();
      handler(request);
      if (request.answer === Answer.PARKED) this.parkedSince.set(unique, start);
      else this.add(opcode, this.now() - start);
    };
  }

  /** Right before a reply leaves. */
  replied(request: Request): void {
    if (this.parkedSince.size === 0) return;
    const start = this.parkedSince.get(request.unique);
    if (start === undefined) return;
    this.parkedSince.delete(request.unique);
    this.add(request.opcode, this.now() - start);
  }

  private add(opcode: number, ms: number): void {
    this.handled[opcode]++;
    this.sumMs[opcode] += ms;
    let bucket = 0;
    while (bucket < WIDTH - 1 && ms > BOUNDS_MS[bucket]) bucket++;
    this.buckets[opcode * WIDTH + bucket]++;
  }

  /** Histograms in Prometheus text format, of the operations that were asked for. */
  text(): string {
    const lines = [
      '# HELP layoutfs_request_seconds Time from the arrival of a request to its answer, waits included.',
      '# TYPE layoutfs_request_seconds histogram',
    ];
    for (let opcode = 0; opcode < this.handled.length; opcode++) {
      if (this.handled[opcode] === 0) continue;
      const label = `operation="${operationName(opcode).toLowerCase()}"`;
      let below = 0;
      for (let bucket = 0; bucket < WIDTH; bucket++) {
        below += this.buckets[opcode * WIDTH + bucket];
        const bound = BUCKETS[bucket] ?? '+Inf';
        lines.push(`layoutfs_request_seconds_bucket{${label},le="${bound}"} ${below}`);
      }
      lines.push(`layoutfs_request_seconds_sum{${label}} ${(this.sumMs[opcode] / 1000).toFixed(6)}`);
      lines.push(`layoutfs_request_seconds_count{${label}} ${this.handled[opcode]}`);
    }
    return `${lines.join('\n')}\n`;
  }
}
