import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { LayoutEvent, ReplyOf, RequestOf, VerbName } from '../control/grammar/verbs.ts';
import { writeRequest } from '../control/grammar/write.ts';
import { LayoutError } from './error.ts';
import { Lease } from './lease.ts';
import { readLine } from './lines.ts';
import { Readiness } from './readiness.ts';

/** A request as a program writes it: paths may be texts. */
export type Ask<V extends VerbName> = {
  [K in keyof RequestOf<V>]: RequestOf<V>[K] extends Uint8Array | undefined ? Uint8Array | string : RequestOf<V>[K];
};

interface Waiting {
  verb: VerbName;
  resolve: (reply: never) => void;
  reject: (error: Error) => void;
}

/**
 * A session on a mount's control file. All leases got with it (bind=fd, the default) end when it is closed, or with the
 * process.
 *
 *     await using session = await Session.open('/mnt');
 *     await using lease = await session.get({ path: '/db/data', kind: 'direct' });
 *     for await (const event of session.events()) if (event.event === 'recall') break;
 *
 * To answer a recall never touch the leased file itself: the kernel holds its lock while the breaker waits. Nothing
 * here blocks the event loop. A verb that waits occupies a thread of libuv's pool, as does a running `events()`.
 */
export class Session {
  /** Of the mount. */
  readonly dir: string;
  private readonly file: FileHandle;
  private readonly waiting = new Map<number, Waiting>();
  private readonly queue: LayoutEvent[] = [];
  private wakeConsumer: (() => void) | undefined;
  private readiness: Readiness | undefined;
  private nextTag = 1;
  private received: Buffer = Buffer.alloc(0);
  private draining: Promise<void> | undefined;
  private drainAgain = false;
  private closed = false;
  private readonly buffer = Buffer.allocUnsafe(1 << 18);

  private constructor(dir: string, file: FileHandle) {
    this.dir = dir;
    this.file = file;
  }

  /** `dir`: the mount; `control`: the name of its control directory, when the mount option ctl= says another. */
  static async open(dir: string, options: { control?: string } = {}): Promise<Session> {
    const at = join(dir, options.control ?? '.layout');
    const file = await open(join(at, 'ctl'), constants.O_RDWR | constants.O_NONBLOCK);
    return new Session(at, file);
  }

  /** Sends a request; rejects with LayoutError when the daemon refuses it. Durations are seconds, sizes bytes. */
  async request<V extends VerbName>(verb: V, values: Ask<V>): Promise<ReplyOf<V>> {
    if (this.closed) throw new Error('the session is closed');
    const tag = this.nextTag++;
    const answer = new Promise<ReplyOf<V>>((resolve, reject) => {
      this.waiting.set(tag, { verb, resolve, reject });
    });
    // Handled below in every case; this keeps Node quiet when the write fails first.
    answer.catch(() => {});
    const line = writeRequest('json', verb, withBytes(values) as RequestOf<V>, tag);
    let failure: unknown;
    try {
      await this.file.write(line);
    } catch (error) {
      // The reply with the reason is in the session, like any other.
      failure = error;
    }
    await this.drain();
    if (this.waiting.delete(tag)) throw failure ?? new Error(`no reply to ${verb}`);
    return answer;
  }

  /** Asks for a lease. */
  async get(values: Ask<'get'>): Promise<Lease> {
    return new Lease(this, await this.request('get', values));
  }

  /**
   * Events of this session's leases, from the oldest unread one on; ends when the session is closed. `overflow` says
   * that events were lost: `ls` and `map` tell the state. One consumer at a time.
   */
  async *events(): AsyncGenerator<LayoutEvent, void, void> {
    this.readiness ??= new Readiness(this.file.fd);
    const { readiness } = this;
    while (!this.closed) {
      await this.drain();
      for (let event = this.queue.shift(); event; event = this.queue.shift()) yield event;
      if (this.closed) return;
      // A reply that another call drains may bring events along: that wakes us too.
      const woken = new Promise<void>((resolve) => {
        this.wakeConsumer = resolve;
      });
      await Promise.race([readiness.readable(), woken]);
      this.wakeConsumer = undefined;
    }
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.wakeConsumer?.();
    await this.readiness?.close();
    await this.draining;
    await this.file.close();
    for (const { reject } of this.waiting.values()) reject(new Error('the session was closed'));
    this.waiting.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Closes without waiting for the kernel's word. */
  [Symbol.dispose](): void {
    void this.close();
  }

  /** Reads all that is there. Calls while it runs make it look once more. */
  private drain(): Promise<void> {
    this.drainAgain = true;
    this.draining ??= this.readAll().finally(() => {
      this.draining = undefined;
    });
    return this.draining;
  }

  private async readAll(): Promise<void> {
    while (this.drainAgain) {
      this.drainAgain = false;
      for (;;) {
        const length = await this.read();
        if (length === 0) break;
        this.received = Buffer.concat([this.received, this.buffer.subarray(0, length)]);
        this.takeLines();
      }
    }
  }

  private async read(): Promise<number> {
    try {
      return (await this.file.read(this.buffer, 0, this.buffer.length, null)).bytesRead;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
      throw error;
    }
  }

  private takeLines(): void {
    for (let end = this.received.indexOf(10); end >= 0; end = this.received.indexOf(10)) {
      const text = this.received.toString('utf8', 0, end);
      this.received = this.received.subarray(end + 1);
      const line = readLine(text, (tag) => this.waiting.get(tag)?.verb);
      if ('event' in line) {
        this.queue.push(line.event);
        this.wakeConsumer?.();
        continue;
      }
      const waiting = this.waiting.get(line.tag);
      this.waiting.delete(line.tag);
      if ('refusal' in line) waiting?.reject(new LayoutError(waiting.verb, line.refusal));
      else waiting?.resolve(line.reply as never);
    }
  }
}

/** Texts become bytes where the grammar wants bytes. */
function withBytes(values: object): object {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, PATHS.has(name) && typeof value === 'string' ? Buffer.from(value) : value]),
  );
}

const PATHS: ReadonlySet<string> = new Set(['path', 'to']);
