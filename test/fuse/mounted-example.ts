/** The example filesystem, mounted by the test's own process: its clients must be other processes. */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { openAndMount, unmount } from '../../src/fuse/mount.ts';
import type { InitFlag } from '../../src/fuse/protocol.ts';
import { Session, type SessionOptions } from '../../src/fuse/session.ts';
import { close, mount, umount2 } from '../../src/system/libc.ts';
import { connectionOf } from '../harness/clean-up.ts';
import { identify, register, runId, unregister } from '../harness/registry.ts';
import { type Example, exampleFilesystem } from './example.ts';

const FLAGS: InitFlag[] = [
  'ASYNC_READ',
  'BIG_WRITES',
  'ABORT_ERROR',
  'NO_OPENDIR_SUPPORT',
  'EXPLICIT_INVAL_DATA',
  'HAS_RESEND',
  'HAS_EXPIRE_ONLY',
  'PASSTHROUGH',
];

export class MountedExample {
  readonly root = mkdtempSync(join(tmpdir(), 'layoutfs-fuse-'));
  readonly dir = join(this.root, 'mnt');
  readonly backing = join(this.root, 'backing');
  readonly example: Example;
  readonly fd: number;
  readonly reports: string[] = [];
  session: Session;
  ended: Promise<string>;
  private readonly backingFd: number;
  private readonly watchdog: NodeJS.Timeout;

  /** `content`: of the file; `seconds`, `flags`: see exampleFilesystem. */
  constructor(content: Uint8Array, seconds?: number, flags?: number) {
    mkdirSync(this.dir);
    writeFileSync(this.backing, content);
    this.backingFd = openSync(this.backing, 'r+');
    this.example = exampleFilesystem(this.backingFd, content.length, seconds, flags);
    const owner = identify(process.pid);
    if (owner) register(basename(this.root), { root: this.root, dir: this.dir, owner, run: runId() });
    const options = {
      dir: this.dir,
      fsname: 'example',
      subtype: 'example',
      defaultPermissions: true,
      allowOther: true,
    };
    this.fd = openAndMount(options).fd;
    this.watchdog = setTimeout(() => this.abort(), 15_000);
    this.session = this.start();
    this.ended = this.session.run();
  }

  /** A session on the mount's descriptor; `saved` for the second and later ones. */
  start(options: Partial<SessionOptions> = {}): Session {
    const report = (message: string) => void this.reports.push(message);
    return new Session({
      fd: this.fd,
      handlers: this.example.handlers,
      negotiate: { flags: FLAGS },
      report,
      ...options,
    });
  }

  get file(): string {
    return join(this.dir, 'data');
  }

  /** What an administrator does with a stuck server: every request fails, the session ends. */
  abort(): void {
    const connection = connectionOf(this.dir);
    const control = mkdtempSync(join(this.root, 'control-'));
    mount('fusectl', control, 'fusectl', 0, ''); // one for all of the system; not everywhere at /sys/fs/fuse/connections
    if (connection !== undefined) writeFileSync(join(control, `${connection}/abort`), '1');
    umount2(control, 0);
  }

  /** Unmounts and waits for the end of the session. */
  async close(): Promise<string> {
    if ((await unmount(this.dir)) < 0) await unmount(this.dir, { force: true, lazy: true }); // what is open now, fails
    const end = await this.ended;
    clearTimeout(this.watchdog);
    close(this.fd);
    closeSync(this.backingFd);
    rmSync(this.root, { recursive: true, force: true });
    unregister(basename(this.root));
    return end;
  }
}
