/** Leases as others may see them: lists, the answer to `why`, and tables as text for `.layout/`. */
import { E } from '../system/errno.ts';
import type { Actor, Filter, LeaseView, QuarantineView, Stats, WaiterView, WhyAnswer } from './api.ts';
import type { Core } from './core.ts';
import { kindText } from './emit.ts';
import { refusalBy, sealedRefusal } from './explain.ts';
import { blockersOf } from './judge.ts';
import type { Lease } from './lease.ts';
import { bySeal } from './matrix.ts';
import type { Quarantine } from './quarantine.ts';
import { ROW_NAMES, type RowName } from './rows.ts';

export function view(core: Core, lease: Lease): LeaseView {
  const { terms, fence } = lease;
  const now = core.now();
  const queue = core.files.get(lease.ino)?.queue ?? [];
  return {
    id: lease.id,
    ino: lease.ino,
    path: lease.path,
    kind: terms.kind,
    mode: terms.mode,
    unbreakable: terms.unbreakable,
    offset: lease.offset,
    length: lease.length,
    state: lease.state,
    seq: lease.seq,
    parent: lease.parent?.id ?? 0,
    splitFrom: lease.splitFrom,
    bind: terms.bind,
    fh: terms.fh || undefined,
    name: terms.name,
    holder: { ...lease.holder },
    epoch: lease.epoch,
    raw: lease.raw,
    odp: terms.odp,
    ageMs: now - lease.grantedAt,
    deadlineMs: lease.recall && lease.state === 'RECALLED' ? Math.max(0, lease.recall.deadline - now) : undefined,
    onExpire: terms.onExpire,
    fence: fence && { method: fence.method, attempts: fence.attempts, result: fence.result },
    proof: lease.proof,
    waiters: queue.reduce((count, item) => count + (item.waitsFor(lease) ? 1 : 0), 0),
  };
}

export function list(core: Core, filter: Filter = {}): LeaseView[] {
  const source = candidates(core, filter);
  const views: LeaseView[] = [];
  for (const lease of source) {
    if (filter.id !== undefined && lease.id !== filter.id) continue;
    if (filter.ino !== undefined && lease.ino !== filter.ino) continue;
    if (filter.session !== undefined && lease.holder.session !== filter.session) continue;
    if (filter.uid !== undefined && lease.holder.uid !== filter.uid) continue;
    views.push(view(core, lease));
  }
  return views.sort((a, b) => a.id - b.id);
}

function candidates(core: Core, filter: Filter): Iterable<Lease> {
  if (filter.id !== undefined) {
    const lease = core.leases.get(filter.id);
    return lease ? [lease] : [];
  }
  if (filter.ino !== undefined) {
    const live = core.files.get(filter.ino)?.index.overlapping(0, Number.POSITIVE_INFINITY) ?? [];
    return [...live, ...(core.tombstones.get(filter.ino) ?? [])];
  }
  if (filter.session !== undefined) return core.bySession.get(filter.session) ?? [];
  return core.leases.values();
}

/** One answer a row: what would happen now, by whom, until when. */
export function why(
  core: Core,
  ino: number,
  rows: readonly RowName[],
  offset: number,
  length: number,
  actor: Actor | undefined,
): WhyAnswer[] {
  const sealed = core.ports.map.sealed(ino);
  return rows.map((name) => {
    const row = core.matrix[name];
    const found = blockersOf(core, ino, [{ row: name, offset, length }], actor, true);
    const refusing = found.filter((b) => b.letter !== 'B');
    const errnoOf = (letter: string) =>
      letter === 'K' ? E.DEADLK : letter === 'Y' ? E.BUSY : letter === 'B' ? E.AGAIN : E.TXTBSY;
    const leases = (refusing.length > 0 ? refusing : found).map((b) =>
      refusalBy(core, b.lease, errnoOf(b.letter), name),
    );
    if (sealed !== 0 && bySeal(row, sealed) !== 'A') leases.unshift(sealedRefusal());
    const errno = leases[0]?.errno ?? 0;
    const verdict = errno === 0 ? 'allowed' : errno === E.AGAIN ? 'waits' : 'refused';
    return { row: name, number: row.number, verdict, errno: verdict === 'waits' ? 0 : errno, leases };
  });
}

