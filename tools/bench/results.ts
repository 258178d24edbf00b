import { cpus, release, totalmem } from 'node:os';
import type { Row } from './rows.ts';
import type { Sample } from './statistics.ts';

/** Milliseconds from a conflicting call to the event in the holder, and from its return to the end of the call. */
export interface RecallFigures {
  toEvent: { p50: number; p99: number };
  toEnd: { p50: number; p99: number };
}

/** What only this filesystem has. The recalls are those of a daemon that has served many. */
export interface LeaseFigures extends RecallFigures {
  /** `get` + `return` on one session, each durable before its reply; pairs a second, one figure a round. */
  pairs: number[];
  /** The first recalls of the daemon, when nothing has been compiled yet. */
  first: RecallFigures;
  /** How many each of the two are of. */
  recalls: number;
  failed?: string;
}

/** One operation where little is and where much is; microseconds, one figure a round. */
export interface Growth {
  title: string;
  small: number[];
  large: number[];
  /** CPU time of the daemon for one operation, microseconds: small, large. */
  cpu: [number, number];
}

/** A figure that stands for itself. */
export interface Fact {
  title: string;
  value: number;
  unit: string;
  /** Bars of performance.md. */
  atMost?: number;
  atLeast?: number;
  note?: string;
}

export interface MeasuredRow {
  name: string;
  title: string;
  unit: Row['unit'];
  bars: NonNullable<Row['bars']>;
  cpuBar?: number;
  /** Bar, in the row's unit. */
  atMost?: number;
  samples: Record<string, Sample>;
}

export interface Results {
  date: string;
  machine: { kernel: string; cpu: string; cores: number; memory: number; node: string };
  rounds: number;
  /** Milliseconds of one measurement. */
  duration: number;
  /** Bytes of the data file. */
  size: number;
  peers: { name: string; about: string }[];
  skipped: { name: string; why: string }[];
  rows: MeasuredRow[];
  leases?: LeaseFigures;
  growth?: Growth[];
  facts: Fact[];
}

export function machine(): Results['machine'] {
  const all = cpus();
  return {
    kernel: release(),
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    memory: totalmem(),
    node: process.version,
  };
}
