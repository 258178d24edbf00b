import Database from 'better-sqlite3';
import { metadataPath } from '../volume/lock.ts';

/** What a block is to the eye, the strongest claim first. */
export const STATES = ['quarantined', 'leased', 'sealed', 'used', 'header', 'free'] as const;
export type BlockState = (typeof STATES)[number];

/** A run of device blocks in one state. Blocks. */
export interface Span {
  start: number;
  length: number;
  state: BlockState;
  /** What it is, for a tooltip: a path, or the reason of a quarantine. */
  what: string;
  /** Of a leased or quarantined run. */
  lease?: number;
}

export interface DeviceMap {
  image: string;
  uuid: string;
  /** Bytes. */
  blockSize: number;
  blocks: number;
  /** By start, none over another; what lies between them is free. */
  spans: Span[];
  files: number;
  extents: number;
  /** Free runs by length: entry k counts those of 2^k to 2^(k+1) - 1 blocks. */
  freeRuns: number[];
  longestFree: number;
}

const RANK: Record<BlockState, number> = { quarantined: 0, leased: 1, sealed: 2, used: 3, header: 4, free: 5 };

/** Leases in these states hold no blocks (a revoked one's are in the table of the quarantine). */
const OVER = ['PENDING', 'RELEASED', 'REVOKED'];

interface ExtentRow {
  ino: number;
  file_block: number;
  device_block: number;
  length: number;
  sealed: number;
}

/**
 * The device as the metadata of a volume has it: of a mounted one, as of its last commit. Only reads, through SQLite;
 * throws what SQLite throws where there is no such database.
 */
export function readDevice(image: string): DeviceMap {
  const db = new Database(metadataPath(image), { readonly: true, fileMustExist: true });
  try {
    return db.transaction(() => readAll(image, db))();
  } finally {
    db.close();
  }
}

function readAll(image: string, db: Database.Database): DeviceMap {
  const volume = db.prepare('SELECT * FROM volume').get() as Record<string, number | string>;
  const blockSize = Number(volume.block_size);
  const blocks = Number(volume.device_blocks);
  const firstBlock = Number(volume.first_block);
  const names = new Names(db);
  const leases = db
    .prepare(`SELECT id, ino, offset, length FROM lease WHERE state NOT IN (${OVER.map(() => '?').join(',')})`)
    .all(...OVER) as { id: number; ino: number; offset: number; length: number }[];
  const leasesOf = byIno(leases);
  const rows = db.prepare(
    `SELECT e.ino, e.file_block, e.device_block, e.length, coalesce(i.sealed, 0) AS sealed
     FROM extent e LEFT JOIN inode i ON i.ino = e.ino`,
  );
  const claims: Span[] = [{ start: 0, length: firstBlock, state: 'header', what: 'header of the volume' }];
  const files = new Set<number>();
  let extents = 0;
  for (const row of rows.iterate() as IterableIterator<ExtentRow>) {
    extents++;
    files.add(row.ino);
    const what = names.of(row.ino);
    claims.push({ start: row.device_block, length: row.length, state: row.sealed > 0 ? 'sealed' : 'used', what });
    for (const lease of leasesOf.get(row.ino) ?? []) {
      const from = Math.max(row.file_block, Math.floor(lease.offset / blockSize));
      const end = lease.length < 0 ? Number.POSITIVE_INFINITY : Math.ceil((lease.offset + lease.length) / blockSize);
      const length = Math.min(row.file_block + row.length, end) - from;
      const start = row.device_block + from - row.file_block;
      if (length > 0) claims.push({ start, length, state: 'leased', what, lease: lease.id });
    }
  }
  const quarantine = db.prepare('SELECT device_block, length, lease, reason FROM quarantine').all() as {
    device_block: number;
    length: number;
    lease: number;
    reason: string;
  }[];
  for (const { device_block: start, length, lease, reason } of quarantine) {
    claims.push({ start, length, state: 'quarantined', what: reason, lease });
  }
  const spans = settle(claims);
  return {
    image,
    uuid: String(volume.uuid),
    blockSize,
    blocks,
    spans,
    files: files.size,
    extents,
    ...freeRuns(spans, blocks),
  };
}

function byIno<T extends { ino: number }>(rows: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const row of rows) groups.set(row.ino, [...(groups.get(row.ino) ?? []), row]);
  return groups;
}

/** Of claims on the same blocks (reflinks, leases) the strongest wins; neighbours that say the same become one. */
export function settle(claims: readonly Span[]): Span[] {
  const spans: Span[] = [];
  const put = (span: Span): void => {
    const last = spans.at(-1);
    const same = last?.state === span.state && last.what === span.what && last.lease === span.lease;
    if (last !== undefined && same && last.start + last.length === span.start) last.length += span.length;
    else spans.push({ ...span });
  };
  const sorted = claims.filter(({ length }) => length > 0).sort((a, b) => a.start - b.start);
  let open: Span[] = [];
  let at = 0;
  let next = 0;
  while (next < sorted.length || open.length > 0) {
    if (open.length === 0) at = (sorted[next] as Span).start;
    while (next < sorted.length && (sorted[next] as Span).start <= at) open.push(sorted[next++] as Span);
    const strongest = open.reduce((best, span) => (RANK[span.state] < RANK[best.state] ? span : best));
    const ends = open.map(({ start, length }) => start + length);
    const end = Math.min(...ends, sorted[next]?.start ?? Number.POSITIVE_INFINITY);
    put({ ...strongest, start: at, length: end - at });
    at = end;
    open = open.filter(({ start, length }) => start + length > at);
  }
  return spans;
}

function freeRuns(spans: readonly Span[], blocks: number): { freeRuns: number[]; longestFree: number } {
  const runs: number[] = [];
  let longestFree = 0;
  let at = 0;
  const add = (length: number): void => {
    if (length <= 0) return;
    const k = Math.floor(Math.log2(length));
    while (runs.length <= k) runs.push(0);
    runs[k] = (runs[k] ?? 0) + 1;
    longestFree = Math.max(longestFree, length);
  };
  for (const { start, length } of spans) {
    add(start - at);
    at = start + length;
  }
  add(blocks - at);
  return { freeRuns: runs, longestFree };
}

interface Named {
  ino: number;
  parent: number;
  name: Buffer;
}

/** Paths of inodes, by one of their names. */
class Names {
  private readonly known = new Map<number, string>([[1, '']]);
  private readonly parents = new Map<number, Named>();

  /** One pass over the names: there is no index by inode. */
  constructor(db: Database.Database) {
    const rows = db.prepare('SELECT ino, parent, name FROM dentry').iterate() as IterableIterator<Named>;
    for (const row of rows) this.parents.set(row.ino, row);
  }

  of(ino: number): string {
    const known = this.known.get(ino);
    if (known !== undefined) return known;
    const row = this.parents.get(ino);
    const path = row ? `${this.of(row.parent)}/${row.name.toString('utf8')}` : `(inode ${ino} without a name)`;
    this.known.set(ino, path);
    return path;
  }
}
