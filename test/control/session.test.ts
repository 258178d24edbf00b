import { describe, expect, it } from 'vitest';
import type { Parsed } from '../../src/control/grammar/parse.ts';
import type { Line } from '../../src/control/journal.ts';
import { MAX_EVENTS, Outbox } from '../../src/control/outbox.ts';
import type { Asker, Outcome } from '../../src/control/outcome.ts';
import { ControlSession } from '../../src/control/session.ts';
import { O, POLL } from '../../src/system/constants.ts';
import { E } from '../../src/system/errno.ts';
import { Requests, type Sent } from './requests.ts';

/** A session whose verbs are done, refused or left waiting as the test says. */
class Bench {
  readonly woken: number[] = [];
  readonly asked: Parsed[] = [];
  /** Finishes the verbs that wait, oldest first. */
  readonly waiting: ((outcome: Outcome) => void)[] = [];
  readonly cancelled: number[] = [];
  /** Says of the verbs that wait, oldest first, that they are done and will be answered when that is on the disk. */
  readonly settling: (() => void)[] = [];
  /** The writes that are not over, as the next daemon finds them: what is left of each. */
  unfinished: Record<number, string[]> = {};
  released = 0;
  readonly session: ControlSession;
  private readonly requests = new Requests();

  constructor() {
    const notifier = {
      invalInode: () => Promise.resolve(0),
      invalEntry: () => Promise.resolve(0),
      poll: (kernelHandle: number) => {
        this.woken.push(kernelHandle);
        return Promise.resolve(0);
      },
    };
    this.session = new ControlSession({
      id: 3,
      notifier,
      asker: () => ({}) as Asker,
      perform: (asker, request, done) => this.perform(asker, request, done),
      ioctl: () => false,
      onRelease: () => {
        this.released += 1;
      },
      save: ({ writes }) => {
        const text = (line: string | null) => Buffer.from(line ?? '', 'base64').toString();
        this.unfinished = Object.fromEntries(writes.map(({ unique, lines }) => [unique, lines.map(text)]));
      },
    });
  }

  write(text: string | Buffer): Sent {
    return this.requests.write(text, (request, size) => this.session.write(request, 0, size));
  }

  read(size = 65_536, flags = 0): Sent {
    return this.requests.read((request) => this.session.read(request, 0, size, flags));
  }

  /** All that can be read without waiting. */
  text(): string {
    let text = '';
    for (;;) {
      const sent = this.read(65_536, O.NONBLOCK);
      if (sent.error !== '') return text;
      text += sent.payload.toString();
    }
  }

  /** `policy` is done, `ls` waits, everything else is refused. */
  private perform(asker: Asker, request: Parsed, done: (outcome: Outcome) => void) {
    this.asked.push(request);
    if (request.verb === 'policy') done(POLICY);
    else if (request.verb !== 'ls') done({ failure: { errno: E.TXTBSY, hint: 'no' } });
    else {
      this.waiting.push(done);
      this.settling.push(() => asker.settled?.(LS, done));
      return {
        cancel: (errno: number) => {
          this.cancelled.push(errno);
          done({ failure: { errno } });
        },
      };
    }
    return undefined;
  }
}

const POLICY: Outcome = { reply: { policy: 'strict', rows: [] } };
const LS: Outcome = { reply: { count: 0, next: null, leases: [] } };
const recall = (lease: number) => ({ event: 'recall' as const, lease });

