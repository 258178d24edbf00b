import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { command } from './command.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A source tree on the host; `path`.tar is it as an archive. */
export interface SourceTree {
  path: string;
  /** Files and directories in it. */
  files: number;
}

/** This project's own sources, put into `folder`. */
export function sourceTree(folder: string): SourceTree {
  const path = join(folder, 'tree');
  const parts = ['bin', 'docs', 'schema', 'src', 'test', 'tools'];
  mkdirSync(path);
  command('tar', ['-cf', `${path}.tar`, '--exclude=build', '--exclude=node_modules', '-C', ROOT, ...parts]);
  command('tar', ['-xf', `${path}.tar`, '-C', path]);
  return { path, files: readdirSync(path, { recursive: true }).length };
}
