/** Where leases are kept: rows of schema/lease.sql. Two of them: sql.ts over the volume's database, memory.ts for tests. */

/** A row of table lease. */
export interface LeaseRow {
  id: number;
  ino: number;
  path: Buffer;
  kind: string;
  mode: string;
  /** Bytes. */
  offset: number;
  /** Bytes, -1 = to any end. */
  length: number;
  state: string;
  seq: number;
  parent: number | null;
  bind: string;
  uid: number;
  pid: number;
  pid_start: number;
  command: string;
  name: string | null;
  secret: Buffer | null;
  /** JSON. */
  options: string;
  epoch: number;
  granted_s: number;
  ended_s: number | null;
  raw: number;
}

/** A row of table quarantine; positions and lengths in device blocks. */
export interface QuarantineRow {
  device_block: number;
  length: number;
  lease: number;
  ino: number;
  epoch: number;
  reason: string;
  since_s: number;
}

/** All of it runs in the open transaction; nothing here waits. */
export interface Store {
  leases(): LeaseRow[];
  quarantine(): QuarantineRow[];
  /** A lease id that was never used and never will be again. */
  nextId(): number;
  insert(row: LeaseRow): void;
  update(row: LeaseRow): void;
  remove(id: number): void;
  addQuarantine(row: QuarantineRow): void;
  removeQuarantine(deviceBlock: number): void;
  fenceAttempt(lease: number, atS: number, method: string, result: string): void;
  audit(atS: number, uid: number, pid: number, verb: string, lease: number | null, detail: string): void;
}
