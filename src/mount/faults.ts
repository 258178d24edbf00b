import type { RequestOf } from '../control/grammar/verbs.ts';
import type { Passthrough } from '../control/ports.ts';
import type { Clock } from '../system/clock.ts';
import { E } from '../system/errno.ts';
import { SteppedClock } from '../system/stepped-clock.ts';
import { FaultyIo } from '../volume/faulty-io.ts';
import type { Volume } from '../volume/volume.ts';

/** What the verb `inject` does to the parts below the lease engine, on a mount with -o inject. */
export class Faults {
  readonly clock: SteppedClock;
  private readonly io: FaultyIo;
  private refusesPassthrough = false;

  constructor(volume: Volume, clock: Clock) {
    this.clock = new SteppedClock(clock);
    this.io = new FaultyIo(volume.device.io);
    volume.device.io = this.io;
  }

  /** Arms a fault: 0, or the errno of why not. */
  arm(values: RequestOf<'inject'>): number {
    const { fault, offset = 0, length = Number.POSITIVE_INFINITY, count = 1, by } = values;
    switch (fault) {
      case 'device-error':
        for (const call of ['pread', 'pwrite'] as const)
          this.io.faults.push({ call, from: offset, to: offset + length, errno: E.IO, times: count });
        return 0;
      case 'device-gone':
        for (const call of ['pread', 'pwrite'] as const) this.io.faults.push({ call, errno: E.NODEV });
        return 0;
      case 'no-space':
        this.io.faults.push({ call: 'fallocate', from: offset, to: offset + length, errno: E.NOSPC, times: count });
        return 0;
      case 'clock-step':
        if (by === undefined) return E.INVAL;
        this.clock.step(by * 1000);
        return 0;
      case 'no-passthrough':
        this.refusesPassthrough = true;
        return 0;
      default:
        return E.OPNOTSUPP;
    }
  }

  /** Passthrough as it is, until it is to be refused. */
  passthrough(real: Passthrough): Passthrough {
    const why = 'refused by inject';
    return {
      available: () => (this.refusesPassthrough ? why : real.available()),
      open: () => (this.refusesPassthrough ? -E.OPNOTSUPP : real.open()),
      close: () => real.close(),
    };
  }
}
