import type { Check, Context } from './context.ts';
import { S_IFREG, TYPE } from './modes.ts';

/** States of leases.md section 4 in which the blocks are protected: such a lease needs its file. */
const PROTECTED = `('GRANTED', 'RECALLED', 'FENCING', 'FENCE_FAILED', 'ORPHANED')`;
const STATES = `('PENDING', 'GRANTED', 'RECALLED', 'FENCING', 'FENCE_FAILED', 'ORPHANED', 'REVOKED', 'RELEASED')`;
const KINDS = `('layout', 'direct', 'exclusive', 'frozen', 'swap')`;
/** Kinds that were granted over a range without holes, of which nothing may leave before the recall is over. */
const WITHOUT_HOLES = `('direct', 'frozen', 'swap')`;

interface Lease {
  id: number;
  ino: number;
}

/** Leases and quarantine: known kinds and states, a file under each live lease, and the blocks that it was promised. */
export const leases: Check = {
  name: 'leases',
  async run(context) {
    await words(context);
    await files(context);
    await ranges(context);
    await parents(context);
    await singles(context);
    await holes(context);
    await quarantine(context);
  },
};

/** What is not understood is kept as ORPHANED: the state that protects the blocks and trusts nobody. */
async function words(context: Context): Promise<void> {
  await context.each<Lease & { state: string; kind: string }>(
    `SELECT id, ino, state, kind FROM lease WHERE state NOT IN ${STATES} OR kind NOT IN ${KINDS}`,
    ({ id, ino, state, kind }) => {
      const message = `lease ${id} has kind '${kind}' and state '${state}', one of which does not exist`;
      context.found({ code: 'lease-word', ino, safe: false, message }, () =>
        context.run(
          `UPDATE lease SET kind = CASE WHEN kind IN ${KINDS} THEN kind ELSE 'layout' END,
             state = CASE WHEN state IN ${STATES} THEN state ELSE 'ORPHANED' END WHERE id = ?`,
          id,
        ),
      );
    },
  );
}

async function files(context: Context): Promise<void> {
  await context.each<Lease & { state: string; mode: number | null }>(
    `SELECT l.id, l.ino, l.state, i.mode FROM lease l LEFT JOIN inode i ON i.ino = l.ino
       WHERE l.state IN ${PROTECTED} AND (i.ino IS NULL OR ${TYPE('i.mode')} <> ${S_IFREG})`,
    ({ id, ino, state, mode }) => {
      const what = mode === null ? 'does not exist' : 'is no regular file';
      const message = `lease ${id} is ${state} on inode ${ino}, which ${what}`;
      // The blocks it had are either free or another's by now: the lease protects nothing.
      context.found({ code: 'lease-file', ino, safe: false, message }, () => end(context, id));
    },
  );
}

function end(context: Context, id: number): void {
  context.run(`UPDATE lease SET state = 'REVOKED', seq = seq + 1, ended_s = ? WHERE id = ?`, context.now, id);
}

async function ranges(context: Context): Promise<void> {
  const size = context.volume.block_size;
  await context.each<Lease & { offset: number; length: number }>(
    `SELECT id, ino, offset, length FROM lease WHERE offset < 0 OR length < -1 OR length = 0 OR offset % ${size} <> 0`,
    ({ id, ino, offset, length }) => {
      const message = `lease ${id} covers ${length} bytes at ${offset}, which is no range of blocks`;
      // Widened, never narrowed: what the holder was promised stays inside.
      context.found({ code: 'lease-range', ino, safe: false, message }, () =>
        context.run(`UPDATE lease SET offset = max(0, offset / ${size} * ${size}), length = -1 WHERE id = ?`, id),
      );
    },
  );
  await context.each<Lease & { epoch: number }>(
    `SELECT id, ino, epoch FROM lease WHERE epoch > (SELECT epoch FROM volume)`,
    ({ id, ino, epoch }) => {
      const message = `lease ${id} is of epoch ${epoch}, which has not begun`;
      context.found({ code: 'lease-epoch', ino, safe: true, message }, () =>
        context.run('UPDATE lease SET epoch = (SELECT epoch FROM volume) WHERE id = ?', id),
      );
    },
  );
}

