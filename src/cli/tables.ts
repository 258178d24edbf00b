import { readFile } from 'node:fs/promises';
import type { LeaseRow, LeaseTables, WaiterRow } from '../picture/graph.ts';
import type { Mount } from './mounts.ts';
import { controlPath } from './session.ts';

/** The rows of a table of `.layout/` (leases, waiters) by the names of its head. Only the last cell may hold blanks. */
export function parseTable(text: string): Record<string, string>[] {
  const [first = '', ...rows] = text.split('\n').filter((line) => line !== '');
  const head = first.trim().split(/\s+/);
  const last = head.at(-1) ?? '';
  return rows.map((row) => {
    const cells = row.trim().split(/\s+/);
    const named = Object.fromEntries(head.map((name, at) => [name, cells[at] ?? '']));
    return { ...named, [last]: row.slice(first.lastIndexOf(last)) };
  });
}

/** Samples of Prometheus text by name and labels: `layoutfs_blocks{state="free"}`. */
export function parseSamples(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const blank = line.lastIndexOf(' ');
    if (blank > 0 && !line.startsWith('#')) samples.set(line.slice(0, blank), Number(line.slice(blank + 1)));
  }
  return samples;
}

/** Who holds and who waits, as the caller may see it. */
export async function readTables(mount: Mount): Promise<LeaseTables> {
  const [leases, waiters] = await Promise.all(
    ['leases', 'waiters'].map((name) => readFile(controlPath(mount, name), 'utf8')),
  );
  return {
    leases: parseTable(leases as string).map((row) => ({
      ...(row as unknown as LeaseRow),
      id: Number(row.id),
      pid: Number(row.pid),
    })),
    waiters: parseTable(waiters as string).map((row) => ({
      ...(row as unknown as WaiterRow),
      id: Number(row.id),
      pid: Number(row.pid),
      leases: row.leases === '-' ? [] : (row.leases ?? '').split(',').map(Number),
    })),
  };
}
