import type { LeaseEngine } from '../lease/api.ts';
import { POLICY_NAMES } from '../lease/policies.ts';
import { escapeBytes } from './grammar/bytes.ts';
import { KINDS, VERB_NAMES } from './grammar/verbs.ts';
import type { Caller, ControlPorts } from './ports.ts';
import { quarantineList } from './verbs/ask.ts';
import { visibleTo } from './visibility.ts';

/** The text files of the hidden directory: made when they are opened, as those of /proc are. */

const seconds = (ms: number | undefined): string => (ms === undefined ? '-' : `${(ms / 1000).toFixed(1)}s`);
const rangeText = (offset: number, length: number): string =>
  `${offset}-${Number.isFinite(length) ? offset + length : ''}`;

/** Columns padded to the widest cell, the last one as it is. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join('');
}

export function leasesText(ports: ControlPorts, caller: Caller): string {
  const isVisible = visibleTo(ports, caller);
  const head = ['id', 'seq', 'kind', 'mode', 'state', 'range', 'bind', 'pid', 'command', 'age', 'deadline', 'path'];
  const rows = ports.leases
    .list()
    .filter(({ ino, path, holder }) => isVisible({ ino, path, uid: holder.uid }))
    .sort((a, b) => a.id - b.id)
    .map((l) => [
      String(l.id),
      String(l.seq),
      l.unbreakable && l.kind === 'direct' ? 'direct!' : l.kind,
      l.mode,
      l.state.toLowerCase(),
      rangeText(l.offset, l.length),
      l.bind,
      String(l.holder.tgid),
      word(l.holder.command),
      seconds(l.ageMs),
      seconds(l.deadlineMs),
      escapeBytes(l.path),
    ]);
  return columns([head, ...rows]);
}

export function waitersText({ leases }: { leases: LeaseEngine }, caller: Caller): string {
  const head = ['id', 'what', 'operation', 'ino', 'pid', 'command', 'age', 'deadline', 'leases'];
  const rows = leases
    .waiters()
    .filter(({ uid }) => caller.privileged || uid === caller.uid)
    .map((w) => [
      String(w.id),
      w.what,
      w.operation,
      String(w.ino),
      String(w.pid),
      word(w.command),
      seconds(w.ageMs),
      seconds(w.deadlineMs),
      w.leases.join(',') || '-',
    ]);
  return columns([head, ...rows]);
}

export function quarantineText(ports: ControlPorts): string {
  const head = ['device', 'length', 'lease', 'ino', 'age', 'reason'];
  const { quarantine } = quarantineList(ports);
  const rows = quarantine.map((q) => [
    String(q.device),
    String(q.length),
    String(q.lease),
    String(q.ino),
    seconds(q.age_ms),
    q.reason,
  ]);
  return columns([head, ...rows]);
}

export function versionText({ options, passthrough }: ControlPorts): string {
  const available = passthrough.available();
  return [
    `layoutfs ${options.version}`,
    'protocol 1',
    `policy ${options.policy} (of ${POLICY_NAMES.join(' ')})`,
    `epoch ${options.epoch}`,
    `kinds ${KINDS.join(' ')}`,
    `verbs ${VERB_NAMES.join(' ')}`,
    `device-window ${available === true ? 'passthrough' : `served: ${available}`}`,
    `guarded-window ${options.directIoMmap() ? 'direct' : 'cached'}`,
    ...(options.lacks?.() ?? []),
    '',
  ].join('\n');
}

const METRICS: [key: keyof ReturnType<LeaseEngine['stats']>, name: string, type: string, help: string][] = [
  ['leases', 'layoutfs_leases', 'gauge', 'Leases that are not over.'],
  ['waiters', 'layoutfs_waiters', 'gauge', 'Operations and verbs that wait for a lease.'],
  ['quarantinedBlocks', 'layoutfs_quarantined_blocks', 'gauge', 'Blocks in quarantine.'],
  ['granted', 'layoutfs_leases_granted_total', 'counter', 'Leases granted.'],
  ['refused', 'layoutfs_refusals_total', 'counter', 'Verbs and operations refused by a lease.'],
  ['recalls', 'layoutfs_recalls_total', 'counter', 'Recalls begun.'],
  ['returns', 'layoutfs_returns_total', 'counter', 'Leases returned.'],
  ['expiries', 'layoutfs_expiries_total', 'counter', 'Recalls that met their deadline.'],
  ['fences', 'layoutfs_fences_total', 'counter', 'Fences begun.'],
  ['fenceFailures', 'layoutfs_fence_failures_total', 'counter', 'Attempts to fence that failed.'],
  ['lateReturns', 'layoutfs_late_returns_total', 'counter', 'Returns after the deadline.'],
  ['breakerTimeouts', 'layoutfs_breaker_timeouts_total', 'counter', 'Operations that lost their patience.'],
];

/** Prometheus text format. */
/** `windows`: device windows that the kernel knows. */
export function statsText(ports: ControlPorts, sessions: number, windows: number): string {
  const stats = ports.leases.stats();
  const metric = (name: string, type: string, help: string, lines: string[]): string =>
    `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.map((line) => `${name}${line}\n`).join('')}`;
  const byKind = Object.entries(stats.byKindAndState).map(([key, n]) => {
    const [kind, state] = key.split(/[^A-Za-z_]+/);
    return `{kind="${kind}",state="${(state ?? '').toLowerCase()}"} ${n}`;
  });
  return [
    ...METRICS.map(([key, name, type, help]) => metric(name, type, help, [` ${stats[key]}`])),
    metric('layoutfs_leases_by_kind', 'gauge', 'Leases by kind and state.', byKind),
    metric('layoutfs_sessions', 'gauge', 'Open sessions of the control file.', [` ${sessions}`]),
    metric('layoutfs_device_windows', 'gauge', 'Device windows that somebody may still reach.', [` ${windows}`]),
    ports.statistics?.() ?? '',
  ].join('');
}

/** One word of a table: blanks and odd bytes would break its columns. */
function word(text: string): string {
  return escapeBytes(Buffer.from(text)).replaceAll(/\s/g, '_') || '-';
}
