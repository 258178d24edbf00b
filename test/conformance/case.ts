/**
 * A case of the conformance set: a script for the driver in `tools/conformance/driver` (its language is described at the
 * top of main.c there), run in an empty directory, by root with the identities that the script names.
 */
export interface Case {
  /** `family/what`; unique. */
  name: string;
  /** Where the expectation is written down: a man page, POSIX, or the kernel's documentation. */
  source: string;
  script: string;
  /** Programs that the script runs. */
  needs?: readonly string[];
  /** What the FUSE kernel module itself does otherwise: the heading in docs/compatibility.md that explains it. */
  refusedByKernel?: string;
  /** Where ext4 is the one that differs: why. */
  unlikeExt4?: string;
}

/** Cases of one family in short: `what`, source, script. */
export function family(
  name: string,
  cases: readonly (readonly [string, string, string, Partial<Case>?])[],
): readonly Case[] {
  return cases.map(([what, source, script, more]) => ({ name: `${name}/${what}`, source, script, ...more }));
}
