import { cpus, release, totalmem } from 'node:os';
import type { Row } from './rows.ts';
import type { Sample } from './statistics.ts';

export interface MeasuredRow {
  name: string;
  title: string;
  unit: Row['unit'];
  bars: NonNullable<Row['bars']>;
  cpuBar?: number;
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
