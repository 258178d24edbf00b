/** The commands that move blocks: relocate and drain, which are verbs, and defrag, which is many of them. */
import { readFile } from 'node:fs/promises';
import type { ReplyOf } from '../control/grammar/verbs.ts';
import type { Command } from './command.ts';
import { CommandError, EXIT } from './exit.ts';
import type { Mount } from './mounts.ts';
import { interruptible, Progress } from './progress.ts';
import { printReply } from './reply.ts';
import { controlPath, openSession } from './session.ts';
import { parseSamples } from './tables.ts';
import { requestOf, verbCommand } from './verb.ts';

/** Bytes that are moved by one request: others are served between two. */
const PIECE = 64 * 2 ** 20;
/** ms between two looks at how far the daemon is. */
const LOOK = 250;

const plainRelocate = verbCommand('relocate');

/** `relocate`, piece by piece where the whole need not lie together: the daemon stands still for none of them. */
export const relocate: Command = {
  ...plainRelocate,
  about:
    'Ctrl-C ends after the piece (64 MiB) that is being moved; what was moved stays where it is. With --contiguous the range is\n' +
    'one piece.',
  run: (args) =>
    interruptible(async (signal) => {
      const { mount, fields } = requestOf('relocate', args);
      using session = await openSession(mount);
      const ask = (more: object): Promise<ReplyOf<'relocate'>> =>
        orInterrupted(session.request('relocate', { ...fields, ...more } as never), signal, () => done);
      let done = 'nothing was moved';
      const { offset = 0, length } = fields as { offset?: number; length?: number };
      const { size } = await session.request('map', { path: fields.path, limit: 1 } as never);
      const end = Math.min(size, length === undefined ? Number.POSITIVE_INFINITY : offset + length);
      if (fields.contiguous === true || end - offset <= PIECE) {
        printReply('relocate', await ask({}), args.json);
        return EXIT.ok;
      }
      const progress = new Progress({ label: 'relocate', unit: 'bytes' });
      const total = { gen: 0, moved: 0, extents: 0 };
      try {
        for (let at = offset; at < end; ) {
          if (at > offset) done = `bytes ${offset} to ${at} are moved`;
          if (signal.aborted) throw interrupted(done);
          progress.update(at - offset, end - offset);
          const next = Math.min(end, (Math.floor(at / PIECE) + 1) * PIECE);
          const { gen, moved, extents } = await ask({ offset: at, length: next - at });
          total.gen = gen;
          total.moved += moved;
          total.extents += extents;
          at = next;
        }
      } finally {
        progress.end();
      }
      printReply('relocate', total, args.json);
      return EXIT.ok;
    }),
};

const plainDrain = verbCommand('drain');

export const drain: Command = {
  ...plainDrain,
  about: `${plainDrain.about}\nCtrl-C ends between two files; what was moved stays where it is.`,
  run: (args) =>
    interruptible(async (signal) => {
      const { mount, fields } = requestOf('drain', args);
      using session = await openSession(mount);
      const progress = new Progress({ label: 'drain', unit: 'bytes' });
      const before = (await movedBytes(mount)).moved;
      const done = new AbortController();
      const looking = look(async () => {
        const { moved, toMove } = await movedBytes(mount);
        progress.update(moved - before, moved - before + toMove);
      }, done.signal);
      try {
        const request = session.request('drain', fields as never);
        const reply = await orInterrupted(request, signal, () => 'some blocks are still there');
        done.abort();
        await looking;
        progress.end();
        printReply('drain', reply, args.json);
        return EXIT.ok;
      } finally {
        done.abort();
        progress.end();
      }
    }),
};

/** Somebody who is asked may let us wait for long. Closing the session takes the request back. */
function orInterrupted<T>(request: Promise<T>, signal: AbortSignal, how: () => string): Promise<T> {
  request.catch(() => {});
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(interrupted(how()));
    signal.addEventListener('abort', stop, { once: true });
    request.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

export function interrupted(how: string): CommandError {
  return new CommandError(`interrupted: ${how}`, EXIT.interrupted, 'EINTR');
}

/** Bytes that the daemon has moved since the mount, and that drains have still to come to. */
async function movedBytes(mount: Mount): Promise<{ moved: number; toMove: number }> {
  const samples = parseSamples(await readFile(controlPath(mount, 'stats'), 'utf8'));
  const blocks = samples.get('layoutfs_block_bytes') ?? 0;
  return {
    moved: (samples.get('layoutfs_moved_blocks_total') ?? 0) * blocks,
    toMove: (samples.get('layoutfs_drain_pending_blocks') ?? 0) * blocks,
  };
}

async function look(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, LOOK));
    if (!signal.aborted) await work().catch(() => {});
  }
}
