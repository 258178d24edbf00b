import { ROW_NAMES } from '../../lease/rows.ts';
import type { Fields, ValuesOf } from './fields.ts';
import * as f from './fields.ts';

/**
 * THE table of verbs: everything that can be said on `.layout/ctl`. Requests and replies are read, checked, written,
 * typed and documented from here and from nowhere else.
 *
 * `offset` and `length` may be written as one word `range=a-b` in either form (bytes, b excluded, `a-` to any end).
 */
export interface Verb {
  readonly summary: string;
  readonly request: Fields;
  /** Each line: at least one of these fields must be there. */
  readonly needs?: readonly (readonly string[])[];
  readonly reply: Fields;
  /** The list that the reply carries, if any: its name and the fields of an item. */
  readonly list?: { readonly name: string; readonly item: Fields };
  readonly example: string;
}

export const KINDS = ['layout', 'direct', 'exclusive', 'frozen', 'swap'] as const;
export const STATES = [
  'pending',
  'granted',
  'recalled',
  'fencing',
  'fence_failed',
  'orphaned',
  'revoked',
  'released',
] as const;
export const EXTENT_STATES = ['written', 'unwritten', 'hole', 'shared'] as const;
export const EVENT_NAMES = [
  'recall',
  'invalidate',
  'granted',
  'revoked',
  'released',
  'orphaned',
  'fence',
  'quarantine',
  'gen',
  'overflow',
] as const;

const isNotify = (value: string): boolean => /^(event|none|signal:([1-9]|[1-5][0-9]|6[0-4]))$/.test(value);

const range = {
  offset: f.size('first byte of the range'),
  length: f.size('bytes of the range; without it, to any end'),
};
const file = {
  path: f.path('the file, from the root of the mount'),
  ino: f.integer('the file by inode number'),
  gen: f.integer('with ino=: refused (ESTALE) when the block map is at another generation'),
};
const lease = {
  id: f.required(f.integer('the lease')),
  seq: f.integer('the last seq the holder knows; an old one is ESTALE'),
  token: f.text('as told by get: proves the holder from another session'),
};
const changed = {
  id: f.required(f.integer('the lease')),
  seq: f.required(f.integer('its seq now')),
  state: f.required(f.choice(STATES, 'its state now')),
  kind: f.required(f.choice(KINDS, 'its kind now')),
  mode: f.required(f.choice(['ro', 'rw'], 'its mode now')),
};
const replyRange = {
  offset: f.required(f.size('first byte')),
  length: f.nullable(f.size('bytes; null is to any end')),
};
const generation = { gen: f.required(f.integer('generation of the block map')) };
const FILE = ['path', 'ino'];

export const HOLDER = {
  pid: f.required(f.integer('process')),
  command: f.required(f.text('its command')),
};
export const BREAKER = {
  pid: f.required(f.integer('process, 0 for the page cache')),
  command: f.required(f.text('its command')),
  operation: f.required(f.text('what it asked for')),
};

const leaseItem = {
  ...changed,
  path: f.required(f.path('as it was asked for')),
  ino: f.required(f.integer('inode')),
  ...replyRange,
  bind: f.required(f.text('what the lease lives with')),
  holder: f.required(f.group(HOLDER, 'the holder')),
  uid: f.required(f.integer('user of the holder')),
  unbreakable: f.flag('only an administrator recalls it'),
  age_ms: f.required(f.milliseconds('since the grant')),
  deadline_ms: f.nullable(f.milliseconds('until the fence, of a recalled lease')),
  parent: f.integer('of a sub-lease'),
};

const blockerItem = {
  lease: f.integer('the lease in the way'),
  kind: f.text('its kind'),
  state: f.text('its state'),
  holder: f.group(HOLDER, 'its holder'),
  ...replyRange,
  age_ms: f.milliseconds('since the grant'),
  deadline_ms: f.nullable(f.milliseconds('until it gives way at the latest')),
  cause: f.required(f.text('a word for programs')),
  hint: f.required(f.text('the cure')),
};

const verb = <const V extends Verb>(of: V): V => of;

