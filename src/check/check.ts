import type { CheckOptions, CheckReport } from './report.ts';

/**
 * Checks, and by mode repairs, the volume whose device is `image`, without mounting it.
 * All repairs are one transaction: a run that is cancelled or fails has changed nothing.
 * Never throws for what is wrong with the volume: the report says it.
 */
export async function check(_image: string, _options: CheckOptions): Promise<CheckReport> {
  throw new Error('not yet');
}
