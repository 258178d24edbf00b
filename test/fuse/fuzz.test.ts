import { expect, test } from 'vitest';
import { OPERATIONS } from '../../src/fuse/catalogue.ts';
import { OP, OPCODES } from '../../src/fuse/protocol.ts';
import type { Request } from '../../src/fuse/request.ts';
import type { Handler } from '../../src/fuse/session.ts';
import { sizeOf } from '../../src/fuse/structs.ts';
import { E } from '../../src/system/errno.ts';
import { generator } from '../harness/random.ts';
import { seed } from '../harness/seed.ts';
import { message, Wire } from './wire.ts';

/** `npm run fuzz` tries a million. */
const MESSAGES = Number(process.env.LAYOUTFS_FUZZ ?? 100_000);
const BATCH = 50;
/** By the clock, not by turns of the event loop: on a busy machine the session's poll may not run for many of them. */
const PATIENCE_MS = 10_000;

/** Uses all that a handler may use, and then answers in one of the ways in which good and bad handlers do. */
function handlerOf(opcode: number, random: (below: number) => number, parked: Request[]): Handler {
  const operation = OPERATIONS[opcode];
  return (r) => {
    if (operation?.request) for (let at = 0; at + 8 <= sizeOf(operation.request); at += 4) r.u64(at);
    let at = operation?.request ? sizeOf(operation.request) : 0;
    for (let i = 0; i < (operation?.names ?? 0); i++) {
      const name = r.name(at);
      at += name.length + 1;
      if (r.body + at > r.end) throw new Error('a name runs out of its request');
    }
    if (opcode === OP.WRITE && r.body + 40 + r.u32(16) > r.end) throw new Error('data run out of their request');
    r.supplementaryGroup();
    if (operation?.silent) return r.none();
    const way = random(16);
    if (way === 0) throw new Error('thrown');
    if (way === 1) return;
    if (way < 4) parked.push(r.park());
    else if (way < 8) r.error(1 + random(133));
    else r.ok(random(256));
  };
}

function randomMessage(random: (below: number) => number, unique: bigint): Buffer {
  const kind = random(8);
  const opcode = kind === 0 ? random(2 ** 31) : random(OPCODES);
  const operation = OPERATIONS[opcode];
  const exact = operation?.request ? sizeOf(operation.request) : 0;
  const size = kind < 3 ? random(300) : Math.max(0, exact + random(40) - (kind === 3 ? 20 : 0));
  const body = Buffer.alloc(size);
  const small = random(2) === 0; // small numbers in the fields, so that lengths are sometimes right
  for (let i = 0; i < size; i++) body[i] = small ? (random(6) === 0 ? random(32) : 0) : random(256);
  if (random(2) === 0 && size > exact) body.fill('n', exact, size - 1);
  if (random(2) === 0 && size > 0) body[size - 1] = 0;
  const bytes = message(opcode, unique, body, random(2 ** 31), random(4) === 0 ? random(2 ** 16) : 0);
  if (kind === 1) bytes.writeUInt32LE(random(2 ** 31), 0);
  if (kind === 2 && random(10) === 0) return bytes.subarray(0, 1 + random(39)); // none at all would be a hang-up
  return bytes;
}

/** Replies that a message must have: at least and at most. */
function due(bytes: Buffer): [number, number] {
  if (bytes.length < 40) return [0, 0];
  const opcode = bytes.readUInt32LE(4);
  if (opcode === OP.INTERRUPT) return [0, 1];
  return OPERATIONS[opcode]?.silent ? [0, 0] : [1, 1];
}

test(`${MESSAGES} malformed and random requests: no crash, and one reply for each that wants one`, {
  timeout: 60_000 + MESSAGES * 10,
}, async () => {
  const uniform = generator(seed);
  const random = (below: number) => Math.floor(uniform() * below);
  const parked: Request[] = [];
  const handlers = Array.from({ length: OPCODES }, (_, op) => handlerOf(op, random, parked));
  const wire = new Wire(handlers, { trace: (line) => void line.length });
  await wire.init();

  const errnos = new Set<number>();
  let sent = 0;
  let refused = 0;
  while (sent < MESSAGES) {
    const expected = new Map<bigint, [number, number]>();
    for (let i = 0; i < BATCH; i++) {
      const unique = BigInt(++sent) * 2n;
      const bytes = randomMessage(random, unique);
      expected.set(unique, due(bytes));
      expect(wire.raw(bytes)).toBe(0);
    }
    const last = BigInt(sent) * 2n + 1n; // a sound request to mark the end of the batch
    wire.send(OP.IOCTL, last, Buffer.alloc(32));
    expected.set(last, [1, 1]);
    const least = () => [...expected.values()].reduce((n, [min]) => n + min, 0);
    const deadline = performance.now() + PATIENCE_MS;
    while (least() > 0) {
      if (performance.now() > deadline) {
        throw new Error(`replies missing: ${[...expected].filter(([, [min]]) => min > 0).join(' ')}`);
      }
      await new Promise((resolve) => setImmediate(resolve));
      for (const waiting of parked.splice(0)) waiting.error(E.INTR);
      for (const reply of wire.take()) {
        const left = expected.get(reply.unique);
        if (!left || left[1] === 0) throw new Error(`a reply too many to ${reply.unique}`);
        expected.set(reply.unique, [0, 0]);
        if (reply.errno < 0 || reply.errno > 133) throw new Error(`errno ${reply.errno} in a reply to ${reply.unique}`);
        if (reply.errno > 0 && reply.payload.length > 0) throw new Error('an error with a payload');
        errnos.add(reply.errno);
        if (reply.errno === E.INVAL || reply.errno === E.NOSYS) refused++;
      }
    }
  }
  expect(wire.session.parkedCount).toBe(0);
  expect(wire.take()).toEqual([]);
  for (const errno of [0, E.INVAL, E.NOSYS, E.IO, E.INTR]) expect(errnos).toContain(errno);
  expect(refused).toBeGreaterThan(MESSAGES / 10);
  expect(refused).toBeLessThan(MESSAGES);
  expect(wire.reports.filter((line) => /runs? out of/.test(line))).toEqual([]);
  expect(wire.reports.some((line) => line.includes('threw thrown'))).toBe(true);
  expect(await wire.close()).toBe('unmounted');
});
