import { BitmapComparison } from './bitmap.ts';
import { CLAIM, collectClaims, sweepClaims } from './claims.ts';
import type { Check, Context } from './context.ts';
import { hasRoom, moveOut } from './moveout.ts';
import { SharedComparison } from './shared.ts';

/** Every block of the device is in exactly one of: header, free, files (as many as `shared` says), quarantine. */
export const blocks: Check = {
  name: 'blocks',
  async run(context) {
    await quarantineLimits(context);
    collectClaims(context);
    await conflicts(context);
    collectClaims(context);
    const bitmap = new BitmapComparison(context);
    const shared = new SharedComparison(context);
    const { totals } = context.report;
    totals.blocks = context.volume.device_blocks;
    await sweepClaims(context, (segment) => {
      const length = segment.end - segment.start;
      bitmap.use(segment.start, segment.end);
      if (segment.files > 1) shared.expect(segment.start, segment.end, segment.files);
      totals.used += length;
      if (segment.quarantines > 0) totals.quarantined += length;
    });
    await bitmap.finish();
    await shared.finish();
    context.db.exec('DROP TABLE temp.claim');
  },
};

async function quarantineLimits(context: Context): Promise<void> {
  const { first_block: first, device_blocks: end } = context.volume;
  await context.each<{ device_block: number; length: number; lease: number }>(
    `SELECT device_block, length, lease FROM quarantine WHERE device_block < ${first} OR device_block + length > ${end}`,
    (row) => {
      const message = `quarantine of ${row.length} blocks at ${row.device_block} is outside the device's ${first}–${end - 1}`;
      context.found({ code: 'quarantine-limit', safe: false, message }, () => {
        const from = Math.max(row.device_block, first);
        const to = Math.min(row.device_block + row.length, end);
        if (to > from) {
          context.run(
            'UPDATE quarantine SET device_block = ?, length = ? WHERE device_block = ?',
            from,
            to - from,
            row.device_block,
          );
        } else context.run('DELETE FROM quarantine WHERE device_block = ?', row.device_block);
      });
    },
  );
  await context.each<{ device_block: number; length: number; taken: number }>(
    `SELECT * FROM (
       SELECT device_block, length, max(device_block + length) OVER (
         ORDER BY device_block ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken FROM quarantine
     ) WHERE taken > device_block`,
    (row) => {
      const message = `quarantine at block ${row.device_block} overlaps the one before it`;
      context.found({ code: 'quarantine-overlap', safe: true, message }, () => {
        const rest = row.device_block + row.length - row.taken;
        if (rest > 0) {
          context.run(
            'UPDATE quarantine SET device_block = ?, length = ? WHERE device_block = ?',
            row.taken,
            rest,
            row.device_block,
          );
        } else context.run('DELETE FROM quarantine WHERE device_block = ?', row.device_block);
      });
    },
  );
}

/** A quarantined block may still be written by a holder that nobody stopped: no file may have it. */
async function conflicts(context: Context): Promise<void> {
  context.db.exec('CREATE TEMP TABLE conflict (start INTEGER, stop INTEGER)');
  await sweepClaims(context, (segment) => {
    if (segment.files > 0 && segment.quarantines > 0) {
      context.run('INSERT INTO temp.conflict VALUES (?, ?)', segment.start, segment.end);
    }
  });
  // Merged: a segment also ends where only another claim does.
  await context.each<{ start: number; stop: number }>(
    `SELECT min(start) AS start, max(stop) AS stop FROM (
       SELECT start, stop, sum(fresh) OVER (ORDER BY start) AS run FROM (
         SELECT start, stop, start <> lag(stop, 1, -1) OVER (ORDER BY start) AS fresh FROM temp.conflict)
     ) GROUP BY run`,
    ({ start, stop }) => {
      const ino = context.value(
        `SELECT ino FROM temp.claim WHERE kind = ${CLAIM.FILE} AND device_block < ? AND device_block + length > ? LIMIT 1`,
        stop,
        start,
      );
      const message = `blocks ${start}–${stop - 1} of inode ${ino} are in quarantine too: a holder may still write there; the file's data moves`;
      const repair = hasRoom(context, start, stop) ? () => moveOut(context, start, stop) : undefined;
      context.found({ code: 'quarantine-in-file', ino, safe: false, message }, repair);
    },
  );
  context.db.exec('DROP TABLE temp.conflict');
}
