import fs from 'node:fs';
import path from 'node:path';
import SQLite from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { Volume } from '../../src/volume/volume.ts';
import { VolumeError } from '../../src/volume/volume-error.ts';
import { INSERT, made, newFolder, opened } from './fixture.ts';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof VolumeError) return error.code;
    throw error;
  }
  return 'none';
}

describe('make', () => {
  test('a sparse device and its metadata, both for the owner alone, with an empty root directory', () => {
    const image = path.join(newFolder(), 'v.img');
    const volume = Volume.make(image, { size: 1 << 30, uid: 12, gid: 34, label: 'Größe' });
    expect(volume).toMatchObject({ size: 1 << 30, blockSize: 4096, deviceBlocks: 262144, firstBlock: 256 });
    const stat = fs.statSync(image);
    expect([stat.mode & 0o777, stat.size, stat.blocks * 512 < 1 << 20]).toEqual([0o600, 1 << 30, true]);
    expect(fs.statSync(`${image}.meta`).mode & 0o777).toBe(0o600);
    const reader = new SQLite(`${image}.meta`, { readonly: true });
    expect(reader.prepare('SELECT mode, uid, gid, nlink, parent FROM inode WHERE ino = 1').raw().all()).toEqual([
      [0o40755, 12, 34, 2, 1],
    ]);
    expect(reader.pragma('page_size', { simple: true })).toBe(4096);
    reader.close();
    expect(opened(image).label).toBe('Größe');
  });

  test('block sizes from 4096 to 2 MiB; the first block for files lies behind the first MiB', () => {
    expect(opened(made({ blockSize: 65536 })).firstBlock).toBe(16);
    expect(opened(made({ blockSize: 2 << 20 })).firstBlock).toBe(1);
    const image = path.join(newFolder(), 'v.img');
    for (const blockSize of [512, 2048, 5000, 4 << 20, 0, Number.NaN]) {
      expect(codeOf(() => Volume.make(image, { size: 1 << 26, blockSize }))).toBe('INVALID');
    }
    expect(fs.existsSync(image)).toBe(false);
  });

  test.each([0, -1, 1 << 20, 1.5, Number.POSITIVE_INFINITY, undefined])(
    'size %s is refused, nothing is left',
    (size) => {
      const image = path.join(newFolder(), 'v.img');
      expect(codeOf(() => Volume.make(image, { size }))).toBe('INVALID');
      expect(fs.readdirSync(path.dirname(image))).toEqual([]);
    },
  );

  test('nothing is overwritten without force: a volume, its metadata alone, or any other contents', () => {
    const image = made();
    expect(codeOf(() => Volume.make(image, { size: 1 << 26 }))).toBe('EXISTS');
    fs.rmSync(image);
    expect(codeOf(() => Volume.make(image, { size: 1 << 26 }))).toBe('EXISTS');
    const other = path.join(newFolder(), 'letter');
    fs.writeFileSync(other, 'dear all');
    expect(codeOf(() => Volume.make(other, { size: 1 << 26 }))).toBe('EXISTS');
    expect(fs.readFileSync(other, 'utf8')).toBe('dear all');
    const { uuid } = Volume.make(other, { size: 1 << 26, force: true });
    expect(opened(other).uuid).toBe(uuid);
  });

  test('a device that is there, empty, gives its length', () => {
    const image = path.join(newFolder(), 'v.img');
    fs.writeFileSync(image, '');
    fs.truncateSync(image, (8 << 20) + 5);
    expect(Volume.make(image).size).toBe(8 << 20);
  });

  test('a folder or a FIFO is no device', () => {
    expect(codeOf(() => Volume.make(newFolder(), { size: 1 << 26, force: true }))).toBe('INVALID');
  });

  test('with a length that the host cannot hold, force leaves the old volume as it was', () => {
    const image = made();
    const before = fs.readFileSync(image);
    // ext4 ends at 16 TiB; a host that can hold this makes the new volume.
    const code = codeOf(() => Volume.make(image, { size: 2 ** 52, force: true }));
    expect([undefined, 'SYSTEM']).toContain(code);
    if (code === 'SYSTEM') expect(fs.readFileSync(image).equals(before)).toBe(true);
    expect(opened(image).epoch).toBe(1);
  });

  test('force never overwrites a volume in use, and names its owner', () => {
    const image = made();
    const volume = opened(image);
    expect(() => Volume.make(image, { size: 1 << 26, force: true })).toThrow(
      expect.objectContaining({ code: 'BUSY', pid: process.pid }),
    );
    volume.database.mutation(INSERT).run(1, 0, 300, 1, 1);
    expect(volume.commits.commitNow()).toBe(0);
  });
});

