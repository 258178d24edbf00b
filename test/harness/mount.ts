import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { abortConnection, cleanUp, connectionOf, lazyUnmount } from './clean-up.ts';
import { identify, type ProcessId, register, runId, signal } from './registry.ts';
import { bash, check, ended, type Result, type RunOptions, run, within } from './run.ts';

export const checkout = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const layoutfs = join(checkout, 'bin', 'layoutfs.mjs');

export interface VolumeOptions {
  /** As mkfs --size; default 1g (sparse). */
  size?: string;
  /** More arguments of mkfs. */
  mkfs?: readonly string[];
  /** As mount -o. */
  options?: string;
  /** The device is a block device, /dev/loopN over a file; it goes when the volume is unmounted, so there is no remount. */
  loop?: boolean;
  /**
   * With a supervisor, which has a new daemon take over when the daemon dies. Default: without, because most tests want
   * neither that nor the time it takes to start two processes.
   */
  supervised?: boolean;
  /** Environment of the daemon, beside that of the tests. */
  env?: Readonly<Record<string, string>>;
  /** User that owns the image and runs the daemon; default: the one of the tests. */
  uid?: number;
  /** ms after which the mount is aborted, whatever the test is doing; default 120,000. */
  deadline?: number;
}

export interface MountedVolume extends AsyncDisposable {
  /** The mount point. */
  readonly dir: string;
  /** A folder on the host for whatever the test needs; goes with the volume. */
  readonly root: string;
  readonly image: string;
  readonly daemonPid: number;
  /** Of a supervised volume, -1 otherwise. */
  readonly supervisorPid: number;
  /** Number of the FUSE connection. */
  readonly connection: number;
  /** What the daemon, and its supervisor, have written to stderr since the last mount. */
  messages(): string;
  /** A clean unmount. Rejects when the daemon does not end with code 0 in time. */
  unmount(): Promise<void>;
  /** Waits for the daemon's end with code 0, after an unmount by other means. */
  dead(): Promise<void>;
  /** SIGKILL to the daemon, and the dead mount taken away: what a crash of the daemon leaves. */
  kill(): Promise<void>;
  /** Mounts again, after unmount() or kill(). */
  remount(options?: string): Promise<void>;
  /** A shell script with the mount point as its working directory and $MNT, $IMG, $ROOT set. */
  bash(script: string, options?: RunOptions): Promise<string>;
  /** Any command, in the same way; whatever its exit code. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<Result>;
  /** `layoutfs …` in a process of its own. */
  layoutfs(args: readonly string[], options?: RunOptions): Promise<Result>;
  /** A process that lives on; killed with the mount. */
  start(command: string, args: readonly string[], env?: Record<string, string>): ChildProcess;
  /** An fs promise on the mount with a time limit; when it passes, the connection is aborted. */
  io<T>(what: string, promise: Promise<T>, ms?: number): Promise<T>;
  /** Takes everything away; called by `await using`, harmless when called again. */
  dispose(): Promise<void>;
}

let count = 0;

/** Makes a volume in a temp folder and mounts it with a real daemon process. */
export async function mountVolume(options: VolumeOptions = {}): Promise<MountedVolume> {
  const root = mkdtempSync(join(tmpdir(), 'layoutfs-test-'));
  const volume = new TestVolume(root, options);
  const size = options.size ?? '1g';
  let loop: string | undefined;
  try {
    if (options.loop) {
      const file = join(root, 'disk');
      await check('truncate', ['-s', size, file]);
      loop = (await check('losetup', ['-f', '--show', file])).trim();
      symlinkSync(loop, volume.image);
    }
    const mkfs = [layoutfs, 'mkfs', volume.image, ...(options.loop ? [] : ['--size', size]), ...(options.mkfs ?? [])];
    await check(process.execPath, mkfs, volume.user);
    await volume.remount();
    return volume;
  } catch (error) {
    await volume.dispose();
    throw error;
  } finally {
    // While the daemon has it open, the kernel only notes this: whatever becomes of the test, it goes with the daemon.
    if (loop !== undefined) await check('losetup', ['-d', loop]);
  }
}

class TestVolume implements MountedVolume {
  readonly root: string;
  readonly dir: string;
  readonly image: string;
  connection = -1;
  /** For spawn: the user of the daemon. */
  readonly user: { uid?: number; gid?: number };
  private readonly name: string;
  private readonly owner: ProcessId = identify(process.pid)!;
  private readonly watchdog: NodeJS.Timeout;
  private mountOptions: string;
  private daemon: ChildProcess | undefined;
  private daemonId: ProcessId | undefined;
  private readonly supervised: boolean;
  private readonly env: Readonly<Record<string, string>>;
  private firstPid = -1;
  private said = '';
  private readonly children = new Set<ChildProcess>();

  constructor(root: string, options: VolumeOptions) {
    this.root = root;
    this.dir = join(root, 'mnt');
    this.image = join(root, 'vol.img');
    this.mountOptions = options.options ?? '';
    this.supervised = options.supervised ?? false;
    this.env = options.env ?? {};
    this.name = `${process.pid}-${count++}`;
    mkdirSync(this.dir);
    const { uid } = options;
    this.user = uid === undefined ? {} : { uid, gid: uid };
    if (uid !== undefined) for (const path of [root, this.dir]) chownSync(path, uid, uid);
    this.enter();
    this.watchdog = setTimeout(() => this.abort(), options.deadline ?? 120_000);
    this.watchdog.unref();
  }

