import type { LeaseTables } from '../picture/graph.ts';
import type { Screen } from '../picture/terminal.ts';
import { bytes, table } from './output.ts';
import { cut } from './screen.ts';

/** What a mount said at one moment (ms, monotonic). */
export interface Snapshot extends LeaseTables {
  at: number;
  /** Of `.layout/stats`. */
  samples: Map<string, number>;
}

export interface OperationRate {
  operation: string;
  perSecond: number;
  /** Mean time to an answer, ms. */
  meanMs: number;
}

export interface Rates {
  seconds: number;
  perSecond: number;
  operations: OperationRate[];
  commitsPerSecond: number;
  granted: number;
  recalls: number;
  refused: number;
  fences: number;
  hitShare: number | null;
  space: { free: number; used: number; quarantined: number };
  walBytes: number;
  parked: number;
}

const COUNT = /^layoutfs_request_seconds_count\{operation="([^"]*)"\}$/;

/** What happened between two moments. */
export function rates(before: Snapshot, now: Snapshot): Rates {
  const seconds = Math.max(1e-3, (now.at - before.at) / 1000);
  const value = (name: string): number => now.samples.get(name) ?? 0;
  const more = (name: string): number => value(name) - (before.samples.get(name) ?? 0);
  const operations: OperationRate[] = [];
  for (const name of now.samples.keys()) {
    const operation = COUNT.exec(name)?.[1];
    if (operation === undefined) continue;
    const count = more(name);
    const sum = more(`layoutfs_request_seconds_sum{operation="${operation}"}`);
    if (count > 0) operations.push({ operation, perSecond: count / seconds, meanMs: (1000 * sum) / count });
  }
  operations.sort((a, b) => b.perSecond - a.perSecond || a.operation.localeCompare(b.operation));
  const hits = more('layoutfs_inode_cache_lookups_total{result="hit"}');
  const asked = hits + more('layoutfs_inode_cache_lookups_total{result="miss"}');
  const size = value('layoutfs_block_bytes');
  const space = (state: string): number => size * value(`layoutfs_blocks{state="${state}"}`);
  return {
    seconds,
    perSecond: operations.reduce((sum, each) => sum + each.perSecond, 0),
    operations,
    commitsPerSecond: more('layoutfs_commits_total') / seconds,
    granted: value('layoutfs_leases_granted_total'),
    recalls: value('layoutfs_recalls_total'),
    refused: value('layoutfs_refusals_total'),
    fences: value('layoutfs_fences_total'),
    hitShare: asked === 0 ? null : hits / asked,
    space: { free: space('free'), used: space('used'), quarantined: space('quarantined') },
    walBytes: value('layoutfs_wal_bytes'),
    parked: value('layoutfs_requests_parked'),
  };
}

const rate = (n: number): string => (n >= 100 ? n.toFixed(0) : n.toFixed(1));
/** The end of a path tells more than its beginning. */
const cutFront = (path: string, columns: number): string =>
  path.length <= columns ? path : `…${path.slice(path.length - Math.max(0, columns - 1))}`;
/** Operations shown at most. */
const OPERATIONS = 8;

/** The view, line by line, none longer than the screen is wide, and no more of them than it has rows. */
export function topText(
  dir: string,
  view: Rates,
  { leases, waiters }: LeaseTables,
  { columns, rows, color }: Screen,
): string[] {
  const bold = (text: string): string => (color ? `\x1b[1m${text}\x1b[0m` : text);
  const { space } = view;
  const total = space.free + space.used + space.quarantined;
  const hits = view.hitShare === null ? '-' : `${(100 * view.hitShare).toFixed(0)}%`;
  const figures = `${rate(view.perSecond)} requests/s, ${leases.length} leases, ${waiters.length} waiting`;
  const lines = [
    bold(cut(`layoutfs ${cutFront(dir, columns - 'layoutfs : '.length - figures.length)}: ${figures}`, columns)),
    cut(
      `space ${bar(space.used, space.quarantined, total)} ${bytes(space.used)} used, ${bytes(space.quarantined)} quarantined, ` +
        `${bytes(space.free)} free`,
      columns,
    ),
    cut(
      `commits ${rate(view.commitsPerSecond)}/s  log ${bytes(view.walBytes)}  inode cache ${hits}  parked ${view.parked}`,
      columns,
    ),
    cut(
      `leases granted ${view.granted}  refused ${view.refused}  recalls ${view.recalls}  fences ${view.fences}`,
      columns,
    ),
    '',
  ];
  // What somebody waits for stands out; everything else is calm.
  const amber = (text: string): string => (color ? `\x1b[38;5;214m${text}\x1b[0m` : text);
  const part = (title: string, text: string, marked: (row: number) => boolean = () => false): void => {
    const rows = text.split('\n').map((line) => cut(line, columns));
    lines.push(bold(title), ...rows.map((line, at) => (at > 0 && marked(at - 1) ? amber(line) : line)), '');
  };
  if (view.operations.length > 0) {
    const shown = view.operations.slice(0, OPERATIONS);
    const cells = shown.map((o) => [o.operation, rate(o.perSecond), `${o.meanMs.toFixed(3)}`]);
    part('Requests', table(['operation', 'per second', 'mean ms'], cells));
  }
  if (waiters.length > 0) {
    const head = ['process', 'operation', 'since', 'left', 'waits for'];
    const cells = waiters.map((w) => [
      `${w.pid} (${w.command})`,
      w.operation,
      w.age,
      w.deadline,
      w.leases.map((id) => `lease ${id}`).join(', ') || '-',
    ]);
    part('Waiting', table(head, cells));
  }
  if (leases.length > 0) {
    // What is being recalled first: it is what somebody looks for.
    const order = [...leases].sort(
      (a, b) => Number(a.state === 'granted') - Number(b.state === 'granted') || a.id - b.id,
    );
    const cells = order.map((l) => [
      String(l.id),
      l.kind,
      l.mode,
      l.state,
      `${l.pid} (${l.command})`,
      l.age,
      l.deadline,
      l.path,
    ]);
    part('Leases', table(['id', 'kind', 'mode', 'state', 'holder', 'age', 'left', 'path'], cells), (row) => {
      return order[row]?.state !== 'granted';
    });
  }
  if (lines.at(-1) === '') lines.pop();
  if (lines.length <= rows) return lines;
  const kept = lines.slice(0, Math.max(1, rows - 1));
  return [...kept, cut(`… ${lines.length - kept.length} more lines`, columns)];
}

function bar(used: number, quarantined: number, total: number): string {
  const width = 20;
  const share = (n: number): number => (total === 0 || n === 0 ? 0 : Math.max(1, Math.round((n / total) * width)));
  const filled = Math.min(width, share(used));
  const held = Math.min(width - filled, share(quarantined));
  return `[${'#'.repeat(filled)}${'Q'.repeat(held)}${'.'.repeat(width - filled - held)}]`;
}
