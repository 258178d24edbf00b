import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { decodeHeader } from '../../src/volume/header.ts';
import { MetadataError, VolumeError } from '../../src/volume/volume-error.ts';
import { Bench } from '../faults/bench.ts';
import { generator, seed } from '../harness/index.ts';

const HEADERS = Number(process.env.LAYOUTFS_FUZZ ?? 20_000);
const DATABASES = Math.max(60, Math.floor(Number(process.env.LAYOUTFS_FUZZ ?? 0) / 1000));

test(`${HEADERS} damaged headers are refused`, { timeout: 120_000 }, async () => {
  const random = generator(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const bench = new Bench();
  const good = readFileSync(bench.image).subarray(0, 512);
  expect(decodeHeader(good)?.uuid).toBe(bench.client.volume.uuid);
  for (let i = 0; i < HEADERS; i++) {
    const bad = Buffer.from(good);
    for (let n = 0; n <= below(4); n++) bad[below(512)] ^= 1 << below(8);
    if (!bad.equals(good)) expect(decodeHeader(bad)).toBeUndefined();
    expect(decodeHeader(bad.subarray(0, below(512)))).toBeUndefined();
  }
});

test(`${DATABASES} damaged databases are refused or read, and nothing else`, {
  timeout: 120_000 + DATABASES * 500,
}, async () => {
  const random = generator(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const bench = new Bench();
  for (let i = 0; i < 60; i++) await bench.write(await bench.create(`${'n'.repeat(40)}${i}`), 0, Buffer.alloc(5000, i));
  await bench.client.control(`get path=/${'n'.repeat(40)}1 kind=direct`);
  expect(await bench.client.house.shutDown()).toBe(0);
  const kept = { image: join(bench.folder, 'kept.img'), meta: join(bench.folder, 'kept.meta') };
  copyFileSync(bench.image, kept.image);
  copyFileSync(`${bench.image}.meta`, kept.meta);
  const good = readFileSync(kept.meta);
  const outcomes = { refused: 0, read: 0 };
  for (let i = 0; i < DATABASES; i++) {
    const bad = Buffer.from(good);
    for (let n = 0; n <= below(20); n++) bad[below(bad.length)] = below(256);
    copyFileSync(kept.image, bench.image);
    writeFileSync(`${bench.image}.meta`, bad);
    for (const end of ['-wal', '-shm', '-redo']) rmSync(`${bench.image}.meta${end}`, { force: true });
    try {
      const client = bench.open();
      const ino = await client.lookup(`/${'n'.repeat(40)}${below(60)}`);
      if (ino !== 0) await bench.read(ino, 0, 5000);
      await client.call('MKDIR', 1, 'mkdir_in', { mode: 0o755 }, Buffer.from('x\0'));
      for (const error of client.thrown) if (!(error instanceof MetadataError)) expect((error as Error).stack).toBe('');
      client.volume.abandon();
      outcomes.read++;
    } catch (error) {
      if (!(error instanceof VolumeError || error instanceof MetadataError)) throw error;
      outcomes.refused++;
    }
  }
  expect(outcomes.read + outcomes.refused).toBe(DATABASES);
  expect(outcomes.read).toBeGreaterThan(0);
});