async function parents(context: Context): Promise<void> {
  await context.each<Lease & { parent: number }>(
    `SELECT l.id, l.ino, l.parent FROM lease l LEFT JOIN lease p ON p.id = l.parent
       WHERE l.parent IS NOT NULL AND l.state IN ${PROTECTED} AND (p.id IS NULL OR p.ino <> l.ino OR p.id = l.id)`,
    ({ id, ino, parent }) => {
      const message = `sub-lease ${id} belongs to lease ${parent}, which is none of this file`;
      context.found({ code: 'lease-parent', ino, safe: false, message }, () =>
        context.run('UPDATE lease SET parent = NULL WHERE id = ?', id),
      );
    },
  );
}

/** Two holders of an `exclusive` or `swap` range: the older one keeps it. One holder may have several, and sub-leases share. */
async function singles(context: Context): Promise<void> {
  await context.each<Lease & { other: number }>(
    `SELECT b.id, b.ino, min(a.id) AS other FROM lease b JOIN lease a ON a.ino = b.ino AND a.id < b.id
       WHERE a.state IN ('GRANTED', 'RECALLED') AND b.state = 'GRANTED' AND a.kind = b.kind AND a.kind IN ('exclusive', 'swap')
         AND a.parent IS NULL AND b.parent IS NULL AND (a.pid, a.pid_start) <> (b.pid, b.pid_start)
         AND (a.length = -1 OR a.offset + a.length > b.offset) AND (b.length = -1 OR b.offset + b.length > a.offset)
       GROUP BY b.id`,
    ({ id, ino, other }) => {
      const message = `leases ${other} and ${id} both have a range that only one may have`;
      context.found({ code: 'lease-double', ino, safe: false, message }, () =>
        context.run(`UPDATE lease SET state = 'ORPHANED', seq = seq + 1 WHERE id = ?`, id),
      );
    },
  );
}

async function holes(context: Context): Promise<void> {
  const size = context.volume.block_size;
  await context.each<Lease & { missing: number; kind: string }>(
    `SELECT id, ino, kind, stop - start - mapped AS missing FROM (
       SELECT *, (SELECT coalesce(sum(min(e.file_block + e.length, stop) - max(e.file_block, start)), 0) FROM extent e
         WHERE e.ino = r.ino AND e.file_block < stop AND e.file_block + e.length > start) AS mapped
       FROM (
         SELECT l.id, l.ino, l.kind, l.offset / ${size} AS start,
           (min(CASE WHEN l.length = -1 THEN i.size ELSE l.offset + l.length END, i.size) + ${size - 1}) / ${size} AS stop
         FROM lease l JOIN inode i ON i.ino = l.ino WHERE l.state IN ('GRANTED', 'RECALLED') AND l.kind IN ${WITHOUT_HOLES}
       ) r WHERE stop > start
     ) WHERE mapped < stop - start`,
    ({ id, ino, kind, missing }) => {
      const message = `${kind} lease ${id} was granted over blocks, ${missing} of which are a hole now`;
      context.found({ code: 'lease-hole', ino, safe: false, message }, () =>
        context.run(`UPDATE lease SET state = 'ORPHANED', seq = seq + 1 WHERE id = ?`, id),
      );
    },
  );
}

/** Quarantine is left only by ack, proof or force (I11): a row without its lease is kept, and a lease made for it. */
async function quarantine(context: Context): Promise<void> {
  await context.each<{ lease: number; ino: number; epoch: number; since: number; blocks: number }>(
    `SELECT lease, min(ino) AS ino, max(epoch) AS epoch, min(since_s) AS since, sum(length) AS blocks FROM quarantine
       WHERE lease NOT IN (SELECT id FROM lease) GROUP BY lease`,
    ({ lease, ino, epoch, since, blocks }) => {
      const message = `${blocks} blocks are in quarantine for lease ${lease}, of which there is no record`;
      context.found({ code: 'quarantine-lease', ino, safe: true, message }, () => {
        context.run(
          `INSERT INTO lease (id, ino, path, kind, mode, offset, length, state, seq, bind, uid, pid, pid_start, command,
             options, epoch, granted_s, ended_s, raw)
           VALUES (?, ?, x'', 'layout', 'ro', 0, -1, 'REVOKED', 1, 'fd', 0, 0, 0, '', '{}', ?, ?, ?, 1)`,
          lease,
          ino,
          Math.min(epoch, context.volume.epoch),
          since,
          context.now,
        );
        context.run('UPDATE volume SET next_lease = max(next_lease, ? + 1)', lease);
      });
    },
  );
}
