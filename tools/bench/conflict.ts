import { join } from 'node:path';
import { House } from '../../src/mount/assemble.ts';
import { defaultMountOptions } from '../../src/mount/options.ts';
import { systemClock } from '../../src/system/clock.ts';
import { Volume } from '../../src/volume/volume.ts';
import type { Fact } from './results.ts';
import { median } from './statistics.ts';

const FILES = 1000;
const CALLS = 2_000_000;
const ROUNDS = 9;

/**
 * What every write pays for leases: the guard's question whether an inode without a lease concerns it. Asked of a whole
 * filesystem that is opened but not mounted, a thousand inodes in turn; the loop around it is taken off.
 */
export async function conflictCheck(folder: string): Promise<Fact> {
  const path = join(folder, 'conflict');
  Volume.make(path, { size: 256 * 2 ** 20 });
  const volume = Volume.open(path);
  const house = new House(volume, defaultMountOptions(), systemClock, () => {});
  const errno = volume.ready();
  if (errno !== 0) throw new Error(`recovery: errno ${errno}`);
  const { guard, inodes } = house.fs;
  const numbers: number[] = [];
  for (let i = 0; i < FILES; i++) numbers.push(inodes.create(0o100644, 0, 0).ino);
  let yes = 0;
  const round = (ask: (ino: number) => boolean): number => {
    const before = performance.now();
    for (let i = 0; i < CALLS; i++) if (ask(numbers[i % FILES] as number)) yes++;
    return ((performance.now() - before) / CALLS) * 1e3;
  };
  const values: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const loop = round((ino) => ino < 0);
    values.push(Math.max(0, round((ino) => guard.concerns(ino)) - loop));
  }
  if (yes !== 0) throw new Error('an inode without leases concerns the guard');
  await house.shutDown();
  return { title: 'conflict check on an inode without leases', value: median(values), unit: 'µs', atMost: 0.3 };
}
