/** The rows of the operation matrix, as operations of a program on a real mount. */
import type { RowName } from '../../src/lease/rows.ts';
import type { Actor, Look, Outcome, Reply } from './actor.ts';

const BLOCK = 4096;
export const SIZE = 8 * BLOCK;
const KEEP = 1;
const PUNCH = 2 | KEEP;
const ZERO = 16;

export type Build = 'plain' | 'unwritten' | 'hole' | 'tail' | 'sealed';

export interface Context {
  /** Who does it. */
  actor: Actor;
  path: string;
  /** Files of its own that the operation may use. */
  other: string;
  before: Look;
  /** Where the first block is on the device, bytes. */
  device: number;
}

export interface Operation {
  row: RowName;
  name: string;
  build?: Build;
  /** By the kernel, as nobody's: the holder is asked like everybody else. */
  writeback?: boolean;
  /** A verb without patience: EAGAIN with the recall begun, and it is asked again. */
  impatient?: boolean;
  /** What only the third party needs. */
  prepare?(context: Context): Promise<unknown>;
  run(context: Context): Promise<Outcome | Reply>;
  /** Has it been done? */
  done(after: Look, context: Context, outcome: Outcome | Reply): boolean | Promise<boolean>;
}

const file = (c: Context): string => c.path;
const control = (c: Context): string => `/${c.path}`;
export const deviceOf = async (c: Context): Promise<number> => {
  const { extents } = (await c.actor.verb({ verb: 'map', path: control(c) })) as unknown as {
    extents: { device: number }[];
  };
  return extents[0]?.device ?? -1;
};

