import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { available, command } from '../command.ts';
import type { Peer, PeerMaker } from '../peer.ts';
import { unmount } from './mounts.ts';

/** A filesystem of the kernel on a loop device over a file like ours: the limit of what a kernel can do with it. */
function onLoop(type: string, mkfs: readonly string[], about: string): PeerMaker {
  return {
    name: type,
    start(folder, undo, size): Peer {
      const image = join(folder, 'image');
      const dir = join(folder, 'mnt');
      if (!available(`mkfs.${type}`)) throw new Error(`mkfs.${type} is missing`);
      writeFileSync(image, '');
      truncateSync(image, size);
      command(`mkfs.${type}`, [...mkfs, image]);
      mkdirSync(dir);
      undo.add(() => unmount(dir));
      command('mount', ['-t', type, '-o', 'loop', image, dir]);
      return { name: type, about, dir, data: join(dir, 'data'), below: [image], pid: undefined };
    },
  };
}

export const ext4 = onLoop(
  'ext4',
  ['-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0'],
  'ext4 of the kernel, on a loop device',
);
export const xfs = onLoop('xfs', ['-q', '-f'], 'XFS of the kernel, on a loop device');
