import { describe, expect, test } from 'vitest';
import { CONTROL_ROOT } from '../../src/control/nodes.ts';
import { MAX_UNREAD_OF_USER } from '../../src/control/session.ts';
import { OP } from '../../src/fuse/protocol.ts';
import { decode, encode, sizeOf } from '../../src/fuse/structs.ts';
import { O } from '../../src/system/constants.ts';
import { Bench } from '../faults/bench.ts';
import { Requests } from './requests.ts';

/** An ordinary user's thread: /proc says nothing about it, and nothing is needed from there. */
const USER = { uid: 4711, gid: 4711, pid: 0 };
const OTHER = { uid: 4712, gid: 4712, pid: 0 };

class User {
  private readonly requests = new Requests();
  private readonly bench: Bench;
  private readonly caller: typeof USER;

  constructor(bench: Bench, caller: typeof USER) {
    this.bench = bench;
    this.caller = caller;
  }

  private send(opcode: number, nodeid: number, body: Buffer) {
    const handle = this.bench.client.house.handlers[opcode]!;
    return this.requests.send(
      opcode,
      body,
      (request) => {
        request.nodeid = nodeid;
        handle(request);
      },
      this.caller,
    );
  }

  /** The handle, or the errno's name. */
  open(name: string, flags: number): { nodeid: number; fh: number } | string {
    const found = this.send(OP.LOOKUP, CONTROL_ROOT, Buffer.from(`${name}\0`));
    const nodeid = decode('entry_out', viewOf(found.payload), 0).nodeid;
    const opened = this.send(OP.OPEN, nodeid, struct('open_in', { flags }));
    return opened.error || { nodeid, fh: decode('open_out', viewOf(opened.payload), 0).fh };
  }

  write({ nodeid, fh }: { nodeid: number; fh: number }, line: string): string | undefined {
    const data = Buffer.from(`${line}\n`);
    const body = Buffer.concat([struct('write_in', { fh, size: data.length }), data]);
    return this.send(OP.WRITE, nodeid, body).error;
  }

  release({ nodeid, fh }: { nodeid: number; fh: number }): void {
    this.send(OP.RELEASE, nodeid, struct('release_in', { fh }));
  }
}

function struct(name: 'open_in' | 'write_in' | 'release_in', fields: Record<string, number>): Buffer {
  const bytes = Buffer.alloc(sizeOf(name));
  encode(name, viewOf(bytes), 0, fields);
  return bytes;
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

const isOpen = (opened: unknown): opened is { nodeid: number; fh: number } => typeof opened === 'object';

describe('one user cannot take the memory of the daemon, nor the place of others', () => {
  test('by opening sessions, streams and tables', () => {
    const bench = new Bench();
    const user = new User(bench, USER);
    const kinds = [
      ['ctl', O.RDWR],
      ['events', O.RDONLY],
      ['leases', O.RDONLY],
    ] as const;
    const opened = Array.from({ length: 1200 }, (_, i) => user.open(kinds[i % 3][0], kinds[i % 3][1]));
    expect(opened.filter(isOpen)).toHaveLength(1024);
    expect(opened.at(-1)).toBe('EMFILE');
    expect(isOpen(new User(bench, OTHER).open('ctl', O.RDWR))).toBe(true);
    for (const each of opened) if (isOpen(each)) user.release(each);
    expect(isOpen(user.open('ctl', O.RDWR))).toBe(true);
  });

  test('by asking in many sessions and reading no reply', () => {
    const bench = new Bench();
    const user = new User(bench, USER);
    const sessions = Array.from({ length: 200 }, () => user.open('ctl', O.RDWR)).filter(isOpen);
    let kept = 0;
    let refused = 0;
    for (let round = 0; round < 40; round++) {
      for (const session of sessions) {
        if (user.write(session, 'policy') === 'ENOBUFS') refused++;
        else kept++;
      }
    }
    expect(refused).toBeGreaterThan(0);
    // The reply to `policy` is longer than 2 KiB: less than the limit and one more is kept.
    expect(kept * 2048).toBeLessThan(MAX_UNREAD_OF_USER + 65_536);
    const other = new User(bench, OTHER);
    const session = other.open('ctl', O.RDWR);
    expect(isOpen(session) && other.write(session, 'policy')).toBe('');
  });

  test('by lines that never end', () => {
    const bench = new Bench();
    const user = new User(bench, USER);
    const session = user.open('ctl', O.RDWR);
    if (!isOpen(session)) throw new Error(session);
    for (let i = 0; i < 5; i++) user.write(session, 'x'.repeat(60_000));
    expect(user.write(session, 'policy')).toBe('');
  });
});
