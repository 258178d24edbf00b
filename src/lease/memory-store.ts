/** A store in memory: for tests, and for anything that wants the engine without a volume. Rows are copied in and out. */
import type { LeaseRow, QuarantineRow, Store } from './store.ts';

export class MemoryStore implements Store {
  readonly leaseRows = new Map<number, LeaseRow>();
  readonly quarantineRows = new Map<number, QuarantineRow>();
  readonly fenceAttempts: { lease: number; atS: number; method: string; result: string }[] = [];
  readonly audits: { uid: number; pid: number; verb: string; lease: number | null; detail: string }[] = [];
  private next = 1;

  leases(): LeaseRow[] {
    return [...this.leaseRows.values()].map((row) => ({ ...row })).sort((a, b) => a.id - b.id);
  }

  quarantine(): QuarantineRow[] {
    return [...this.quarantineRows.values()].map((row) => ({ ...row }));
  }

  nextId(): number {
    return this.next++;
  }

  insert(row: LeaseRow): void {
    if (this.leaseRows.has(row.id)) throw new Error(`lease ${row.id} is stored already`);
    this.leaseRows.set(row.id, { ...row });
  }

  update(row: LeaseRow): void {
    if (!this.leaseRows.has(row.id)) throw new Error(`lease ${row.id} is not stored`);
    this.leaseRows.set(row.id, { ...row });
  }

  remove(id: number): void {
    if (!this.leaseRows.delete(id)) throw new Error(`lease ${id} is not stored`);
  }

  addQuarantine(row: QuarantineRow): void {
    if (this.quarantineRows.has(row.device_block))
      throw new Error(`block ${row.device_block} is in quarantine already`);
    this.quarantineRows.set(row.device_block, { ...row });
  }

  removeQuarantine(deviceBlock: number): void {
    if (!this.quarantineRows.delete(deviceBlock)) throw new Error(`block ${deviceBlock} is not in quarantine`);
  }

  fenceAttempt(lease: number, atS: number, method: string, result: string): void {
    this.fenceAttempts.push({ lease, atS, method, result });
  }

  audit(_atS: number, uid: number, pid: number, verb: string, lease: number | null, detail: string): void {
    this.audits.push({ uid, pid, verb, lease, detail });
  }
}
