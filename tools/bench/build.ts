import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { available, command } from './command.ts';

const HERE = import.meta.dirname;
const BUILD = join(HERE, 'build');

/**
 * Compiles NAME.c and NAME-*.c of this folder when a C file of it is newer than what was built. Throws when there is no
 * compiler or library.
 */
export function build(name: string, packages: readonly string[] = []): string {
  const binary = join(BUILD, name);
  const files = readdirSync(HERE).filter((file) => /\.[ch]$/.test(file));
  const newest = Math.max(...files.map((file) => statSync(join(HERE, file)).mtimeMs));
  if (existsSync(binary) && statSync(binary).mtimeMs > newest) return binary;
  if (!available('cc')) throw new Error('no C compiler: cc is missing');
  const flags = packages.length
    ? command('pkg-config', ['--cflags', '--libs', ...packages])
        .trim()
        .split(/\s+/)
    : [];
  const sources = files.filter((file) => file === `${name}.c` || (file.startsWith(`${name}-`) && file.endsWith('.c')));
  mkdirSync(BUILD, { recursive: true });
  command('cc', ['-O2', '-std=gnu11', '-pthread', ...sources.map((file) => join(HERE, file)), '-o', binary, ...flags]);
  return binary;
}
