/** Figures of one peer in one row, one a round. */
export interface Sample {
  /** In the row's unit. */
  values: number[];
  /** The daemon's CPU time an operation, microseconds, over all rounds. */
  cpu?: number;
  /** Why there are no values. */
  failed?: string;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Half the distance between the quartiles, in percent of the median. */
export function spread(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): number => {
    const place = part * (sorted.length - 1);
    const low = Math.floor(place);
    return sorted[low] + (sorted[Math.ceil(place)] - sorted[low]) * (place - low);
  };
  return ((at(0.75) - at(0.25)) / 2 / median(sorted)) * 100;
}

/**
 * How many times as good `one` is as `other`: the median of the ratios of each round, so that what slows the whole
 * machine for a while counts for both. Above 1 is better, for times as for rates.
 */
export function ratio(one: readonly number[], other: readonly number[], smallerIsBetter: boolean): number {
  const rounds = Math.min(one.length, other.length);
  const ratios: number[] = [];
  for (let i = 0; i < rounds; i++) ratios.push(smallerIsBetter ? other[i] / one[i] : one[i] / other[i]);
  return median(ratios);
}
