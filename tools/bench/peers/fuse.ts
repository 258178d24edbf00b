import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from '../build.ts';
import { available, command } from '../command.ts';
import { URGENT } from '../isolate.ts';
import type { Peer, PeerMaker } from '../peer.ts';
import { serve } from './mounts.ts';
import { readers } from './readers.ts';

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

/**
 * fuse2fs has a check of its own, of owner, group and others, without supplementary groups or ACLs; with default_permissions
 * the kernel judges, as it does for this filesystem.
 */
function fuse2fsWith(name: string, options: string, about: string, only?: 'names'): PeerMaker {
  return {
    name,
    async start(folder, undo, size): Promise<Peer> {
      need('mkfs.ext4', 'fuse2fs');
      const path = image(folder, size);
      command('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=0', path]);
      const dir = mountPoint(folder);
      // hard_remove: else libfuse renames what is unlinked before its RELEASE came, and an rmdir then finds it.
      const words = ['-f', '-o', `rw,allow_other,hard_remove${options}`, path, dir];
      const child = await serve('fuse2fs', words, dir, undo);
      return { name, about, dir, data: join(dir, 'data'), below: [path], pid: child.pid, only };
    },
  };
}

export const fuse2fs = fuse2fsWith(
  'fuse2fs',
  ',default_permissions',
  'ext4 in userspace (e2fsprogs), the kernel checks permissions',
);
export const fuse2fsLoose = fuse2fsWith(
  'fuse2fs-loose',
  '',
  'the same without default_permissions: a check of its own, which knows neither supplementary groups nor ACLs',
  'names',
);

function ntfs3gWith(name: string, options: string, about: string, only?: 'names'): PeerMaker {
  return {
    name,
    async start(folder, undo, size): Promise<Peer> {
      need('mkntfs', 'ntfs-3g');
      const path = image(folder, size);
      command('mkntfs', ['-Q', '-F', '-q', '-p', '0', '-H', '0', '-S', '0', path]);
      const dir = mountPoint(folder);
      const words = ['-o', `no_detach,big_writes,allow_other${options}`, path, dir];
      const child = await serve('ntfs-3g', words, dir, undo);
      return { name, about, dir, data: join(dir, 'data'), below: [path], pid: child.pid, only };
    },
  };
}

export const ntfs3g = ntfs3gWith(
  'ntfs-3g',
  ',permissions',
  'NTFS in userspace, with owners, and permissions (the kernel checks)',
);
export const ntfs3gLoose = ntfs3gWith(
  'ntfs-3g-loose',
  '',
  'the same as it mounts by default: everybody may do everything, owners are not kept',
  'names',
);

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

/** Skipped, with its reason as name, where the package or libfuse 2 is missing. */
export const fuseNative: PeerMaker = {
  name: 'fuse-native',
  async start(folder, undo, size, alone): Promise<Peer> {
    try {
      createRequire(import.meta.url)('fuse-native');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const cure = code === 'MODULE_NOT_FOUND' ? 'npm install fuse-native' : 'it needs libfuse.so.2 (Debian: libfuse2)';
      throw new Error(`${message.split('\n')[0]}: ${cure}`);
    }
    const path = image(folder, size);
    truncateSync(path, 0);
    const dir = mountPoint(folder);
    const words = [...(alone ? URGENT : []), process.execPath, join(import.meta.dirname, 'fuse-native.mjs'), path, dir];
    const child = await serve(words[0] as string, words.slice(1), dir, undo);
    return {
      name: 'fuse-native',
      about: 'what the C server does, in JavaScript by the npm package fuse-native (libfuse 2)',
      dir,
      data: join(dir, 'data'),
      below: [path],
      pid: child.pid,
      threads: [child.pid as number, ...readers(child.pid as number)],
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
