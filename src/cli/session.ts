import { closeSync, constants, openSync, readSync, write } from 'node:fs';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { LayoutEvent, Refusal } from '../control/grammar/verbs.ts';
import { POLL } from '../system/constants.ts';
import { pollAsync } from '../system/libc.ts';
import { CommandError, EXIT, exitOfErrno } from './exit.ts';
import type { Mount } from './mounts.ts';

/** A reply as the daemon wrote it. */
export type Reply = Record<string, unknown> & { ok: boolean };

/** A refusal of the daemon, with its reason. */
export class RefusedError extends CommandError {
  override name = 'RefusedError';
  readonly refusal: Refusal;

  constructor(request: string, refusal: Refusal) {
    super(describe(request, refusal), exitOfErrno(refusal.errno), refusal.errno);
    this.refusal = refusal;
  }
}

function describe(request: string, { errno, lease, holder, hint }: Refusal): string {
  const who = holder === undefined ? '' : ` (process ${holder.pid}, ${holder.command})`;
  const why = lease === undefined ? '' : `: lease ${lease}${who}`;
  return `${request}: ${errno}${why}${hint === undefined ? '' : `: ${hint}`}`;
}

/** The control directory of a mount: `.layout`, or what LAYOUTFS_CTL says for a mount made with -o ctl=NAME. */
export function controlPath(mount: Mount, name: string): string {
  return join(mount.dir, process.env.LAYOUTFS_CTL ?? '.layout', name);
}

const CHUNK = 65_536;
/** ms of one wait in poll(2): the longest that a closed session keeps the process alive. */
const WAIT = 100;

interface Waiter<T> {
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
}

/**
 * A session on `.layout/ctl`, in the JSON form. Replies and events come on one handle in their order, so ONE loop reads
 * it and hands them out, for as long as somebody waits: requests get replies in turn, events wait in a queue.
 */
export class Session implements Disposable {
  private readonly fd: number;
  private readonly buffer = Buffer.allocUnsafe(CHUNK);
  private readonly decoder = new StringDecoder('utf8');
  private readonly events: LayoutEvent[] = [];
  private readonly replyWaiters: Waiter<Reply>[] = [];
  private readonly eventWaiters: Waiter<LayoutEvent | undefined>[] = [];
  private text = '';
  private reading = false;
  private closed = false;

  /** @throws CommandError when there is no such control directory, or it is not allowed. */
  constructor(mount: Mount) {
    const path = controlPath(mount, 'ctl');
    try {
      this.fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    } catch (error) {
      const name = (error as NodeJS.ErrnoException).code;
      if (name !== 'ENOENT') throw error;
      const hint = `${path} is not there: mounted with -o ctl=NAME? Then set LAYOUTFS_CTL=NAME`;
      throw new CommandError(hint, EXIT.unmounted, name);
    }
  }

  /** Sends one request and gives its reply. @throws RefusedError */
  async request(fields: Record<string, unknown> & { verb: string }): Promise<Reply> {
    const reply = new Promise<Reply>((resolve, reject) => this.replyWaiters.push({ resolve, reject }));
    reply.catch(() => {}); // it is awaited below, after the write
    // A refused request fails the write itself; its reason is read from the handle all the same.
    await new Promise<void>((resolve) => write(this.fd, `${JSON.stringify(fields)}\n`, () => resolve()));
    void this.read();
    const object = await reply;
    if (object.ok) return object;
    throw new RefusedError(fields.verb, object as unknown as Refusal);
  }

  /** The next event, or undefined when the session is closed. */
  event(): Promise<LayoutEvent | undefined> {
    const waiting = this.events.shift();
    if (waiting !== undefined || this.closed) return Promise.resolve(waiting);
    const event = new Promise<LayoutEvent | undefined>((resolve, reject) =>
      this.eventWaiters.push({ resolve, reject }),
    );
    void this.read();
    return event;
  }

  /** Ends the session, and with it the leases that are bound to it. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    closeSync(this.fd);
    for (const waiter of this.eventWaiters.splice(0)) waiter.resolve(undefined);
    this.fail(new CommandError('the session is closed', EXIT.unmounted));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private async read(): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    try {
      while (!this.closed && this.replyWaiters.length + this.eventWaiters.length > 0) {
        if (!this.take()) await this.wait();
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.reading = false;
    }
  }

  private fail(error: unknown): void {
    for (const waiter of [...this.replyWaiters.splice(0), ...this.eventWaiters.splice(0)]) waiter.reject(error);
  }

  /** Reads and hands out what is there; false when there is nothing. */
  private take(): boolean {
    let count: number;
    try {
      count = readSync(this.fd, this.buffer, 0, CHUNK, null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN' || code === 'EINTR') return false;
      throw error;
    }
    if (count === 0) return false;
    const lines = (this.text + this.decoder.write(this.buffer.subarray(0, count))).split('\n');
    this.text = lines.pop() as string;
    for (const line of lines) this.handOut(JSON.parse(line) as Record<string, unknown>);
    return true;
  }

  private handOut(object: Record<string, unknown>): void {
    if (!('event' in object)) {
      this.replyWaiters.shift()?.resolve(object as Reply);
      return;
    }
    const waiter = this.eventWaiters.shift();
    if (waiter === undefined) this.events.push(object as LayoutEvent);
    else waiter.resolve(object as LayoutEvent);
  }

  private async wait(): Promise<void> {
    const ready = await pollAsync(this.fd, POLL.IN, WAIT);
    if (!this.closed && ready > 0 && (ready & POLL.IN) === 0 && (ready & (POLL.ERR | POLL.HUP)) !== 0) {
      throw new CommandError('the mount is gone', EXIT.unmounted, 'ENODEV');
    }
  }
}
