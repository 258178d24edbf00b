import { accessSync, constants, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { describe } from 'vitest';

/** Why tests on a real mount can not run here; undefined when they can. */
export function whyNoMounts(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
  } catch {
    return 'needs /dev/fuse';
  }
  return undefined;
}

export function hasTool(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The folder on the way to `path` that other users may not enter; undefined for none. */
function closedFolder(path: string): string | undefined {
  for (let folder = path; ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

/** Why an ordinary user can not run what is in this checkout, on files in the temp folder; undefined when he can. */
export function whyNoOtherUser(): string | undefined {
  const closed = closedFolder(dirname(dirname(import.meta.dirname))) ?? closedFolder(tmpdir());
  if (closed !== undefined) return `needs ${closed} open to other users`;
  return (statSync(tmpdir()).mode & 0o002) === 0 ? `needs ${tmpdir()} writable by other users` : undefined;
}

/** Why he can not mount either. */
export function whyNoOrdinaryUser(): string | undefined {
  const why = whyNoOtherUser();
  if (why !== undefined) return why;
  // fusermount3 opens it with the rights of its caller.
  const { mode } = statSync('/dev/fuse', { throwIfNoEntry: false }) ?? { mode: 0 };
  return (mode & 0o006) === 0o006 ? undefined : 'needs /dev/fuse open to other users';
}

/** A suite on a real mount. Where the machine lacks something, it is skipped and its name tells why. */
export function describeMounted(name: string, tools: readonly string[], suite: () => void, lacks?: string): void {
  const missing = tools.filter((tool) => !hasTool(tool));
  const why = whyNoMounts() ?? (missing.length > 0 ? `needs ${missing.join(', ')}` : lacks);
  if (why === undefined) describe.sequential(name, suite);
  else describe.skip(`${name} (skipped: ${why})`, suite);
}
