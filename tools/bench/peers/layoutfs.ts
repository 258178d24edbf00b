import { mkdirSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { command } from '../command.ts';
import { URGENT } from '../isolate.ts';
import type { Peer, PeerMaker } from '../peer.ts';
import { Undo } from '../undo.ts';
import { serve, unmount } from './mounts.ts';

const CLI = join(import.meta.dirname, '../../../bin/layoutfs.mjs');

/** A mount of this filesystem that a measurement takes apart again. */
export interface Mounted {
  image: string;
  dir: string;
  pid: number;
  /** From the start of the command to the first answer, ms. */
  mountMs: number;
  /** Unmounts and waits for the end of the daemon: a clean stop. */
  stop(): Promise<void>;
  /** SIGKILL, and the dead mount is taken away; only of a mount without a supervisor. */
  kill(): Promise<void>;
}

export function make(image: string, size: number): void {
  command(process.execPath, [CLI, 'mkfs', image, '--size', String(size)]);
}

/**
 * The process that serves the mount: the one below its supervisor that has the metadata open, or, without a supervisor, the
 * command itself.
 */
function daemonOf(command: number, image: string): number {
  const metadata = realpathSync(`${image}.meta`);
  const below = readFileSync(`/proc/${command}/task/${command}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number);
  const serving = below.find((pid) =>
    readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === metadata;
      } catch {
        return false; // closed meanwhile
      }
    }),
  );
  return serving ?? command;
}

/** Mounts a volume, with `options` of -o; undone by `undo` unless it was stopped. */
export async function mount(
  image: string,
  dir: string,
  undo: Undo,
  options: string[] = [],
  prefix: readonly string[] = [],
): Promise<Mounted> {
  mkdirSync(dir, { recursive: true });
  const words = [...prefix, process.execPath, CLI, 'mount', '-f'];
  if (options.length > 0) words.push('-o', options.join(','));
  const before = performance.now();
  const mine = new Undo();
  const child = await serve(words[0] as string, [...words.slice(1), image, dir], dir, mine);
  command('stat', ['-f', dir]);
  const mountMs = performance.now() - before;
  const forget = undo.add(() => mine.all());
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  return {
    image,
    dir,
    pid: daemonOf(child.pid as number, image),
    mountMs,
    async stop() {
      unmount(dir);
      await ended;
      forget();
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
      forget();
    },
  };
}

/** This filesystem, by its own commands, with default options. */
export const layoutfs: PeerMaker = {
  name: 'layoutfs',
  async start(folder, undo, size, alone): Promise<Peer> {
    const image = join(folder, 'image');
    make(image, size);
    const { dir, pid } = await mount(image, join(folder, 'mnt'), undo, [], alone ? URGENT : []);
    const data = join(dir, 'data');
    return { name: 'layoutfs', about: 'this filesystem', dir, data, below: [image], pid, threads: [pid] };
  },
};
