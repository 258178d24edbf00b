import { readdirSync, readFileSync } from 'node:fs';

/** What a process had at one moment. Sizes in bytes. */
export interface Sample {
  /** Seconds since the start of the samples. */
  at: number;
  pid: number;
  /** Resident, and the part of it that is no file's (proc_pid_status(5) RssAnon): a leak shows there. */
  rss: number;
  anonymous: number;
  descriptors: number;
  threads: number;
}

/** Undefined when the process is gone, or about to go. */
export function sample(pid: number, at: number): Sample | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1]);
    const rss = field('VmRSS') * 1024;
    if (!(rss > 0)) return undefined;
    const descriptors = readdirSync(`/proc/${pid}/fd`).length;
    return { at, pid, rss, anonymous: field('RssAnon') * 1024, descriptors, threads: field('Threads') };
  } catch {
    return undefined;
  }
}

/** Slope of a least-squares line through (at, value), in units of the value an hour. */
export function slopePerHour(points: readonly (readonly [at: number, value: number])[]): number {
  const n = points.length;
  if (n < 2) return 0;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  let xy = 0;
  let xx = 0;
  for (const [x, y] of points) {
    xy += (x - meanX) * (y - meanY);
    xx += (x - meanX) ** 2;
  }
  return xx === 0 ? 0 : (xy / xx) * 3600;
}

/**
 * The lowest value in each span of `seconds`: what the process keeps, without what its garbage collector has not come to
 * yet.
 */
export function floors(
  samples: readonly Sample[],
  of: (sample: Sample) => number,
  seconds: number,
): [number, number][] {
  const lowest = new Map<number, [number, number]>();
  for (const each of samples) {
    const span = Math.floor(each.at / seconds);
    const known = lowest.get(span);
    if (known === undefined || of(each) < known[1]) lowest.set(span, [(span + 0.5) * seconds, of(each)]);
  }
  return [...lowest.values()];
}

export interface Growth {
  /** Bytes an hour, of the floors. */
  rss: number;
  anonymous: number;
  /** Bytes at the last floor. */
  level: number;
  /** The floors of `anonymous`, bytes. */
  floors: number[];
  /** Fewest in the first span and in the last one: those that are open for a moment only do not count. */
  descriptors: [first: number, last: number];
  threads: [first: number, last: number];
}

/** How one process has grown over its samples. */
export function growth(samples: readonly Sample[], spanSeconds: number): Growth {
  const ends = (of: (sample: Sample) => number): [number, number] => {
    const least = floors(samples, of, spanSeconds).map(([, value]) => value);
    return [least.at(0) ?? 0, least.at(-1) ?? 0];
  };
  const rss = floors(samples, (each) => each.rss, spanSeconds);
  const anonymous = floors(samples, (each) => each.anonymous, spanSeconds);
  return {
    rss: slopePerHour(rss),
    anonymous: slopePerHour(anonymous),
    level: rss.at(-1)?.[1] ?? 0,
    floors: anonymous.map(([, value]) => value),
    descriptors: ends((each) => each.descriptors),
    threads: ends((each) => each.threads),
  };
}

/** What a part of the memory of a daemon held, in bytes, and how it grew. */
export interface Part {
  name: string;
  first: number;
  last: number;
  /** Bytes an hour. */
  growth: number;
}

/** The parts as collect.mjs has written them down, of one process between two moments in seconds since its start. */
export function partsOf(text: string, pid: number, from: number, to: number): Part[] {
  const lines = text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { pid: number; uptime: number; parts: Record<string, number> })
    .filter((line) => line.pid === pid && line.uptime >= from && line.uptime <= to);
  return Object.keys(lines[0]?.parts ?? {}).map((name) => {
    const points = lines.map(({ uptime, parts }) => [uptime, parts[name] ?? 0] as const);
    return { name, first: points[0]?.[1] ?? 0, last: points.at(-1)?.[1] ?? 0, growth: slopePerHour(points) };
  });
}
