import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from '../build.ts';
import { available, command } from '../command.ts';
import type { Peer, PeerMaker } from '../peer.ts';
import { serve } from './mounts.ts';

function image(folder: string, size: number): string {
  const path = join(folder, 'image');
  writeFileSync(path, '');
  truncateSync(path, size);
  return path;
}

function mountPoint(folder: string): string {
  const dir = join(folder, 'mnt');
  mkdirSync(dir);
  return dir;
}

function need(...programs: string[]): void {
  for (const program of programs) if (!available(program)) throw new Error(`${program} is missing`);
}

export const fuse2fs: PeerMaker = {
  name: 'fuse2fs',
  async start(folder, undo, size): Promise<Peer> {
    need('mkfs.ext4', 'fuse2fs');
    const path = image(folder, size);
    command('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=0', path]);
    const dir = mountPoint(folder);
    // hard_remove: else libfuse renames what is unlinked before its RELEASE came, and an rmdir then finds it.
    const child = await serve('fuse2fs', ['-f', '-o', 'rw,allow_other,hard_remove', path, dir], dir, undo);
    return {
      name: 'fuse2fs',
      about: 'ext4 in userspace (e2fsprogs)',
      dir,
      data: join(dir, 'data'),
      below: [path],
      pid: child.pid,
    };
  },
};

export const ntfs3g: PeerMaker = {
  name: 'ntfs-3g',
  async start(folder, undo, size): Promise<Peer> {
    need('mkntfs', 'ntfs-3g');
    const path = image(folder, size);
    command('mkntfs', ['-Q', '-F', '-q', '-p', '0', '-H', '0', '-S', '0', path]);
    const dir = mountPoint(folder);
    const child = await serve('ntfs-3g', ['-o', 'no_detach,big_writes,allow_other', path, dir], dir, undo);
    return { name: 'ntfs-3g', about: 'NTFS in userspace', dir, data: join(dir, 'data'), below: [path], pid: child.pid };
  },
};

export const onefile: PeerMaker = {
  name: 'onefile',
  async start(folder, undo, size): Promise<Peer> {
    const binary = build('onefile', ['fuse3']);
    const path = image(folder, size);
    truncateSync(path, 0);
    const dir = mountPoint(folder);
    const child = await serve(binary, [path, dir], dir, undo);
    return {
      name: 'onefile',
      about: 'a C server on libfuse3 that serves one file and keeps names in memory: the limit of FUSE',
      dir,
      data: join(dir, 'data'),
      below: [path],
      pid: child.pid,
    };
  },
};

export const bare: PeerMaker = {
  name: 'bare',
  start(folder): Peer {
    return {
      name: 'bare',
      about: 'a bare file on the host: the limit of the hardware',
      dir: folder,
      data: join(folder, 'data'),
      below: [],
      pid: undefined,
    };
  },
};
