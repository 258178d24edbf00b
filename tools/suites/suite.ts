import type { MountedVolume } from '../../test/harness/index.ts';

/** One case of a suite, as far as the suite tells. */
export interface CaseResult {
  name: string;
  result: 'passed' | 'failed' | 'skipped';
  /** What the suite said of a failure. */
  detail: string;
}

export interface SuiteContext {
  /** A fresh volume, mounted; whatever suites write there goes with it. */
  volume: MountedVolume;
  /** The folder or program given on the command line; '' when none is needed. */
  place: string;
  /** Further words of the command line: which cases. */
  words: readonly string[];
  /** ms for all of it. */
  limit: number;
  /** Writes what the suite said to a log of this name, and answers its path. */
  log(name: string, text: string): string;
}

export interface Suite {
  name: string;
  /** What has to be given: nothing, or the suite as the user built it. */
  takes?: 'DIR' | 'PATH';
  about: string;
  /** As mkfs --size. */
  size: string;
  /** Programs of the machine that it needs. */
  needs: readonly string[];
  run(context: SuiteContext): Promise<CaseResult[]>;
}