describe('a control session', () => {
  it('answers a line, and then has nothing more to say', () => {
    const bench = new Bench();
    const sent = bench.write('policy\n');
    expect(sent.error).toBe('');
    expect(sent.payload.readUInt32LE(0)).toBe(7);
    expect(bench.text()).toBe('ok policy=strict\n');
    expect(bench.read(10, O.NONBLOCK).error).toBe('EAGAIN');
  });

  it('fails the write of a line that fails with its errno; the reason can be read', () => {
    const bench = new Bench();
    expect(bench.write('seal path=/a tag=9\n').error).toBe('ETXTBSY');
    expect(bench.text()).toBe('err ETXTBSY hint=no tag=9\n');
    expect(bench.write('{"verb":"seal","path":"/a"}\n').error).toBe('ETXTBSY');
    expect(bench.text()).toBe('{"ok":false,"errno":"ETXTBSY","hint":"no"}\n');
    expect(bench.write('sing\n').error).toBe('ENOSYS');
    expect(bench.write('seal\n').error).toBe('EINVAL');
    expect(bench.text()).toMatch(/^err ENOSYS column=1 .*\nerr EINVAL column=5 hint="path or ino is missing"\n$/);
  });

  it('takes lines in pieces, several in one write, and skips empty ones', () => {
    const bench = new Bench();
    expect(bench.write('pol').error).toBe('');
    expect(bench.text()).toBe('');
    bench.write('icy tag=1\n\n  \r\npolicy tag=2\npol');
    bench.write('icy tag=3\r\n');
    expect(bench.text()).toBe('ok policy=strict tag=1\nok policy=strict tag=2\nok policy=strict tag=3\n');
  });

  it('ends a write of several lines at the first that fails', () => {
    const bench = new Bench();
    expect(bench.write('policy\nseal path=/a\npolicy\n').error).toBe('ETXTBSY');
    expect(bench.asked.map(({ verb }) => verb)).toEqual(['policy', 'seal']);
    expect(bench.text()).toBe('ok policy=strict\nerr ETXTBSY hint=no\n');
  });

  it('refuses a line of more than 64 KiB with EMSGSIZE, whatever pieces it comes in, and goes on behind it', () => {
    const bench = new Bench();
    expect(bench.write(Buffer.alloc(40_000, 97)).error).toBe('');
    expect(bench.write(Buffer.alloc(40_000, 97)).error).toBe('EMSGSIZE');
    expect(bench.write(Buffer.alloc(40_000, 97)).error).toBe('');
    expect(bench.write('rest\npolicy\n').error).toBe('');
    expect(bench.text()).toMatch(/^err EMSGSIZE column=65537 .*\nok policy=strict\n$/);
    expect(bench.asked).toHaveLength(1);
  });

  it('holds the write of a verb that waits, and goes on with the lines behind it', () => {
    const bench = new Bench();
    const sent = bench.write('ls tag=1\npolicy tag=2\n');
    expect(sent.isParked).toBe(true);
    expect(bench.text()).toBe('');
    // Another thread's request is done meanwhile.
    expect(bench.write('policy tag=3\n').error).toBe('');
    bench.waiting.shift()?.(LS);
    expect(sent.error).toBe('');
    expect(bench.text()).toBe('ok policy=strict tag=3\nok count=0 next=- tag=1\nok policy=strict tag=2\n');
  });

  it('notes of each write what is left of it, so that the next daemon does nothing twice', () => {
    const bench = new Bench();
    const first = bench.write('ls tag=1\npolicy tag=2\n');
    expect(bench.unfinished).toEqual({ [first.unique]: ['ls tag=1', 'policy tag=2'] });
    // Another thread's write is what the kernel asked last when the first one's verb is done.
    const second = bench.write('ls tag=3\n');
    bench.settling[0]?.();
    expect(bench.unfinished).toEqual({ [first.unique]: ['policy tag=2'], [second.unique]: ['ls tag=3'] });
    bench.waiting[0]?.(LS);
    expect(bench.unfinished).toEqual({ [second.unique]: ['ls tag=3'] });
    bench.settling[1]?.();
    bench.waiting[1]?.(LS);
    expect(bench.unfinished).toEqual({});
  });

  it('ends a waiting verb by a signal with EINTR', () => {
    const bench = new Bench();
    const sent = bench.write('ls\npolicy\n');
    sent.interrupt();
    expect(bench.cancelled).toEqual([E.INTR]);
    expect(sent.error).toBe('EINTR');
    expect(bench.text()).toMatch(/^err EINTR /);
    expect(bench.asked).toHaveLength(1);
  });

  it('lets a reader wait, wakes it by a reply, and ends it by a signal', () => {
    const bench = new Bench();
    const first = bench.read();
    const second = bench.read();
    expect([first.isParked, second.isParked]).toEqual([true, true]);
    bench.write('policy\n');
    expect(first.payload.toString()).toBe('ok policy=strict\n');
    expect(second.isParked).toBe(true);
    second.interrupt();
    expect(second.error).toBe('EINTR');
    bench.session.tell(recall(1));
    expect(bench.text()).toBe('event recall lease=1\n');
  });

  it('gives a line to a small reader in pieces, in order', () => {
    const bench = new Bench();
    bench.write('policy\npolicy\n');
    let text = '';
    for (let i = 0; i < 9; i++) text += bench.read(4, O.NONBLOCK).payload.toString();
    expect(text).toBe('ok policy=strict\nok policy=strict\n');
  });

  it('tells events in the form of the last request, and wakes poll(2) once asked', () => {
    const bench = new Bench();
    expect(bench.session.poll(77)).toBe(POLL.OUT | POLL.WRNORM);
    expect(bench.woken).toEqual([]);
    bench.session.tell(recall(4));
    expect(bench.woken).toEqual([77]);
    expect(bench.session.poll(0) & POLL.IN).toBe(POLL.IN);
    bench.write('{"verb":"policy"}\n');
    bench.session.tell(recall(5));
    expect(
      bench
        .text()
        .split('\n')
        .map((line) => line.slice(0, 17)),
    ).toEqual(['event recall leas', '{"ok":true,"polic', '{"event":"recall"', '']);
  });

  it('bounds the queue of events: the newest stay, the loss is told, replies are never lost', () => {
    const bench = new Bench();
    bench.write('policy\n');
    const total = MAX_EVENTS * 3 + 7;
    for (let i = 1; i <= total; i++) bench.session.tell(recall(i));
    const lines = bench.text().trimEnd().split('\n');
    expect(lines[0]).toBe('ok policy=strict');
    expect(lines.at(-1)).toBe(`event recall lease=${total}`);
    const told = lines.filter((line) => line.startsWith('event recall')).length;
    const lost = lines
      .filter((line) => line.startsWith('event overflow'))
      .reduce((sum, line) => sum + Number(/lost=(\d+)/.exec(line)?.[1]), 0);
    expect(told).toBeLessThanOrEqual(MAX_EVENTS);
    expect(told).toBeGreaterThan(MAX_EVENTS / 4);
    expect(told + lost).toBe(total);
    bench.session.tell(recall(1));
    expect(bench.text()).toBe('event recall lease=1\n');
  });

  it('refuses to work for a session that does not read its replies', () => {
    const bench = new Bench();
    const long = `policy tag=${'x'.repeat(200)}\n`.repeat(250);
    let error: string | undefined = '';
    for (let i = 0; i < 100 && error === ''; i++) error = bench.write(long).error;
    expect(error).toBe('ENOBUFS');
    expect(bench.session.poll(0) & POLL.OUT).toBe(0);
    bench.text();
    expect(bench.write('policy\n').error).toBe('');
  });

  it('is over with its last descriptor', () => {
    const bench = new Bench();
    const reader = bench.read();
    bench.session.release();
    expect(bench.released).toBe(1);
    expect(reader.error).toBe('EBADF');
    bench.session.tell(recall(1));
  });
});

