import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { check } from '../../src/check/index.ts';
import { VirtualClock } from '../../src/system/clock.ts';
import { addressOf, close } from '../../src/system/libc.ts';
import { encodeHeader, readHeader } from '../../src/volume/header.ts';
import { openDevice } from '../../src/volume/lock.ts';
import { Volume } from '../../src/volume/volume.ts';
import { Client } from '../../tools/crash/client.ts';
import { dump } from '../../tools/crash/dump.ts';
import { pattern } from '../../tools/crash/operations.ts';
import { newFolder } from './fixture.ts';

/** Volumes as released versions wrote them: each new version adds one and must open all. */
const STORED = ['v1.0'];

function unpacked(name: string): string {
  const image = join(newFolder(), 'v.img');
  const stored = (end: string): Buffer =>
    gunzipSync(readFileSync(join(import.meta.dirname, 'stored', `${name}.${end}.gz`)));
  writeFileSync(image, stored('img'));
  writeFileSync(`${image}.meta`, stored('meta'));
  return image;
}

test.each(STORED)('a volume of %s opens, holds what it held, and is whole afterwards', async (name) => {
  const image = unpacked(name);
  expect(await check(image, { mode: 'report' })).toMatchObject({ found: 0, exitCode: 0 });
  const clock = new VirtualClock(6000);
  const client = new Client(Volume.open(image, { clock }), clock);
  expect(client.volume.ready()).toBe(0);
  const { metadata, contents } = dump(client);
  for (const line of [/name 1 a /, /name 1 d /, /sealed1/, /xattr \d+ user.a=6f6c64/]) expect(metadata).toMatch(line);
  const a = await client.lookup('/a');
  expect(contents.get(a)).toEqual(pattern(20, 0, 16_384));
  expect(contents.get(await client.lookup('/u'))).toEqual(Buffer.alloc(16_384));
  expect((await client.call('MKDIR', 1, 'mkdir_in', { mode: 0o755 }, Buffer.from('new\0'))).error).toBe('');
  expect(await client.house.shutDown()).toBe(0);
  expect(await check(image, { mode: 'report' })).toMatchObject({ found: 0 });
});

test('a feature that this program does not know is refused by its name, by mount and by fsck', async () => {
  const image = unpacked('v1.0');
  const device = openDevice(image);
  const header = readHeader(device).newest!;
  header.features = ['turned-blocks'];
  header.writes++;
  const sector = encodeHeader(header);
  device.pwrite(addressOf(sector), sector.length, 0);
  close(device.fd);
  expect(() => Volume.open(image)).toThrow(/turned-blocks/);
  expect(() => Volume.open(image, { readOnly: true })).toThrow(/turned-blocks/);
  expect((await check(image, { mode: 'all' })).refused).toMatch(/turned-blocks/);
});
