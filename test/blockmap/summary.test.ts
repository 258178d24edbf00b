import { expect, test } from 'vitest';
import { fragmentation, usage } from '../../src/blockmap/summary.ts';
import { inodeOf, NullDevice, openVolume } from './stand-in.ts';

test('usage and fragmentation add up to what was allocated', () => {
  const volume = openVolume({ device: new NullDevice(), blocks: 40_000, firstBlock: 100 });
  const inode = inodeOf(5);
  expect(usage(volume.space, 4)).toEqual([100 / 10_000, 0, 0, 0]);
  expect(volume.map.allocate(inode, 0, 39_900)).toBe(0);
  expect(usage(volume.space, 3)).toEqual([1, 1, 1]);
  volume.map.punch(inode, (10_000 - 100) * 4096, 5000 * 4096);
  volume.map.punch(inode, (20_000 - 100) * 4096, 4096);
  expect(usage(volume.space, 4)).toEqual([1, 0.5, 9999 / 10_000, 1]);
  const { freeRuns, ...rest } = fragmentation(volume.space, volume.database);
  expect(freeRuns[0]).toEqual({ runs: 1, blocks: 1 });
  expect(freeRuns[12]).toEqual({ runs: 1, blocks: 5000 });
  expect(rest).toEqual({ longestFree: 5000, files: 1, extents: 3, meanExtent: (39_900 - 5001) / 3 });
});
