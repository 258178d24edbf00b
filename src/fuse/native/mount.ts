/**
 * A mount by the npm package `fuse-native` (libfuse 2), for systems where /dev/fuse can not be used directly. Optional:
 * loaded only when asked for. What it can not do: docs/fuse-native.md.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { loadLibrary } from '../../system/library.ts';
import { type Calls, PathCalls } from './calls.ts';
import { PlayedKernel } from './kernel.ts';

interface Native {
  mount(done: (error?: Error | null) => void): void;
}
type NativeClass = new (dir: string, calls: Calls, options: Record<string, unknown>) => Native;

export class NativeError extends Error {
  override name = 'NativeError';
  readonly code = 'EOPNOTSUPP';
}

export interface NativeOptions {
  dir: string;
  fsname: string;
  subtype: string;
  defaultPermissions: boolean;
  /** What stands for the caller's process, which libfuse 2 knows and the package does not tell. */
  pidOf: (nodeid: number) => number;
}

export interface NativeMount {
  /** For a Session. */
  fd: number;
  /** Lets the kernel in; to be called when the Session runs. */
  start(): Promise<void>;
}

/** How often it is looked whether the mount is still there, ms: libfuse's end is told to nobody. */
const LOOK = 200;

/** Where the file system does not cache, what libfuse caches must be little: everything goes by. */
const MORE_OPTIONS = 'big_writes,direct_io,use_ino';

/** @throws NativeError when the package or libfuse 2 is not there. */
export function nativeMount(options: NativeOptions): NativeMount {
  const Fuse = load();
  const kernel = new PlayedKernel({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, pidOf: options.pidOf });
  const { dir, fsname, subtype, defaultPermissions } = options;
  const native = new Fuse(dir, new PathCalls(kernel).table(), {
    fsname: fsname.replace(/[\\,]/g, '\\$&'),
    // The package passes no other options on, but joins them with commas.
    subtype: `${subtype},${MORE_OPTIONS}`,
    defaultPermissions,
    timeout: false,
  });
  const start = async (): Promise<void> => {
    const { errno } = await kernel.init(['BIG_WRITES', 'ATOMIC_O_TRUNC']);
    if (errno !== 0) throw new NativeError(`the session refuses its transport: errno ${errno}`);
    await new Promise<void>((resolve, reject) => native.mount((error) => (error ? reject(error) : resolve())));
    const look = setInterval(() => {
      if (isMounted(dir)) return;
      clearInterval(look);
      kernel.close();
    }, LOOK);
  };
  return { fd: kernel.fd, start };
}

function load(): NativeClass {
  const require = createRequire(import.meta.url);
  try {
    try {
      return require('fuse-native') as NativeClass;
    } catch (error) {
      if (!String((error as Error).message).includes('libfuse.so.2')) throw error;
      // The package brings a copy of libfuse 2, which its own binary finds only when it is loaded already.
      const { lib } = createRequire(require.resolve('fuse-native'))('fuse-shared-library') as { lib: string };
      loadLibrary(lib);
      return require('fuse-native') as NativeClass;
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const cure =
      code === 'MODULE_NOT_FOUND'
        ? 'npm install fuse-native'
        : 'it needs libfuse.so.2 (Debian: apt-get install libfuse2)';
    throw new NativeError(`transport=fuse-native: ${String(message).split('\n')[0]}: ${cure}`);
  }
}

function isMounted(dir: string): boolean {
  const quoted = dir.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[4] === quoted);
}
