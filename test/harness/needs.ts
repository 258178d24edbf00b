import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
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

/** A suite on a real mount. Where the machine lacks something, it is skipped and its name tells why. */
export function describeMounted(name: string, tools: readonly string[], suite: () => void): void {
  const missing = tools.filter((tool) => !hasTool(tool));
  const why = whyNoMounts() ?? (missing.length > 0 ? `needs ${missing.join(', ')}` : undefined);
  if (why === undefined) describe.sequential(name, suite);
  else describe.skip(`${name} (skipped: ${why})`, suite);
}
