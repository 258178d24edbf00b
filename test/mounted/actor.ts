import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { checkout, ended, type MountedVolume, within } from '../harness/index.ts';

/** What a command came to: its value, or the errno it failed with. */
export interface Outcome {
  value?: unknown;
  errno?: string;
}

export type Reply = Record<string, unknown> & { ok: boolean; errno?: string };
export type LeaseEvent = Record<string, unknown> & { event: string; lease: number };

export interface Look {
  size: number;
  blocks: number;
  mode: number;
  gen: string;
  /** The byte of each block of 4 KiB, 'mixed' where it is not one. */
  runs: string[];
}

/** The test's side of programs/actor.py: many operations at once, in one process. */
export class Actor {
  readonly child: ChildProcess;
  /** Every event of the session so far. */
  readonly events: LeaseEvent[] = [];
  private readonly answers = new Map<number, (answer: Record<string, unknown>) => void>();
  private readonly heard = new Set<() => void>();
  private count = 0;

  constructor(volume: MountedVolume) {
    this.child = volume.start('python3', [join(checkout, 'test', 'mounted', 'programs', 'actor.py')]);
    let stderr = '';
    this.child.stderr!.on('data', (part: Buffer) => {
      stderr += part;
    });
    this.child.once('exit', () => {
      for (const answer of this.answers.values()) answer({ error: `the actor has ended: ${stderr}` });
    });
    createInterface({ input: this.child.stdout! }).on('line', (line) => {
      const object = JSON.parse(line) as Record<string, unknown>;
      if ('answer' in object) {
        this.answers.get(object.answer as number)?.(object);
        this.answers.delete(object.answer as number);
        return;
      }
      this.events.push(object as LeaseEvent);
      for (const look of [...this.heard]) look();
    });
  }

  async outcome(what: string, ...args: unknown[]): Promise<Outcome> {
    const n = this.count++;
    const answer = new Promise<Record<string, unknown>>((resolve) => this.answers.set(n, resolve));
    this.child.stdin!.write(`${JSON.stringify({ n, do: what, args })}\n`);
    const got = await within(90_000, `${what}(${JSON.stringify(args)})`, answer);
    if (got.error !== undefined) throw new Error(`${what}: ${String(got.error)}`);
    return got as Outcome;
  }

  /** A command that must succeed. */
  async do<T = unknown>(what: string, ...args: unknown[]): Promise<T> {
    const { value, errno } = await this.outcome(what, ...args);
    if (errno !== undefined) throw new Error(`${what}(${JSON.stringify(args)}): ${errno}`);
    return value as T;
  }

  look(path: string): Promise<Look> {
    return this.do<Look>('look', path);
  }

  /** A verb in a session of its own. */
  verb(line: Record<string, unknown>): Promise<Reply> {
    return this.do<Reply>('verb', line);
  }

  /** A verb in the session that holds this process's leases. */
  hold(line: Record<string, unknown>): Promise<Reply> {
    return this.do<Reply>('hold', line);
  }

  /** A verb of the holder that must succeed. */
  async must(line: Record<string, unknown>): Promise<Reply> {
    const reply = await this.hold(line);
    if (!reply.ok) throw new Error(`${JSON.stringify(line)}: ${JSON.stringify(reply)}`);
    return reply;
  }

  eventsOf(lease: number, event: string): LeaseEvent[] {
    return this.events.filter((each) => each.lease === lease && each.event === event);
  }

  /** The first event of that name and lease, also one that came before. */
  async event(lease: number, event: string, ms = 20_000): Promise<LeaseEvent> {
    const found = (): LeaseEvent | undefined => this.eventsOf(lease, event)[0];
    const now = found();
    if (now) return now;
    let look = (): void => {};
    const heard = new Promise<LeaseEvent>((resolve) => {
      look = () => {
        const event = found();
        if (event) resolve(event);
      };
      this.heard.add(look);
    });
    return within(ms, `event ${event} of lease ${lease}`, heard).finally(() => this.heard.delete(look));
  }

  async end(): Promise<void> {
    this.child.kill('SIGKILL');
    await ended(this.child, 10_000);
  }
}
