/** What a run of fsck found, in a form for programs; `render.ts` makes the form for people. */

/**
 * - `report`: nothing is written (`-n`).
 * - `preen`: what can be mended without choosing between two truths, or losing a name or a byte (`-p`).
 * - `all`: everything that can be mended (`-y`).
 */
export type CheckMode = 'report' | 'preen' | 'all';

/** Exit codes of fsck(8). They are bits: a run that mended one thing and left another answers 5. */
export const FSCK_EXIT = {
  CLEAN: 0,
  CORRECTED: 1,
  UNCORRECTED: 4,
  OPERATIONAL: 8,
  USAGE: 16,
  CANCELLED: 32,
} as const;

export interface Problem {
  /** Name of the check that found it, e.g. `links`. */
  check: string;
  /** Stable name of the kind of damage, e.g. `link-count`: scripts may rely on it. */
  code: string;
  /** One sentence: what is, and what should be. */
  message: string;
  /** The inode concerned, where there is one. */
  ino?: number;
  /** Mended by `preen`, not only by `all`. */
  safe: boolean;
  /** Mended in this run. False in a cancelled run: its transaction was rolled back. */
  repaired: boolean;
}

export interface CheckReport {
  image: string;
  uuid: string;
  mode: CheckMode;
  /** The first problems, at most `CheckOptions.limit`; `found` counts all of them. */
  problems: Problem[];
  found: number;
  repaired: number;
  /** Problems by code. */
  counts: Record<string, number>;
  /** What the volume holds, counted by the way. Blocks are device blocks. */
  totals: { inodes: number; directories: number; extents: number; blocks: number; used: number; quarantined: number };
  /** Things worth saying that are no damage, e.g. that the volume was not unmounted cleanly. */
  notes: string[];
  /** Set when the check could not be made, or no repair was allowed: the reason. */
  refused?: string;
  cancelled: boolean;
  seconds: number;
  /** The sum of the bits of FSCK_EXIT that apply. */
  exitCode: number;
}

export interface Progress {
  /** Name of the check now running. */
  check: string;
  /** Its place among all checks, from 1. */
  step: number;
  steps: number;
  /** Rows that it has looked at, of those that it has found until now; 0 while nobody knows. */
  done: number;
  total: number;
}

export interface CheckOptions {
  mode: CheckMode;
  progress?: (progress: Progress) => void;
  /** Checked between batches: the transaction is rolled back and the exit code is CANCELLED. */
  signal?: AbortSignal;
  /** Read-only check of a volume that is in use, on a snapshot of its metadata (`layoutfs scrub`). Mode `report` only. */
  online?: boolean;
  /** Problems kept one by one in the report; default 1000. */
  limit?: number;
  /** Seconds since the epoch, for rows that a repair makes. Default: the clock. */
  now?: number;
}
