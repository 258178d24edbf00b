import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { MountOptions } from '../../src/mount/options.ts';
import { VirtualClock } from '../../src/system/clock.ts';
import { FaultyIo } from '../../src/volume/faulty-io.ts';
import type { Host } from '../../src/volume/host.ts';
import { type OpenOptions, Volume } from '../../src/volume/volume.ts';
import { Client, text } from '../../tools/crash/client.ts';

export const BLOCK = 4096;

const benches: Bench[] = [];
afterEach(() => {
  for (const bench of benches.splice(0)) bench.dispose();
});

/** The whole house over a volume whose storage fails on order, and the calls of a program on it. */
export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'layoutfs-faults-'));
  readonly image = join(this.folder, 'v.img');
  readonly io = new FaultyIo();
  readonly log: string[] = [];
  clock = new VirtualClock(9000);
  client: Client;

  constructor(options: { size?: number; mount?: Partial<MountOptions>; open?: OpenOptions } = {}) {
    Volume.make(this.image, { size: options.size ?? 16 << 20 });
    this.client = this.open(options.open, options.mount);
    benches.push(this);
  }

  open(open: OpenOptions = {}, mount: Partial<MountOptions> = {}): Client {
    const volume = Volume.open(this.image, { clock: this.clock, io: this.io, ...open });
    this.client = new Client(volume, this.clock, mount, (level, message) => this.log.push(`${level}: ${message}`));
    const errno = volume.ready();
    if (errno !== 0) throw new Error(`recovery failed: ${errno}`);
    return this.client;
  }

  /** The daemon dies, and another one opens the volume. */
  restart(host?: Host): Client {
    this.io.faults.length = 0;
    this.client.volume.abandon();
    return this.open({ host });
  }

  async create(name: string): Promise<number> {
    const reply = await this.client.call('CREATE', 1, 'create_in', { flags: 2, mode: 0o100644 }, text(name));
    if (reply.error !== '') throw new Error(reply.error);
    return this.client.known(reply);
  }

  /** '' or the errno's name, of this and the following. */
  async write(ino: number, offset: number, data: Buffer): Promise<string> {
    return (await this.client.call('WRITE', ino, 'write_in', { offset, size: data.length }, data)).error;
  }

  async read(ino: number, offset: number, size: number): Promise<Buffer | string> {
    const { error, payload } = await this.client.call('READ', ino, 'read_in', { offset, size });
    return error || payload;
  }

  async fsync(ino: number): Promise<string> {
    return (await this.client.call('FSYNC', ino, 'fsync_in', {})).error;
  }

  async unlink(name: string): Promise<string> {
    return (await this.client.call('UNLINK', 1, '', {}, text(name))).error;
  }

  async names(): Promise<string[]> {
    const entries = this.client.house.fs.dentries.list(1, 0, 1_000_000);
    return entries.map(([name]) => name.toString()).sort();
  }

  /** By itself at the end of a test; of many in one test, at once. */
  dispose(): void {
    const at = benches.indexOf(this);
    if (at >= 0) benches.splice(at, 1);
    this.client.volume.abandon();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