export const VERBS = {
  get: verb({
    summary: 'ask for a lease',
    request: {
      ...file,
      kind: f.choice(KINDS, 'what is promised; direct if not given'),
      mode: f.choice(['ro', 'rw'], 'of a layout lease; ro if not given'),
      ...range,
      unwritten_ok: f.flag('unwritten extents are accepted'),
      unbreakable: f.flag('nothing recalls it but an administrator'),
      align: f.size('a power of two that logical start, physical start and length of every extent must keep'),
      odp: f.flag('the holder can take an invalidation instead of a recall'),
      parent: f.integer('makes it a sub-lease of this one'),
      bind: f.choice(['fd', 'process', 'named'], 'what it lives with; this session (fd) if not given'),
      name: f.text('for bind=named'),
      secret: f.text('for bind=named: proves the holder in renew and reclaim'),
      timeout: f.duration("the holder's own break time"),
      coherent: f.flag("a third party's write in place recalls too"),
      notify: f.matching(isNotify, 'event, none or signal:N', 'how a recall is told; event if not given'),
      on_expire: f.choice(['relocate', 'kill', 'none'], 'what to do with a holder that does not answer'),
      min_fence: f.choice(
        ['none', 'medium', 'configured', 'strong'],
        'refuse the lease unless it can be fenced so well',
      ),
      accept: f.choice(['ro'], 'take this mode when the asked one is not to be had'),
      wait: f.duration('how long to queue for it; 0 if not given'),
      after_recall: f.flag('queue behind the recall that is taking it away'),
    },
    needs: [FILE],
    reply: {
      ...changed,
      ...generation,
      ...replyRange,
      extents: f.required(f.integer('how many extents the range has')),
      epoch: f.required(f.integer('of this mount')),
      token: f.required(f.text('names this grant across a crash of the daemon')),
      secret: f.text('of a named lease, when the holder gave none'),
    },
    example: 'get path=/db/data.ibd kind=direct range=0-1g unwritten_ok',
  }),
  return: verb({
    summary: 'give a lease back, whole or a range of it',
    request: { ...lease, ...range, cascade: f.flag('its sub-leases too') },
    reply: {
      ...changed,
      rest: f.integer('a range out of the middle leaves two leases: the id of the upper one'),
      rest_seq: f.integer('its seq'),
    },
    example: 'return id=7 seq=2',
  }),
  ack: verb({
    summary: 'answer an invalidation, or a revocation',
    request: lease,
    reply: changed,
    example: 'ack id=7 seq=2',
  }),
  delay: verb({
    summary: 'ask for more time in a recall',
    request: { ...lease, for: f.required(f.duration('how much more')) },
    reply: { ...changed, deadline_ms: f.nullable(f.milliseconds('until the fence')) },
    example: 'delay id=7 seq=2 for=10s',
  }),
  downgrade: verb({
    summary: 'exchange a lease for a weaker one, atomically',
    request: {
      ...lease,
      kind: f.required(f.choice(KINDS, 'the weaker kind')),
      mode: f.choice(['ro', 'rw'], 'of a layout lease'),
    },
    reply: { ...changed, ...generation },
    example: 'downgrade id=7 seq=2 kind=direct',
  }),
  upgrade: verb({
    summary: 'exchange a lease for a stronger one; what is held is never dropped',
    request: {
      ...lease,
      kind: f.required(f.choice(KINDS, 'the stronger kind')),
      mode: f.choice(['ro', 'rw'], 'of a layout lease'),
      wait: f.duration('how long to queue for it'),
    },
    reply: { ...changed, ...generation },
    example: 'upgrade id=7 seq=2 kind=exclusive',
  }),
  renew: verb({
    summary: 'tell that the holder of a named lease lives',
    request: { ...lease, secret: f.text('as given in get') },
    reply: changed,
    example: 'renew id=7 secret=…',
  }),
  reclaim: verb({
    summary: 'take a named lease again after a crash of holder or daemon',
    request: { name: f.required(f.text('of the lease')), secret: f.required(f.text('as given in get')) },
    reply: {
      ...changed,
      ...generation,
      ...replyRange,
      epoch: f.required(f.integer('of this mount')),
      token: f.required(f.text('of the new holder')),
    },
    example: 'reclaim name=ibd-pool secret=…',
  }),
  bind: verb({
    summary: 'mark an open data handle as acting for a lease (administrator; holders use LAYOUT_IOC_BIND)',
    request: { ...lease, handle: f.required(f.integer('the handle, as LAYOUT_IOC_STATUS tells it')) },
    reply: changed,
    example: 'bind id=7 handle=31',
  }),
  map: verb({
    summary: 'the extents of a range; an observation only, unless a lease is named',
    request: {
      ...file,
      id: f.integer('the lease; without it nothing is promised about the answer'),
      seq: f.integer('its seq, as the holder knows it'),
      token: f.text('as told by get: proves the holder from another session'),
      ...range,
      limit: f.integer('extents at most; 1000 if not given'),
    },
    needs: [['id', 'path', 'ino']],
    reply: {
      id: f.integer('the lease'),
      observation: f.flag('no lease stands behind this answer'),
      ...generation,
      block_size: f.required(f.size('bytes of a block')),
      size: f.required(f.size('bytes of the file')),
      device: f.required(
        f.group(
          { uuid: f.required(f.text('of the volume')), path: f.required(f.text('of the backing file')) },
          'where the device offsets count',
        ),
      ),
      next: f.nullable(f.size('offset to go on from, when there is more')),
    },
    list: {
      name: 'extents',
      item: {
        offset: f.required(f.size('in the file')),
        device: f.nullable(f.size('in the device; null in a hole')),
        length: f.required(f.size('bytes')),
        state: f.required(f.choice(EXTENT_STATES, 'what is there')),
      },
    },
    example: 'map id=7',
  }),
  alloc: verb({
    summary: 'allocate a range under a layout rw or exclusive lease; durable before the reply',
    request: { ...lease, ...range, keep_size: f.flag('never grow the file') },
    reply: { ...changed, ...generation, size: f.required(f.size('of the file')) },
    example: 'alloc id=7 range=0-1m',
  }),
  commit: verb({
    summary: 'what the holder stored becomes part of the file; durable before the reply',
    request: {
      ...lease,
      ...range,
      ranges: f.ranges('several ranges at once'),
      size: f.size('the file grows to this'),
    },
    reply: { ...changed, ...generation, size: f.required(f.size('of the file')) },
    example: 'commit id=7 range=0-1m',
  }),
  prepare: verb({
    summary: 'make a range fit for a direct lease: allocated, its own, aligned, durable',
    request: {
      ...file,
      ...range,
      unwritten: f.flag('leave new blocks unwritten instead of zeroing them'),
      align: f.size('a power of two for the physical start'),
      contiguous: f.flag('one extent only'),
      extend: f.flag('grow the file to the end of the range'),
    },
    needs: [FILE],
    reply: {
      ...generation,
      size: f.required(f.size('of the file')),
      extents: f.required(f.integer('how many extents the range has')),
      changed: f.required(f.flag('something had to be done')),
    },
    example: 'prepare path=/db/data.ibd range=0-1g extend',
  }),
  seal: verb({
    summary: 'make the block map immutable until unseal, across remounts (administrator)',
    request: {
      ...file,
      unwritten_ok: f.flag('unwritten extents are accepted'),
      wait: f.duration('patience with lease holders'),
    },
    needs: [FILE],
    reply: { ...generation, sealed: f.required(f.flag('it is')) },
    example: 'seal path=/vm/disk.raw',
  }),
  unseal: verb({
    summary: 'end a seal (administrator)',
    request: file,
    needs: [FILE],
    reply: { ...generation, sealed: f.required(f.flag('it is not')) },
    example: 'unseal path=/vm/disk.raw',
  }),
  clone: verb({
    summary: 'share a range of blocks with another file (reflink)',
    request: {
      ...file,
      ...range,
      to: f.required(f.path('the destination file')),
      to_offset: f.size('where in it; 0 if not given'),
      wait: f.duration('patience with lease holders'),
    },
    needs: [FILE],
    reply: { ...generation, size: f.required(f.size('of the destination')) },
    example: 'clone path=/a to=/b',
  }),
  collapse: verb({
    summary: 'take a range out of a file; what follows moves down',
    request: { ...file, ...range, wait: f.duration('patience with lease holders') },
    needs: [FILE],
    reply: { ...generation, size: f.required(f.size('of the file')) },
    example: 'collapse path=/a range=0-1m',
  }),
  insert: verb({
    summary: 'put a hole into a file; what follows moves up',
    request: { ...file, ...range, wait: f.duration('patience with lease holders') },
    needs: [FILE],
    reply: { ...generation, size: f.required(f.size('of the file')) },
    example: 'insert path=/a range=0-1m',
  }),
  relocate: verb({
    summary: "move a file's blocks to another place of the device",
    request: {
      ...file,
      ...range,
      align: f.size('a power of two for the physical start'),
      contiguous: f.flag('one extent only'),
      wait: f.duration('patience with lease holders'),
    },
    needs: [FILE],
    reply: { ...generation, moved: f.required(f.size('bytes')), extents: f.required(f.integer('afterwards')) },
    example: 'relocate path=/a contiguous',
  }),
  drain: verb({
    summary: 'empty a range of the device (administrator)',
    request: { ...range, wait: f.duration('patience with lease holders') },
    reply: { moved: f.required(f.size('bytes')), left: f.required(f.size('bytes that leases hold in place')) },
    list: { name: 'blockers', item: blockerItem },
    example: 'drain range=1g-2g',
  }),
  break: verb({
    summary: "start the recall of a file's leases; needs write permission on the file",
    request: { ...file, ...range },
    needs: [FILE],
    reply: { recalled: f.required(f.integer('leases whose recall began')) },
    example: 'break path=/db/data.ibd',
  }),
  revoke: verb({
    summary: 'end a lease at once: fence its holder (administrator)',
    request: { ...lease, reason: f.text('for the audit record') },
    reply: changed,
    example: 'revoke id=7 reason="disk replacement"',
  }),
  expire: verb({
    summary: 'let the deadline of a recall be now; with force, without proof (administrator)',
    request: { ...lease, force: f.flag('do not wait for the proof: its blocks stay quarantined') },
    reply: changed,
    example: 'expire id=7 force',
  }),
  quarantine: verb({
    summary: 'list quarantined blocks, or release them (release: administrator)',
    request: {
      action: f.choice(['list', 'release'], 'list if not given'),
      lease: f.integer('only the blocks left by this lease'),
      device: f.size('only the extent that begins here'),
    },
    reply: { bytes: f.required(f.size('quarantined')), released: f.required(f.size('bytes')) },
    list: {
      name: 'quarantine',
      item: {
        device: f.required(f.size('in the device')),
        length: f.required(f.size('bytes')),
        lease: f.required(f.integer('that left it')),
        ino: f.required(f.integer('inode it belonged to')),
        reason: f.required(f.text('why')),
        age_ms: f.required(f.milliseconds('since then')),
      },
    },
    example: 'quarantine',
  }),
  policy: verb({
    summary: 'print the operation matrix in force',
    request: {},
    reply: { policy: f.required(f.text('its name')) },
    list: {
      name: 'rows',
      item: {
        number: f.required(f.integer('line of leases.md section 5')),
        name: f.required(f.text('of the row')),
        operation: f.required(f.text('in words')),
        layout: f.required(f.text('answer')),
        direct: f.required(f.text('answer')),
        unbreakable: f.required(f.text('answer')),
        exclusive: f.required(f.text('answer')),
        sealed: f.required(f.text('answer')),
        holder: f.required(f.text('answer to the holder itself')),
      },
    },
    example: 'policy',
  }),
  why: verb({
    summary: 'what would happen to an operation on a file, by whom, until when',
    request: { ...file, ...range, operation: f.choice(ROW_NAMES, 'a row of the matrix; write-in-place if not given') },
    needs: [FILE],
    reply: {
      operation: f.required(f.text('the row of the matrix')),
      number: f.required(f.integer('its line in leases.md section 5')),
      answer: f.required(f.choice(['allowed', 'waits', 'refused'], 'what the operation would meet')),
      errno: f.text('what it would fail with'),
    },
    list: { name: 'blockers', item: blockerItem },
    example: 'why path=/db/data.ibd operation=shrink',
  }),
  ls: verb({
    summary: 'list leases',
    request: {
      ...file,
      id: f.integer('this lease only'),
      pid: f.integer("of this process's"),
      all: f.flag('tombstones too'),
      after: f.integer('only ids above this one (paging)'),
      limit: f.integer('leases at most; 1000 if not given'),
    },
    reply: { count: f.required(f.integer('in the list')), next: f.nullable(f.integer('after= of the next page')) },
    list: { name: 'leases', item: leaseItem },
    example: 'ls path=/db/data.ibd',
  }),
  inject: verb({
    summary: 'test mounts only: a fault on purpose',
    request: {
      fault: f.required(
        f.choice(
          ['lose-event', 'delay-ack', 'fail-fence', 'device-error', 'device-lost', 'clock-step'],
          'what goes wrong',
        ),
      ),
      lease: f.integer('for this lease only'),
      count: f.integer('so many times; 1 if not given'),
      by: f.duration('how long or how far'),
      ...range,
    },
    reply: { fault: f.required(f.text('armed')) },
    example: 'inject fault=fail-fence lease=7',
  }),
} as const satisfies Record<string, Verb>;