export const OPERATIONS: readonly Operation[] = [
  {
    row: 'read',
    name: 'read(2)',
    run: (c) => c.actor.outcome('read', file(c), 0, SIZE),
    done: (_, __, { value }) => value === 'p'.repeat(SIZE),
  },
  {
    row: 'write-in-place',
    name: 'write(2) over written blocks',
    run: (c) => c.actor.outcome('write', file(c), BLOCK, BLOCK, 'w'),
    done: (after) => after.runs.join('') === 'pwpppppp',
  },
  {
    row: 'write-in-place',
    name: 'a store into a shared mapping, written back',
    writeback: true,
    run: (c) => c.actor.outcome('store_shared', file(c), BLOCK, 'w'),
    done: (after) => after.runs[1] === 'mixed',
  },
  {
    row: 'write-unwritten',
    name: 'write(2) into unwritten blocks',
    build: 'unwritten',
    run: (c) => c.actor.outcome('write', file(c), 4 * BLOCK, BLOCK, 'w'),
    done: (after) => after.runs[4] === 'w',
  },
  {
    row: 'write-hole',
    name: 'write(2) into a hole',
    build: 'hole',
    run: (c) => c.actor.outcome('write', file(c), 4 * BLOCK, BLOCK, 'w'),
    done: (after) => after.runs[4] === 'w',
  },
  {
    row: 'write-append',
    name: 'write(2) behind the end',
    run: (c) => c.actor.outcome('write', file(c), SIZE, BLOCK, 'w'),
    done: (after) => after.size === SIZE + BLOCK && after.runs[8] === 'w',
  },
  {
    row: 'extend-preallocated',
    name: 'write(2) from the end, in the last block',
    build: 'tail',
    run: (c) => c.actor.outcome('write', file(c), SIZE - 100, 100, 'w'),
    done: (after) => after.size === SIZE,
  },
  {
    row: 'shrink',
    name: 'truncate(2) to less',
    run: (c) => c.actor.outcome('truncate', file(c), BLOCK),
    done: (after) => after.size === BLOCK && after.blocks < 64,
  },
  {
    row: 'shrink',
    name: 'open(2) with O_TRUNC',
    run: (c) => c.actor.outcome('open_truncating', file(c)),
    done: (after) => after.size === 0 && after.blocks === 0,
  },
  {
    row: 'grow',
    name: 'truncate(2) to more',
    run: (c) => c.actor.outcome('truncate', file(c), 2 * SIZE),
    done: (after) => after.size === 2 * SIZE,
  },
  {
    row: 'fallocate',
    name: 'fallocate(2) KEEP_SIZE behind the end',
    run: (c) => c.actor.outcome('fallocate', file(c), KEEP, SIZE, BLOCK),
    done: (after, c) => after.size === SIZE && after.blocks > c.before.blocks,
  },
  {
    row: 'fallocate',
    name: 'fallocate(2) mode 0 behind the end',
    run: (c) => c.actor.outcome('fallocate', file(c), 0, SIZE, BLOCK),
    done: (after, c) => after.size === SIZE + BLOCK && after.blocks > c.before.blocks,
  },
  {
    row: 'punch',
    name: 'fallocate(2) PUNCH_HOLE',
    run: (c) => c.actor.outcome('fallocate', file(c), PUNCH, BLOCK, BLOCK),
    done: (after, c) => after.runs[1] === '\0' && after.blocks < c.before.blocks,
  },
  {
    row: 'zero-in-place',
    name: 'fallocate(2) ZERO_RANGE over written blocks',
    run: (c) => c.actor.outcome('fallocate', file(c), ZERO | KEEP, BLOCK, BLOCK),
    done: (after, c) => after.runs[1] === '\0' && after.blocks === c.before.blocks,
  },
  {
    row: 'zero',
    name: 'fallocate(2) ZERO_RANGE over the end',
    run: (c) => c.actor.outcome('fallocate', file(c), ZERO, SIZE - BLOCK, 2 * BLOCK),
    done: (after) => after.size === SIZE + BLOCK && after.runs[7] === '\0',
  },
  {
    row: 'collapse-insert',
    name: 'verb collapse',
    run: (c) => c.actor.verb({ verb: 'collapse', path: control(c), offset: BLOCK, length: BLOCK, wait: 60 }),
    done: (after) => after.size === SIZE - BLOCK,
  },
  {
    row: 'collapse-insert',
    name: 'verb insert',
    run: (c) => c.actor.verb({ verb: 'insert', path: control(c), offset: BLOCK, length: BLOCK, wait: 60 }),
    done: (after) => after.size === SIZE + BLOCK && after.runs[1] === '\0' && after.runs[2] === 'p',
  },
  {
    row: 'prepare',
    name: 'verb prepare, to another place',
    impatient: true,
    run: (c) => c.actor.verb({ verb: 'prepare', path: control(c), align: '16m' }),
    done: async (_, c) => (await deviceOf(c)) % (16 << 20) === 0,
  },
  {
    row: 'prepare-nothing',
    name: 'verb prepare, nothing to do',
    impatient: true,
    run: (c) => c.actor.verb({ verb: 'prepare', path: control(c) }),
    done: (after, c) => after.gen === c.before.gen,
  },
  {
    row: 'clone-source',
    name: 'verb clone of it',
    prepare: (c) => c.actor.do('write', c.other, 0, 0, 'p'),
    run: (c) => c.actor.verb({ verb: 'clone', path: control(c), to: `/${c.other}`, wait: 60 }),
    done: async (_, c) => (await c.actor.look(c.other)).runs.join('') === 'pppppppp',
  },
  {
    row: 'clone-destination',
    name: 'verb clone over it',
    prepare: (c) => c.actor.do('write', c.other, 0, SIZE, 'c'),
    run: (c) => c.actor.verb({ verb: 'clone', path: `/${c.other}`, to: control(c), wait: 60 }),
    done: (after) => after.runs.join('') === 'cccccccc',
  },
  {
    row: 'clone-destination-allocating',
    name: 'verb clone behind its end',
    prepare: (c) => c.actor.do('write', c.other, 0, SIZE, 'c'),
    run: (c) =>
      c.actor.verb({ verb: 'clone', path: `/${c.other}`, to: control(c), to_offset: SIZE, length: BLOCK, wait: 60 }),
    done: (after) => after.size === SIZE + BLOCK && after.runs[8] === 'c',
  },
  {
    row: 'copy-source',
    name: 'copy_file_range(2) from it',
    prepare: (c) => c.actor.do('write', c.other, 0, 0, 'p'),
    run: (c) => c.actor.outcome('copy', file(c), c.other, SIZE),
    done: async (after, c) => (await c.actor.look(c.other)).runs.join('') === 'pppppppp' && after.gen === c.before.gen,
  },
  {
    row: 'write-in-place',
    name: 'copy_file_range(2) over it',
    prepare: (c) => c.actor.do('write', c.other, 0, SIZE, 'c'),
    run: (c) => c.actor.outcome('copy', c.other, file(c), SIZE),
    done: (after) => after.runs.join('') === 'cccccccc',
  },
  {
    row: 'name',
    name: 'rename(2), link(2), unlink(2) of a name',
    run: async (c) => {
      const first = await c.actor.outcome('link', file(c), c.other);
      if (first.errno !== undefined) return first;
      const second = await c.actor.outcome('rename', file(c), `${c.path}.moved`);
      if (second.errno !== undefined) return second;
      return c.actor.outcome('rename', c.other, file(c));
    },
    done: async (after, c) => after.size === SIZE && (await c.actor.do('unlink', `${c.path}.moved`)) === null,
  },
  {
    row: 'attributes',
    name: 'chmod(2), setxattr(2)',
    run: async (c) => {
      const first = await c.actor.outcome('chmod', file(c), 0o640);
      return first.errno !== undefined ? first : c.actor.outcome('setxattr', file(c), 'user.colour', 'red');
    },
    done: (after) => after.mode === 0o640,
  },
  { row: 'fsync', name: 'fsync(2)', run: (c) => c.actor.outcome('fsync', file(c)), done: () => true },
  {
    row: 'open',
    name: 'open(2), private mmap(2)',
    run: (c) => c.actor.outcome('map_private', file(c)),
    done: (_, __, { value }) => value === 'p'.charCodeAt(0),
  },
  {
    row: 'relocate',
    name: 'verb relocate',
    run: (c) => c.actor.verb({ verb: 'relocate', path: control(c), wait: 60 }),
    done: async (after, c) => (await deviceOf(c)) !== c.device && after.runs.join('') === 'pppppppp',
  },
  {
    row: 'drain',
    name: 'verb drain of its place',
    run: async (c) => {
      const reply = await c.actor.verb({ verb: 'drain', offset: c.device, length: SIZE, wait: 60 });
      const blockers = (reply.blockers ?? []) as { lease?: number; cause?: string }[];
      // What stays is listed: that is how this verb is refused.
      return reply.ok && blockers.length > 0 ? { ...reply, ok: false, errno: 'EBUSY' } : reply;
    },
    done: async (after, c) => (await deviceOf(c)) !== c.device && after.runs.join('') === 'pppppppp',
  },
  {
    row: 'extent-query',
    name: 'verb map',
    run: (c) => c.actor.verb({ verb: 'map', path: control(c) }),
    done: (after, _, reply) => String((reply as Reply).gen) === after.gen,
  },
  {
    row: 'seal',
    name: 'verb seal',
    run: (c) => c.actor.verb({ verb: 'seal', path: control(c), wait: 60 }),
    done: async (_, c) => (await c.actor.outcome('write', file(c), SIZE, 1, 'w')).errno === 'ETXTBSY',
  },
  {
    row: 'unseal',
    name: 'verb unseal',
    build: 'sealed',
    run: (c) => c.actor.verb({ verb: 'unseal', path: control(c) }),
    done: (_, __, reply) => (reply as Reply).sealed === false,
  },
  {
    row: 'last-unlink',
    name: 'unlink(2) of the last name',
    run: (c) => c.actor.outcome('unlink', file(c)),
    done: async (_, c) => !(await c.actor.do<boolean>('exists', file(c))),
  },
];
