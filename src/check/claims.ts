import type { Context } from './context.ts';

/** Who has a run of device blocks. */
export const CLAIM = { FILE: 0, QUARANTINE: 1, HEADER: 2 } as const;

/** A run of device blocks on which the same claims lie. */
export interface Segment {
  start: number;
  end: number;
  files: number;
  quarantines: number;
  header: boolean;
}

interface ClaimRow {
  device_block: number;
  length: number;
  kind: number;
}

/**
 * Writes every claim on device blocks — of extents, quarantine and header — into the temporary table `claim`, by device
 * block, cut to the device. SQLite sorts on disk, so this is bounded in memory for any number of extents.
 */
export function collectClaims(context: Context): void {
  const end = context.volume.device_blocks;
  context.db.exec(`
    DROP TABLE IF EXISTS temp.claim;
    CREATE TEMP TABLE claim AS
      SELECT max(device_block, 0) AS device_block, min(device_block + length, ${end}) - max(device_block, 0) AS length, kind, ino, file_block
      FROM (
        SELECT device_block, length, ${CLAIM.FILE} AS kind, ino, file_block FROM extent
        UNION ALL SELECT device_block, length, ${CLAIM.QUARANTINE}, ino, 0 FROM quarantine
        UNION ALL SELECT 0, ${context.volume.first_block}, ${CLAIM.HEADER}, 0, 0
      ) WHERE device_block < ${end} AND device_block + length > 0 ORDER BY device_block`);
}

/** Gives the device's claimed blocks in order, cut into segments at every place where a claim begins or ends. */
export async function sweepClaims(context: Context, visit: (segment: Segment) => void): Promise<void> {
  const active = new Heap();
  const segment: Segment = { start: 0, end: 0, files: 0, quarantines: 0, header: false };
  const count = [0, 0, 0];
  let cursor = 0;
  const advance = (to: number): void => {
    while (active.size > 0 && cursor < to) {
      const end = Math.min(to, active.end);
      if (end > cursor) {
        segment.start = cursor;
        segment.end = end;
        segment.files = count[CLAIM.FILE];
        segment.quarantines = count[CLAIM.QUARANTINE];
        segment.header = count[CLAIM.HEADER] > 0;
        visit(segment);
      }
      cursor = end;
      while (active.size > 0 && active.end <= cursor) count[active.pop()]--;
    }
    cursor = to;
  };
  await context.each<ClaimRow>('SELECT device_block, length, kind FROM temp.claim ORDER BY device_block', (claim) => {
    advance(claim.device_block);
    active.push(claim.device_block + claim.length, claim.kind);
    count[claim.kind]++;
  });
  advance(context.volume.device_blocks);
}

/** Claims that the sweep is inside of, the one that ends first on top. */
class Heap {
  private readonly ends: number[] = [];
  private readonly kinds: number[] = [];

  get size(): number {
    return this.ends.length;
  }

  get end(): number {
    return this.ends[0];
  }

  push(end: number, kind: number): void {
    let at = this.ends.length;
    for (; at > 0; ) {
      const up = (at - 1) >> 1;
      if (this.ends[up] <= end) break;
      this.ends[at] = this.ends[up];
      this.kinds[at] = this.kinds[up];
      at = up;
    }
    this.ends[at] = end;
    this.kinds[at] = kind;
  }

  /** Removes the top; its kind. */
  pop(): number {
    const kind = this.kinds[0];
    const end = this.ends.pop() as number;
    const last = this.kinds.pop() as number;
    const size = this.ends.length;
    if (size === 0) return kind;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= size) break;
      if (down + 1 < size && this.ends[down + 1] < this.ends[down]) down++;
      if (this.ends[down] >= end) break;
      this.ends[at] = this.ends[down];
      this.kinds[at] = this.kinds[down];
      at = down;
    }
    this.ends[at] = end;
    this.kinds[at] = last;
    return kind;
  }
}
