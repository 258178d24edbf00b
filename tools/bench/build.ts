import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { available, command } from './command.ts';

const HERE = import.meta.dirname;
const BUILD = join(HERE, 'build');

/** Compiles NAME.c of this folder when it is newer than what was built. Throws when there is no compiler or library. */
export function build(name: string, packages: readonly string[] = []): string {
  const source = join(HERE, `${name}.c`);
  const binary = join(BUILD, name);
  if (existsSync(binary) && statSync(binary).mtimeMs > statSync(source).mtimeMs) return binary;
  if (!available('cc')) throw new Error('no C compiler: cc is missing');
  const flags = packages.length
    ? command('pkg-config', ['--cflags', '--libs', ...packages])
        .trim()
        .split(/\s+/)
    : [];
  mkdirSync(BUILD, { recursive: true });
  command('cc', ['-O2', '-std=gnu11', '-pthread', source, '-o', binary, ...flags]);
  return binary;
}
