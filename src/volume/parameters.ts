import type { Value } from './database.ts';

/** Whether a statement numbers its parameters (?1, ?2): better-sqlite3 takes those by name, not by position. */
export function isNumbered(sql: string): boolean {
  return /\?\d/.test(sql);
}

/** Arguments by position as the names of numbered parameters. */
export function bound(args: readonly Value[]): Record<number, Value> {
  const out: Record<number, Value> = {};
  for (let i = 0; i < args.length; i++) out[i + 1] = args[i];
  return out;
}