describe('what a handle has to tell, over the death of the daemon', () => {
  it('a line that was read in part goes on before everything else', () => {
    const kept = new Map<number, Line>();
    const journal = {
      add: (line: Line) => void kept.set(line.seq, { ...line }),
      taken: (seq: number) => void kept.delete(seq),
      cut: (seq: number, bytes: Buffer) => void kept.set(seq, { ...(kept.get(seq) as Line), bytes }),
      polled: () => {},
    };
    const notifier = {
      invalInode: () => Promise.resolve(0),
      invalEntry: () => Promise.resolve(0),
      poll: () => Promise.resolve(0),
    };
    const make = (): Outbox => new Outbox(notifier, (lost) => `overflow ${lost}\n`, journal);
    const requests = new Requests();
    const read = (outbox: Outbox, size: number): string =>
      requests.read((request) => outbox.read(request, size, O.NONBLOCK)).payload.toString();
    const before = make();
    before.promise('reply\n');
    before.event('recalled\n');
    before.event('revoked\n');
    expect(read(before, 2) + read(before, 3)).toBe('recal');
    const next = make();
    next.restore(
      [...kept.values()].sort((a, b) => a.seq - b.seq),
      0,
    );
    for (let i = 0; i < MAX_EVENTS; i++) next.event(`${i}\n`);
    const told = read(next, 65_536).split('\n');
    expect(told.slice(0, 3)).toEqual(['led', 'reply', `overflow ${MAX_EVENTS / 2}`]);
    expect(kept.size).toBe(0);
  });
});
