/**
 * Quarantine: freed blocks that a holder who never answered may still reach. They are never allocated from, and leave by the
 * holder's ack, by proof, or by an administrator's audited word; never by time (leases.md sections 7 and 8, I11).
 */

import { E } from '../system/errno.ts';
import type { Holder, QuarantineView, Refused } from './api.ts';
import type { Core } from './core.ts';
import { emit } from './emit.ts';
import { notFound, notPrivileged } from './explain.ts';
import type { Lease } from './lease.ts';
import { addReach, cutReach, piecesByReach, setReach } from './reach.ts';
import type { QuarantineRow } from './store.ts';

export class Quarantine {
  readonly rows = new Map<number, QuarantineRow>();
  private readonly byLease = new Map<number, Set<number>>();
  blocks = 0;

  put(row: QuarantineRow): void {
    this.rows.set(row.device_block, row);
    this.blocks += row.length;
    const set = this.byLease.get(row.lease);
    if (set) set.add(row.device_block);
    else this.byLease.set(row.lease, new Set([row.device_block]));
  }

  take(row: QuarantineRow): void {
    this.rows.delete(row.device_block);
    this.blocks -= row.length;
    const set = this.byLease.get(row.lease);
    set?.delete(row.device_block);
    if (set?.size === 0) this.byLease.delete(row.lease);
  }

  of(lease: number): QuarantineRow[] {
    return [...(this.byLease.get(lease) ?? [])].map((block) => this.rows.get(block) as QuarantineRow);
  }
}

/** `LeaseEngine.dispose`. Blocks of the device and of the file. */
export function dispose(
  core: Core,
  quarantine: Quarantine,
  ino: number,
  fileBlock: number,
  deviceBlock: number,
  length: number,
): 'free' | 'quarantine' {
  reachOfLiving(core, ino, fileBlock, deviceBlock, length);
  if (core.reach.size === 0 || !core.reach.any(deviceBlock, deviceBlock + length)) return 'free';
  for (const piece of piecesByReach(core, deviceBlock, length)) {
    if (piece.lease)
      add(core, quarantine, piece.lease, ino, piece.start, piece.length, `freed in ${piece.lease.state}`);
    else core.ports.space.release(piece.start, piece.length);
  }
  return 'quarantine';
}

/**
 * No row of the matrix lets blocks leave under a lease that is granted or being recalled, but for an odp holder who has said
 * that he forgot them, and for policies. Should it happen, the holder was told of these blocks: they wait for his return.
 */
function reachOfLiving(core: Core, ino: number, fileBlock: number, deviceBlock: number, length: number): void {
  const file = core.files.get(ino);
  if (!file) return;
  const { blockSize } = core.options;
  const offset = fileBlock * blockSize;
  for (const lease of file.index.overlapping(offset, offset + length * blockSize)) {
    if (!lease.raw || lease.terms.odp || (lease.state !== 'GRANTED' && lease.state !== 'RECALLED')) continue;
    const from = Math.max(0, Math.floor(lease.offset / blockSize) - fileBlock);
    const to = Math.min(length, Math.ceil(lease.end / blockSize) - fileBlock);
    addReach(core, lease, { start: deviceBlock + from, length: to - from });
    core.save(lease);
  }
}

function add(
  core: Core,
  quarantine: Quarantine,
  lease: Lease,
  ino: number,
  start: number,
  length: number,
  reason: string,
): void {
  const row: QuarantineRow = {
    device_block: start,
    length,
    lease: lease.id,
    ino,
    epoch: core.epoch,
    reason,
    since_s: core.wall(),
  };
  core.ports.store.addQuarantine(row);
  quarantine.put(row);
  emit(core, lease, 'quarantine', reason, { deviceBlock: start, blocks: length }, 'stream');
}

/** The holder of `lease` has stopped: its reach ends, and what waited only for it is free. Returns blocks. */
export function releaseReach(core: Core, quarantine: Quarantine, lease: Lease): number {
  setReach(core, lease, []);
  let released = 0;
  for (const row of quarantine.of(lease.id)) released += leave(core, quarantine, row);
  return released;
}

/** A row leaves; pieces that another holder still reaches stay, in that one's name. */
function leave(core: Core, quarantine: Quarantine, row: QuarantineRow): number {
  quarantine.take(row);
  core.ports.store.removeQuarantine(row.device_block);
  let released = 0;
  for (const piece of piecesByReach(core, row.device_block, row.length)) {
    if (piece.lease) add(core, quarantine, piece.lease, row.ino, piece.start, piece.length, row.reason);
    else {
      core.ports.space.release(piece.start, piece.length);
      released += piece.length;
    }
  }
  return released;
}

export function quarantineList(quarantine: Quarantine): QuarantineView[] {
  return [...quarantine.rows.values()]
    .sort((a, b) => a.device_block - b.device_block)
    .map((row) => ({
      deviceBlock: row.device_block,
      length: row.length,
      lease: row.lease,
      ino: row.ino,
      epoch: row.epoch,
      reason: row.reason,
      sinceS: row.since_s,
    }));
}

/** The administrator's word instead of a proof; audited. */
export function forceRelease(
  core: Core,
  quarantine: Quarantine,
  which: { lease?: number; deviceBlock?: number },
  by: Holder,
): { ok: true; released: number } | Refused {
  if (!by.privileged) return core.refuse(notPrivileged());
  const rows =
    which.deviceBlock !== undefined
      ? [quarantine.rows.get(which.deviceBlock)].filter((row) => row !== undefined)
      : quarantine.of(which.lease ?? 0);
  if (rows.length === 0) return core.refuse(notFound('no such extent in quarantine'));
  for (const row of rows) {
    const lease = core.leases.get(row.lease);
    if (lease && lease.state !== 'REVOKED') {
      return core.refuse({
        errno: E.BUSY,
        cause: 'live',
        lease: lease.id,
        state: lease.state,
        hint: `lease ${lease.id} is not over: expire id=${lease.id} force first`,
      });
    }
  }
  let released = 0;
  for (const row of rows) {
    const lease = core.leases.get(row.lease);
    if (lease) {
      cutReach(core, lease, row.device_block, row.device_block + row.length);
      core.save(lease);
    }
    core.ports.store.audit(
      core.wall(),
      by.uid,
      by.pid,
      'quarantine release',
      row.lease,
      `blocks ${row.device_block}+${row.length}`,
    );
    released += leave(core, quarantine, row);
  }
  return { ok: true, released };
}
