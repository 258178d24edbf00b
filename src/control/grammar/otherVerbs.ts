import { ROW_NAMES } from '../../lease/rows.ts';
import * as f from './fields.ts';
import { blockerItem, changed, FILE, file, lease, leaseItem, range, verb } from './groups.ts';

/** Questions, and verbs of administrators and tests. */
export const OTHER_VERBS = {
  break: verb({
    summary: "start the recall of a file's leases; needs write permission on the file",
    request: { ...file, ...range },
    needs: [FILE],
    reply: { recalled: f.required(f.integer('leases whose recall began')) },
    example: 'break path=/db/data.ibd',
  }),
  revoke: verb({
    summary: 'recall a lease, an unbreakable one too (administrator)',
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
  freeze: verb({
    summary: 'keep everybody from changing files until thaw, all being on the disk (administrator)',
    request: { timeout: f.duration('thaw by itself after this; 60 s if not given, 1 h at most') },
    reply: { timeout_ms: f.required(f.milliseconds('until it thaws by itself')) },
    example: 'freeze timeout=30s',
  }),
  thaw: verb({
    summary: 'end a freeze (administrator)',
    request: {},
    reply: {},
    example: 'thaw',
  }),
  inject: verb({
    summary: 'test mounts only: a fault on purpose',
    request: {
      fault: f.required(
        f.choice(
          [
            'lose-event',
            'delay-ack',
            'fail-fence',
            'device-error',
            'device-gone',
            'device-lost',
            'no-space',
            'clock-step',
            'no-passthrough',
          ],
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
} as const;
