import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, checkout } from '../../test/harness/index.ts';

/** Compiles a C program of this folder; gives the path of the binary, in a folder of its own. */
export async function compile(name: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'layoutfs-soak-'));
  chmodSync(folder, 0o755);
  const program = join(folder, name);
  await check('cc', ['-O1', '-Wall', '-o', program, join(checkout, 'tools', 'soak', `${name}.c`)], { timeout: 60_000 });
  return program;
}
