import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach } from 'vitest';
import { VirtualClock } from '../../src/system/clock.ts';
import { addressOf } from '../../src/system/libc.ts';
import { FaultyIo } from '../../src/volume/faulty-io.ts';
import { systemIo } from '../../src/volume/storage-io.ts';
import { type OpenOptions, Volume } from '../../src/volume/volume.ts';

const folders: string[] = [];
const volumes: Volume[] = [];

afterEach(() => {
  for (const volume of volumes.splice(0)) volume.abandon();
  for (const folder of folders.splice(0)) fs.rmSync(folder, { recursive: true, force: true });
});

export function newFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'layoutfs-volume-'));
  folders.push(folder);
  return folder;
}

/** Path of a fresh volume of 64 MiB. */
export function made(options: { size?: number; blockSize?: number } = {}): string {
  const image = path.join(newFolder(), 'v.img');
  Volume.make(image, { size: 64 << 20, ...options });
  return image;
}

export function opened(image: string, options: OpenOptions = {}): Volume {
  const volume = Volume.open(image, options);
  volumes.push(volume);
  return volume;
}

/** Storage that tells in order what came: `device`, `wal`, `database` for syncs, `write`, `commit`, `checkpoint`, `reset`. */
export class TellingIo extends FaultyIo {
  readonly events: string[] = [];
  /** Set: asynchronous syncs wait until `release`. */
  hold = false;
  private held: (() => void)[] = [];

  override pwrite(fd: number, address: number, length: number, offset: number): number {
    this.events.push('write');
    return super.pwrite(fd, address, length, offset);
  }

  override fdatasync(fd: number, role: 'device' | 'wal' | 'database'): number {
    this.events.push(role);
    return super.fdatasync(fd, role);
  }

  override async fdatasyncAsync(fd: number, role: 'device' | 'wal' | 'database'): Promise<number> {
    this.events.push(`${role}…`);
    if (this.hold) await new Promise<void>((resolve) => this.held.push(resolve));
    const r = await super.fdatasyncAsync(fd, role);
    this.events.push(role);
    return r;
  }

  override mark(event: 'commit' | 'checkpoint' | 'reset', sequence: number): void {
    this.events.push(event);
    systemIo.mark?.(event, sequence);
  }

  /** What has been done, by `take`, on whichever thread: how fast syncs have lately been decides that. */
  done(): string[] {
    return this.take().filter((event) => !event.endsWith('…'));
  }

  get holding(): number {
    return this.held.length;
  }

  /** Lets the syncs go that wait now. */
  release(): void {
    for (const resolve of this.held.splice(0)) resolve();
  }

  /** What came since the last call. */
  take(): string[] {
    return this.events.splice(0);
  }
}

export const INSERT = 'INSERT INTO extent (ino, file_block, device_block, length, state) VALUES (?, ?, ?, ?, ?)';

/** Writes a block of `byte` to the device and maps it at file block `block` of `ino`, in state 2. */
export function append(volume: Volume, ino: number, block: number, deviceBlock: number, byte = 7): void {
  const bytes = Buffer.alloc(volume.blockSize, byte);
  const r = volume.device.pwrite(addressOf(bytes), bytes.length, deviceBlock * volume.blockSize);
  if (r < 0) throw new Error(`errno ${-r}`);
  volume.database.mutation(INSERT).run(ino, block, deviceBlock, 1, 2);
  volume.commits.dataWritten(ino, block, 1);
}

export function extentsOf(volume: Volume, ino: number): number[][] {
  return volume.database
    .query('SELECT file_block, device_block, length, state FROM extent WHERE ino = ? ORDER BY file_block')
    .raw()
    .all<number[]>(ino);
}

/** Promise of the errno that `whenDurable` gives. */
export const durable = (volume: Volume): Promise<number> => new Promise((done) => volume.commits.whenDurable(done));
export const metadataDurable = (volume: Volume): Promise<number> =>
  new Promise((done) => volume.commits.whenMetadataDurable(done));

/** Waits until `condition` holds, at most 5 s. */
export async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i > 5000) throw new Error('waited too long');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

export { FaultyIo, VirtualClock };