export const WHY_ROWS: readonly RowName[] = ROW_NAMES.filter((name) => name !== 'unmount' && name !== 'device-lost');

export function statistics(core: Core, quarantine: Quarantine): Stats {
  const byKindAndState: Record<string, number> = {};
  for (const lease of core.leases.values()) {
    const key = `${kindText(lease)} ${lease.state}`;
    byKindAndState[key] = (byKindAndState[key] ?? 0) + 1;
  }
  return { ...core.stats, leases: core.live, byKindAndState, quarantinedBlocks: quarantine.blocks };
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? '-' : `${(ms / 1000).toFixed(1)}s`;
}

function range(offset: number, length: number): string {
  return `${offset}-${Number.isFinite(length) ? offset + length : ''}`;
}

/** A path on one line of text: bytes that are not printable ASCII, blanks and backslashes as \xNN. */
function pathText(path: Buffer): string {
  let text = '';
  for (const byte of path) {
    text +=
      byte > 0x20 && byte < 0x7f && byte !== 0x5c
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return text;
}

function table(lines: string[][]): string {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines
    .map((line) => `${line.map((cell, i) => (i === line.length - 1 ? cell : cell.padEnd(widths[i]))).join('  ')}\n`)
    .join('');
}

/** `.layout/leases` */
export function leasesText(views: readonly LeaseView[]): string {
  const lines = [
    [
      'ID',
      'KIND',
      'RANGE',
      'STATE',
      'SEQ',
      'BIND',
      'PID',
      'COMMAND',
      'UID',
      'AGE',
      'DEADLINE',
      'RAW',
      'WAITERS',
      'PATH',
    ],
  ];
  for (const v of views) {
    const kind =
      v.kind === 'layout' ? `layout-${v.mode}` : v.kind === 'direct' && v.unbreakable ? 'unbreakable' : v.kind;
    const bind = v.name === undefined ? v.bind : `${v.bind}:${pathText(Buffer.from(v.name))}`;
    const command = pathText(Buffer.from(v.holder.command)) || '-';
    lines.push([
      String(v.id),
      v.parent ? `${kind}<${v.parent}` : kind,
      range(v.offset, v.length),
      v.state,
      String(v.seq),
      bind,
      String(v.holder.pid),
      command,
      String(v.holder.uid),
      seconds(v.ageMs),
      seconds(v.deadlineMs),
      v.raw ? 'yes' : 'no',
      String(v.waiters),
      pathText(v.path),
    ]);
  }
  return table(lines);
}

/** `.layout/waiters` */
export function waitersText(views: readonly WaiterView[]): string {
  const lines = [['ID', 'INO', 'WHAT', 'OPERATION', 'PID', 'COMMAND', 'UID', 'AGE', 'DEADLINE', 'LEASES']];
  for (const v of views) {
    const operation = v.operation.replaceAll(' ', '-');
    const command = pathText(Buffer.from(v.command)) || '-';
    lines.push([
      String(v.id),
      String(v.ino),
      v.what,
      operation,
      String(v.pid),
      command,
      String(v.uid),
      seconds(v.ageMs),
      seconds(v.deadlineMs),
      v.leases.join(',') || '-',
    ]);
  }
  return table(lines);
}

/** `.layout/quarantine`: positions in blocks of the device. */
export function quarantineText(views: readonly QuarantineView[], nowS: number): string {
  const lines = [['BLOCK', 'LENGTH', 'LEASE', 'INO', 'EPOCH', 'AGE', 'REASON']];
  for (const v of views) {
    const age = seconds(Math.max(0, nowS - v.sinceS) * 1000);
    lines.push([
      String(v.deviceBlock),
      String(v.length),
      String(v.lease),
      String(v.ino),
      String(v.epoch),
      age,
      v.reason,
    ]);
  }
  return table(lines);
}
