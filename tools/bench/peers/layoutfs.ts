import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { command } from '../command.ts';
import type { Peer, PeerMaker } from '../peer.ts';
import { serve } from './mounts.ts';

const CLI = join(import.meta.dirname, '../../../bin/layoutfs.mjs');

/** This filesystem, by its own commands, with default options. */
export const layoutfs: PeerMaker = {
  name: 'layoutfs',
  async start(folder, undo, size): Promise<Peer> {
    const image = join(folder, 'image');
    const dir = join(folder, 'mnt');
    mkdirSync(dir);
    command(process.execPath, [CLI, 'mkfs', image, '--size', String(size)]);
    const child = await serve(process.execPath, [CLI, 'mount', '-f', image, dir], dir, undo);
    return {
      name: 'layoutfs',
      about: 'this filesystem',
      dir,
      data: join(dir, 'data'),
      below: [image],
      pid: child.pid,
      threads: [child.pid as number],
    };
  },
};
