import { describe, expect, test } from 'vitest';
import { settleForReading } from '../../src/volume/settle.ts';
import { Volume } from '../../src/volume/volume.ts';
import { Client } from '../../tools/crash/client.ts';
import { Bench, BLOCK } from './bench.ts';

const otherHost = { bootId: '00000000-0000-4000-8000-0000000000ff', pid: 1, start: 1 };
const data = (byte: number): Buffer => Buffer.alloc(2 * BLOCK, byte);

/** A volume that a killed daemon leaves: a committed file, one that is only in the redo log, and blocks that nobody synced. */
async function killed(): Promise<Bench> {
  const bench = new Bench();
  const a = await bench.create('a');
  await bench.write(a, 0, data(1));
  await bench.fsync(a);
  const b = await bench.create('b');
  await bench.write(b, 0, data(2));
  bench.client.volume.commits.commitBuffered();
  await bench.create('c');
  bench.client.volume.abandon();
  return bench;
}

function reader(bench: Bench, host?: typeof otherHost): Client {
  const volume = Volume.open(bench.image, { clock: bench.clock, host, readOnly: true });
  bench.client = new Client(volume, bench.clock);
  expect(volume.ready()).toBe(0);
  return bench.client;
}

describe('a reader of a volume that was not unmounted', () => {
  test('has it recovered first, and then sees all that was answered', async () => {
    const bench = await killed();
    expect(settleForReading(bench.image)).toBe(true);
    const client = reader(bench);
    expect(await bench.names()).toEqual(['a', 'b', 'c']);
    expect(await bench.read(await client.lookup('/b'), 0, 2 * BLOCK)).toEqual(data(2));
    expect(client.volume.recovery).toMatchObject({ unsettled: false, problem: undefined });
    expect((await client.call('MKDIR', 1, 'mkdir_in', { mode: 0o755 }, Buffer.from('d\0'))).error).toBe('EROFS');
    client.volume.abandon();
    // There is nothing more to do, and nothing is written again.
    expect(settleForReading(bench.image)).toBe(false);
  });

  test('without that sees the last commit, and says so', async () => {
    const bench = await killed();
    const client = reader(bench);
    expect(await bench.names()).toEqual(['a', 'b']);
    expect(client.volume.recovery.problem).toMatch(/not unmounted cleanly/);
    expect(await bench.read(await client.lookup('/b'), 0, 2 * BLOCK)).toEqual(data(2));
    expect(await bench.read(await client.lookup('/a'), 0, 2 * BLOCK)).toEqual(data(1));
  });

  test('never sees what blocks held before a crash of the host', async () => {
    const bench = await killed();
    let client = reader(bench, otherHost);
    expect(await bench.read(await client.lookup('/b'), 0, 2 * BLOCK)).toEqual(data(0));
    expect(await bench.read(await client.lookup('/a'), 0, 2 * BLOCK)).toEqual(data(1));
    client.volume.abandon();
    expect(settleForReading(bench.image, { host: otherHost })).toBe(true);
    client = reader(bench, otherHost);
    expect(await bench.names()).toEqual(['a', 'b']);
    expect(await bench.read(await client.lookup('/b'), 0, 2 * BLOCK)).toEqual(data(0));
  });

  test('is refused while another one reads it unrecovered, with the way out', async () => {
    const bench = await killed();
    reader(bench);
    expect(() => settleForReading(bench.image)).toThrow(/in use.*norecovery/);
  });
});
