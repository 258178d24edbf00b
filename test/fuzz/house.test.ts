import { expect, test } from 'vitest';
import { check } from '../../src/check/index.ts';
import { IOCTLS, type IoctlName, ioctlRequest } from '../../src/control/ioctlStructs.ts';
import { CONTROL_ROOT, fixedId, nodeId } from '../../src/control/nodes.ts';
import { OPERATIONS } from '../../src/fuse/catalogue.ts';
import { OP } from '../../src/fuse/protocol.ts';
import { STRUCTS, type StructName, sizeOf } from '../../src/fuse/structs.ts';
import { Bench } from '../faults/bench.ts';
import { generator, seed } from '../harness/index.ts';

/** Requests in all, and on one volume; `npm run fuzz` tries a million. */
const REQUESTS = Number(process.env.LAYOUTFS_FUZZ ?? 6000);
const A_VOLUME = 1500;

/** Numbers that programs get wrong. */
const NUMBERS = [0, 1, 2, 3, 7, 511, 512, 4095, 4096, 4097, 8192, 65_536, 2 ** 20, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const LARGE = [...NUMBERS, 2 ** 32, 2 ** 40, 2 ** 51, 2 ** 52, 2 ** 53 - 4096, 2 ** 53 - 1];
const NAMES = [
  'a',
  'b',
  'c',
  'd',
  '.',
  '..',
  '',
  '.layout',
  'ctl',
  'leases',
  'user.a',
  'user.layout.extents',
  'system.posix_acl_access',
];
const LINES = [
  'get path=/a kind=direct unwritten_ok',
  'get path=/b kind=layout mode=rw',
  'get ino=3 kind=exclusive range=0-8k',
  'map id=1',
  'map path=/a range=4k-2m limit=3',
  'return id=1',
  'return id=2 range=4k-8k',
  'commit id=2 range=0-8k size=64k',
  'alloc id=2 range=0-64k',
  'prepare path=/a range=0-64k extend contiguous',
  'seal path=/a unwritten_ok',
  'unseal path=/a',
  'clone path=/a to=/b',
  'insert path=/a range=4k-8k',
  'collapse path=/a range=4k-8k',
  'relocate path=/a',
  'drain range=1m-2m',
  'downgrade id=1 kind=layout',
  'quarantine',
  'why path=/a operation=shrink',
  'ls all',
  'policy',
  '{"verb":"get","path":"/a","kind":"direct"}',
  'break path=/a',
  'revoke id=1',
  'expire id=1 force',
];

test(`${REQUESTS} requests, half of them nonsense, on a real volume: nothing throws, and fsck finds nothing`, {
  timeout: 60_000 + REQUESTS * 20,
}, async () => {
  const random = generator(seed);
  for (let done = 0; done < REQUESTS; done += A_VOLUME) await onOneVolume(random);
});

async function onOneVolume(random: () => number): Promise<void> {
  const below = (n: number): number => Math.floor(random() * n);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const bench = new Bench({ size: 8 << 20 });
  const { client } = bench;
  client.onWait = async () => {
    // Whoever waits does so for a lease: they all end, as their deadlines pass.
    client.clock.advance(400_000);
  };
  for (const name of ['a', 'b']) await bench.write(await bench.create(name), 0, Buffer.alloc(20_000, name));
  const opcodes = Object.keys(OP).filter((name) => !['INIT', 'DESTROY', 'INTERRUPT', 'NOTIFY_REPLY'].includes(name));
  const nodes = [1, 1, 2, 3, 3, 4, 4, 5, 6, 0, 2 ** 40, CONTROL_ROOT, fixedId('ctl'), fixedId('leases')];
  nodes.push(nodeId('lease', 1), nodeId('device', 1), nodeId('tree', 1), nodeId('session', 1), nodeId('direct', 1));
  for (let i = 0; i < A_VOLUME; i++) {
    if (below(10) === 0) {
      const line = pick(LINES);
      await client.control(below(3) === 0 ? damaged(line, below) : line);
      continue;
    }
    const name = pick(opcodes) as keyof typeof OP;
    const operation = OPERATIONS[OP[name]];
    if (operation === undefined || operation.silent) continue;
    const struct = (operation.request ?? '') as StructName | '';
    const fields: Record<string, number> = {};
    if (struct !== '') {
      for (const field of STRUCTS[struct].fields) {
        const wide = field.type === 'u64' || field.type === 'i64';
        fields[field.name] = below(3) === 0 ? pick(wide ? LARGE : NUMBERS) : below(5);
      }
    }
    if ('nodeid_out' in fields) fields.nodeid_out = pick(nodes);
    if ('newdir' in fields) fields.newdir = pick(nodes);
    if ('oldnodeid' in fields) fields.oldnodeid = pick(nodes);
    let data: Buffer = below(2) === 0 ? Buffer.alloc(0) : Buffer.alloc(below(9000), 1 + below(255));
    if (name === 'WRITE') fields.size = below(4) === 0 ? fields.size : data.length;
    if (name === 'IOCTL') data = ioctl(fields, below, pick);
    const tails: Buffer[] = [];
    for (let n = 0; n < (operation.names ?? 0); n++) tails.push(Buffer.from(`${pick(NAMES)}\0`));
    if (name === 'SETXATTR') fields.size = Math.min(fields.size ?? 0, data.length);
    const reply = await client.call(
      name,
      pick(nodes),
      struct,
      struct === '' || sizeOf(struct) === 0 ? {} : fields,
      ...tails,
      data,
    );
    expect(reply.error === '' || reply.error.startsWith('E')).toBe(true);
    expect(client.thrown.map((error) => (error as Error).stack)).toEqual([]);
  }
  const errno = await client.house.shutDown();
  expect([errno, client.volume.commits.failed]).toEqual([0, 0]);
  const report = await check(bench.image, { mode: 'report' });
  expect(report.problems.map(({ message }) => message)).toEqual([]);
  bench.dispose();
}

/** The argument of one of our requests, right or nearly so. */
function ioctl(
  fields: Record<string, number>,
  below: (n: number) => number,
  pick: <T>(list: readonly T[]) => T,
): Buffer {
  const cmd = ioctlRequest(pick(Object.keys(IOCTLS) as IoctlName[]));
  const size = (cmd >>> 16) & 0x3fff;
  fields.cmd = below(8) === 0 ? cmd ^ (1 << below(32)) : cmd;
  fields.in_size = below(8) === 0 ? below(200) : size;
  fields.out_size = below(8) === 0 ? below(200) : size;
  const data = Buffer.alloc(size);
  for (let at = 0; at + 8 <= size; at += 8) {
    if (below(2) === 0) data.writeBigUInt64LE(BigInt(pick(LARGE)), at);
    else data.writeUInt32LE(below(6), at);
  }
  return data;
}

/** The line with some bytes exchanged, left out or doubled. */
function damaged(line: string, below: (n: number) => number): string {
  let text = line;
  for (let i = 0; i <= below(3); i++) {
    const at = below(text.length + 1);
    const way = below(3);
    const byte = String.fromCharCode(1 + below(255));
    text = text.slice(0, at) + (way === 0 ? byte : '') + text.slice(at + (way === 2 ? -1 : 1));
  }
  return text.replaceAll('\n', ' ');
}
