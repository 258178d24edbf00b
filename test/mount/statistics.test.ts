import { describe, expect, it } from 'vitest';
import { OP, OPCODES } from '../../src/fuse/protocol.ts';
import { Answer, type Request } from '../../src/fuse/request.ts';
import { BUCKETS, RequestStatistics } from '../../src/mount/statistics.ts';

/** What the statistics look at. */
const request = (opcode: number, unique: number): Request => ({ opcode, unique, answer: Answer.OPEN }) as Request;

function setUp() {
  let ms = 0;
  const statistics = new RequestStatistics(OPCODES, () => ms);
  const handlers = statistics.watched([]);
  const handle = (r: Request, takes: number, answer: number): void => {
    const [watched] = statistics.watched([
      () => {
        ms += takes;
        if (answer === Answer.DONE) statistics.replied(r);
        r.answer = answer;
      },
    ]);
    watched!(r);
  };
  return { statistics, handlers, handle, pass: (more: number) => (ms += more) };
}

const sample = (text: string, name: string): number | undefined => {
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length));
};

describe('request statistics', () => {
  it('puts each request into the bucket of its time, and counts buckets up', () => {
    const { statistics, handle } = setUp();
    handle(request(OP.READ, 2), 0.005, Answer.DONE);
    handle(request(OP.READ, 4), 0.03, Answer.DONE);
    handle(request(OP.READ, 6), 20_000, Answer.DONE);
    const text = statistics.text();
    const bucket = (le: string) => sample(text, `layoutfs_request_seconds_bucket{operation="read",le="${le}"}`);
    expect(bucket('0.00001')).toBe(1);
    expect(bucket('0.000025')).toBe(1);
    expect(bucket('0.00005')).toBe(2);
    expect(bucket('10')).toBe(2);
    expect(bucket('+Inf')).toBe(3);
    expect(sample(text, 'layoutfs_request_seconds_count{operation="read"}')).toBe(3);
    expect(sample(text, 'layoutfs_request_seconds_sum{operation="read"}')).toBeCloseTo(20, 3);
  });

  it('counts a parked request once, from its arrival to its answer, however often it comes again', () => {
    const { statistics, handle, pass } = setUp();
    const parked = request(OP.SETATTR, 8);
    handle(parked, 1, Answer.PARKED);
    expect(statistics.parked).toBe(1);
    expect(statistics.text()).not.toContain('setattr');
    pass(500);
    handle(parked, 1, Answer.PARKED);
    pass(500);
    handle(parked, 1, Answer.DONE);
    expect(statistics.parked).toBe(0);
    const text = statistics.text();
    expect(sample(text, 'layoutfs_request_seconds_count{operation="setattr"}')).toBe(1);
    expect(sample(text, 'layoutfs_request_seconds_sum{operation="setattr"}')).toBeCloseTo(1.003, 6);
  });

  it('leaves out what nobody asked for, and operations without a handler', () => {
    const { statistics } = setUp();
    expect(statistics.watched([undefined])).toEqual([undefined]);
    expect(statistics.text()).not.toContain('_bucket');
    expect([...BUCKETS].sort((a, b) => a - b)).toEqual(BUCKETS);
  });
});
