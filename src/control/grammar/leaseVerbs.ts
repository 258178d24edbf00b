import * as f from './fields.ts';
import { changed, FILE, file, generation, KINDS, lease, range, replyRange, verb } from './groups.ts';

const isNotify = (value: string): boolean => /^(event|none|signal:([1-9]|[1-5][0-9]|6[0-4]))$/.test(value);

/** Verbs of a holder on his leases. */
export const LEASE_VERBS = {
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
      rest_name: f.text('of a named lease: the name by which the upper one is reclaimed, with the same secret'),
      stale: f.flag('a write that waits for another lease keeps older pages: readers may meet them until it is over'),
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
} as const;
