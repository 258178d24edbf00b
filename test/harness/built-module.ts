import { cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkout } from './mount.ts';
import { check } from './run.ts';

/**
 * The package as npm would install it, compiled: no tsx, so that its commands start fast. Gives its folder, the caller's to
 * remove; `commands` in it has the programs by their names.
 */
export async function builtModule(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'layoutfs-module-'));
  const tsc = join(checkout, 'node_modules', '.bin', 'tsc');
  await check(tsc, ['-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')], {
    cwd: checkout,
    timeout: 100_000,
  });
  for (const name of ['package.json', 'bin', 'schema'])
    cpSync(join(checkout, name), join(folder, name), { recursive: true });
  symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, 'commands'));
  const { bin } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { bin: Record<string, string> };
  for (const [name, path] of Object.entries(bin)) symlinkSync(join(folder, path), join(folder, 'commands', name));
  return folder;
}