  get daemonPid(): number {
    const takeOvers = [...this.said.matchAll(/process (\d+) has taken the mount over/g)];
    return takeOvers.length > 0 ? Number(takeOvers.at(-1)?.[1]) : this.firstPid;
  }

  get supervisorPid(): number {
    return this.supervised ? (this.daemonId?.pid ?? -1) : -1;
  }

  messages(): string {
    return this.said;
  }

  async remount(options = this.mountOptions): Promise<void> {
    this.mountOptions = options;
    this.firstPid = -1;
    this.said = '';
    const supervision = this.supervised ? 'supervise' : 'nosupervise';
    const words = options === '' ? supervision : `${options},${supervision}`;
    const args = [layoutfs, 'mount', '-f', '-o', words, this.image, this.dir];
    const daemon = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, LAYOUTFS_READY_FD: '3', ...this.env },
      ...this.user,
    });
    this.daemon = daemon;
    this.daemonId = identify(daemon.pid!);
    this.enter();
    let stderr = '';
    daemon.stderr!.on('data', (part: Buffer) => {
      stderr += part;
      this.said += part;
    });
    const ready = new Promise<void>((resolve, reject) => {
      let text = '';
      const pipe = daemon.stdio[3] as Readable;
      pipe.on('data', (part: Buffer) => {
        text += part;
        if (!text.includes('\n')) return;
        this.firstPid = (JSON.parse(text) as { pid?: number }).pid ?? -1;
        resolve();
      });
      pipe.on('end', () => reject(new Error(`the daemon ended before the mount was ready: ${stderr}`)));
      daemon.on('error', reject);
    });
    await within(120_000, 'mount', ready, () => this.abort());
    const connection = connectionOf(this.dir);
    if (connection === undefined)
      throw new Error(`${this.dir} is not in mountinfo although the daemon is ready: ${stderr}`);
    this.connection = connection;
  }

  async unmount(): Promise<void> {
    const end = this.dead();
    await this.layoutfs(['umount', this.dir], { timeout: 60_000 }).then((result) => {
      if (result.code !== 0) {
        end.catch(() => {});
        throw new Error(`umount: exit ${result.code}: ${result.stderr}`);
      }
    });
    await end;
  }

  async dead(): Promise<void> {
    const code = await ended(this.daemon!, 60_000);
    if (code !== 0) throw new Error(`the daemon ended with ${code}: ${this.said.slice(-4000)}`);
    this.forget();
  }

  async kill(): Promise<void> {
    const end = ended(this.daemon!, 10_000);
    const serving = this.supervised ? identify(this.daemonPid) : undefined;
    if (this.daemonId !== undefined) signal(this.daemonId, 'SIGKILL');
    if (serving !== undefined) signal(serving, 'SIGKILL');
    await end;
    abortConnection(this.dir);
    lazyUnmount(this.dir);
    this.forget();
  }

  // The child changes into the mount itself: with spawn's `cwd`, this process would wait for the chdir of the child,
  // and a mount that hangs would take the test runner with it.
  bash(script: string, options: RunOptions = {}): Promise<string> {
    return bash(`cd "$MNT"\n${script}`, this.inside(options));
  }

  run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run('sh', ['-c', 'cd "$MNT" && exec "$@"', 'sh', command, ...args], this.inside(options));
  }

  layoutfs(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run(process.execPath, [layoutfs, ...args], { onHang: () => this.abort(), ...this.user, ...options });
  }

  start(command: string, args: readonly string[], env: Record<string, string> = {}): ChildProcess {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', MNT: this.dir, IMG: this.image, ROOT: this.root, ...env },
      ...this.user,
    });
    child.stdin.on('error', () => {});
    this.children.add(child);
    child.on('exit', () => this.children.delete(child));
    return child;
  }

  io<T>(what: string, promise: Promise<T>, ms = 20_000): Promise<T> {
    return within(ms, what, promise, () => this.abort());
  }

  async dispose(): Promise<void> {
    clearTimeout(this.watchdog);
    for (const child of this.children) child.kill('SIGKILL');
    const daemon = this.daemon;
    cleanUp(this.name, this.entry());
    if (daemon !== undefined) await ended(daemon, 10_000).catch(() => {});
    this.forget();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  private inside(options: RunOptions): RunOptions {
    const env = { MNT: this.dir, IMG: this.image, ROOT: this.root, ...options.env };
    return { onHang: () => this.abort(), ...this.user, ...options, env };
  }

  /** The emergency brake: whoever waits on the mount gets an error, and the daemon's session ends. */
  private abort(): void {
    abortConnection(this.dir);
    lazyUnmount(this.dir);
    if (this.daemonId !== undefined) signal(this.daemonId, 'SIGKILL');
  }

  private forget(): void {
    this.daemon = undefined;
    this.daemonId = undefined;
    this.connection = -1;
  }

  private entry() {
    return { root: this.root, dir: this.dir, daemon: this.daemonId, owner: this.owner, run: runId() };
  }

  private enter(): void {
    register(this.name, this.entry());
  }
}