describe('open', () => {
  test('a second mount is refused with the pid of the first; after its end the volume is free', () => {
    const image = made();
    const first = opened(image);
    expect(() => Volume.open(image)).toThrow(expect.objectContaining({ code: 'BUSY', pid: process.pid }));
    expect(() => Volume.open(image, { readOnly: true })).toThrow(expect.objectContaining({ code: 'BUSY' }));
    // The refused attempts have opened and closed the files: SQLite's locks must have survived that.
    first.database.mutation(INSERT).run(1, 0, 300, 1, 1);
    expect(first.commits.commitNow()).toBe(0);
    expect(first.close()).toBe(0);
    expect(opened(image).epoch).toBe(2);
  });

  test('after a clean end only device and database are there, and the volume says that it is clean', () => {
    const image = made();
    opened(image).close();
    expect(fs.readdirSync(path.dirname(image)).sort()).toEqual(['v.img', 'v.img.meta']);
    expect(opened(image).recovery).toMatchObject({ clean: true, epoch: 2, replayed: 0 });
  });

  test('readers share, change nothing, and keep writers out', () => {
    const image = made();
    const before = fs.readFileSync(`${image}.meta`);
    const one = opened(image, { readOnly: true });
    const two = opened(image, { readOnly: true });
    expect(two.database.query('SELECT ino FROM inode').all()).toEqual([{ ino: 1 }]);
    expect(() => one.database.mutation(INSERT).run(1, 0, 1, 1, 1)).toThrow(expect.objectContaining({ errno: 30 }));
    expect(one.commits.commitNow()).toBe(0);
    expect(codeOf(() => Volume.open(image))).toBe('BUSY');
    one.close();
    two.close();
    expect(fs.readFileSync(`${image}.meta`).equals(before)).toBe(true);
  });

  test.each([
    ['no such file', (image: string) => fs.rmSync(image), 'SYSTEM'],
    ['no metadata', (image: string) => fs.rmSync(`${image}.meta`), 'NOT_A_VOLUME'],
    ['a file of zeros', (image: string) => fs.writeFileSync(image, Buffer.alloc(2 << 20)), 'NOT_A_VOLUME'],
    ['an empty file', (image: string) => fs.truncateSync(image, 0), 'NOT_A_VOLUME'],
    ['a device cut short', (image: string) => fs.truncateSync(image, 4 << 20), 'DAMAGED'],
    ['metadata that is no database', (image: string) => fs.writeFileSync(`${image}.meta`, 'x'.repeat(9000)), 'DAMAGED'],
    [
      'the metadata of another volume',
      (image: string) => fs.copyFileSync(`${made()}.meta`, `${image}.meta`),
      'MISMATCH',
    ],
  ])('%s is refused', (_what, damage, code) => {
    const image = made();
    damage(image);
    expect(codeOf(() => Volume.open(image))).toBe(code);
  });

  test('a database of a newer schema, or of another program, is refused', () => {
    const image = made();
    const connection = new SQLite(`${image}.meta`);
    connection.pragma('user_version = 99');
    expect(codeOf(() => Volume.open(image))).toBe('TOO_NEW');
    connection.pragma('user_version = 1');
    connection.pragma('application_id = 7');
    expect(codeOf(() => Volume.open(image))).toBe('NOT_A_VOLUME');
    connection.pragma(`application_id = ${0x6c667331}`);
    connection.close();
    expect(opened(image).epoch).toBe(1);
  });

  test('backup gives a consistent copy of what is there now, in use', async () => {
    const image = made();
    const volume = opened(image);
    volume.database.mutation(INSERT).run(1, 0, 300, 1, 1);
    const copy = path.join(newFolder(), 'copy.meta');
    await volume.backup(copy);
    const reader = new SQLite(copy, { readonly: true });
    expect(reader.prepare('SELECT device_block FROM extent').pluck().all()).toEqual([300]);
    expect(reader.pragma('integrity_check', { simple: true })).toBe('ok');
    reader.close();
  });
});