export type VerbName = keyof typeof VERBS;
export const VERB_NAMES = Object.keys(VERBS) as VerbName[];

/** Why something was refused. Every field is told where it is known. */
export const REFUSAL = {
  errno: f.required(f.text('name of the errno')),
  lease: f.integer('the lease in the way'),
  holder: f.group(HOLDER, 'its holder'),
  offset: f.size('first byte of its range'),
  length: f.nullable(f.size('bytes of its range; null is to any end')),
  age_ms: f.milliseconds('since its grant'),
  deadline_ms: f.nullable(f.milliseconds('until it gives way at the latest')),
  column: f.integer('byte of the request line, from 1'),
  recallconflict: f.flag('a recall or fence is going on there'),
  hint: f.text('the cure'),
} as const satisfies Fields;

/** An event of the session's leases, or on `.layout/events` of all leases. */
export const EVENT = {
  event: f.required(f.choice(EVENT_NAMES, 'what happened')),
  lease: f.integer('to which lease'),
  seq: f.integer('its seq now'),
  path: f.path('its file, as asked for'),
  ino: f.integer('its inode'),
  offset: f.size('first byte'),
  length: f.nullable(f.size('bytes; null is to any end')),
  kind: f.text('kind of the lease'),
  reason: f.text('why'),
  target: f.text('what may be kept: none, or a kind'),
  deadline_ms: f.nullable(f.milliseconds('time left')),
  breaker: f.group(BREAKER, 'who asked'),
  gen: f.integer('generation of the block map'),
  method: f.text('of a fence'),
  result: f.text('of a fence'),
  strength: f.text('of the proof that a fence gave'),
  lost: f.integer('events that did not fit'),
} as const satisfies Fields;

type ListOf<V> = V extends { list: { name: infer N extends string; item: infer I extends Fields } }
  ? { [K in N]: ValuesOf<I>[] }
  : unknown;
/** The typed request of a verb (without `verb` and `tag`). */
export type RequestOf<V extends VerbName> = ValuesOf<(typeof VERBS)[V]['request']>;
/** The typed reply of a verb (without `ok` and `tag`). */
export type ReplyOf<V extends VerbName> = ValuesOf<(typeof VERBS)[V]['reply']> & ListOf<(typeof VERBS)[V]>;
type Loose<T> = { [K in keyof T]?: T[K] };
export type Refusal = { errno: string } & Loose<ValuesOf<typeof REFUSAL>>;
export type LayoutEvent = Pick<ValuesOf<typeof EVENT>, 'event'> & Loose<ValuesOf<typeof EVENT>>;
