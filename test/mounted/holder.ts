import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { checkout, ended, type MountedVolume, within } from '../harness/index.ts';

export interface Event {
  event: string;
  lease?: number;
  seq?: number;
  reason?: string;
  target?: string;
  deadline_ms?: number | null;
  offset?: number;
  length?: number | null;
  breaker?: { pid: number; command: string; operation: string };
  /** When this process saw it (performance.now(), ms). */
  seen: number;
}

export interface Extent {
  offset: number;
  device: number;
  length: number;
  state: string;
}

type Reply = Record<string, unknown> & { ok: boolean; errno?: string };

/** The test's side of programs/holder.ts: a holder in a process of its own, so that it can hang, be stopped and killed. */
export class Holder {
  readonly child: ChildProcess;
  readonly events: Event[] = [];
  private readonly answers = new Map<number, (answer: Record<string, unknown>) => void>();
  private readonly waiting: ((event: Event) => void)[] = [];
  private count = 0;

  private constructor(volume: MountedVolume) {
    const program = join(checkout, 'test', 'mounted', 'programs', 'holder.ts');
    this.child = volume.start(process.execPath, ['--import', 'tsx', program]);
    let stderr = '';
    this.child.stderr!.on('data', (part: Buffer) => {
      stderr += part;
    });
    this.child.once('exit', () => {
      for (const answer of this.answers.values()) answer({ error: `the holder has ended: ${stderr}` });
    });
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.hear(JSON.parse(line)));
  }

  /** A holder with an open session. */
  static async open(volume: MountedVolume): Promise<Holder> {
    const holder = new Holder(volume);
    await holder.ask('open', { path: join(volume.dir, '.layout', 'ctl') });
    return holder;
  }

  async ask(what: string, fields: Record<string, unknown> = {}, ms = 30_000): Promise<Record<string, unknown>> {
    const n = this.count++;
    const answer = new Promise<Record<string, unknown>>((resolve) => this.answers.set(n, resolve));
    this.child.stdin!.write(`${JSON.stringify({ n, do: what, ...fields })}\n`);
    const got = await within(ms, `answer of the holder to ${what}`, answer);
    if (got.error !== undefined) throw new Error(`holder: ${what}: ${String(got.error)}`);
    return got;
  }

  /** A request on the session; the reply, refusals included. */
  async request(line: Record<string, unknown> & { verb: string }): Promise<Reply & { writeErrno: string | null }> {
    const { reply, writeErrno } = await this.ask('request', { line });
    return { ...(reply as Reply), writeErrno: writeErrno as string | null };
  }

  /** A request that must be granted. */
  async must(line: Record<string, unknown> & { verb: string }): Promise<Reply> {
    const reply = await this.request(line);
    if (!reply.ok) throw new Error(`${line.verb}: refused: ${JSON.stringify(reply)}`);
    return reply;
  }

  /** Takes a lease and gives its id with its extents, all pages of `map`. */
  async take(
    path: string,
    fields: Record<string, unknown> = {},
  ): Promise<{ id: number; extents: Extent[]; device: string }> {
    const { id } = await this.must({ verb: 'get', path, kind: 'direct', ...fields });
    const extents: Extent[] = [];
    let device = '';
    for (let offset: number | null = 0; offset !== null; ) {
      const page: Reply = await this.must({ verb: 'map', id, offset });
      extents.push(...(page.extents as Extent[]));
      device = (page.device as { path: string }).path;
      offset = page.next as number | null;
    }
    return { id: id as number, extents, device };
  }

  /** The next event with this name, also one that came before. */
  async event(name: string, ms = 10_000): Promise<Event> {
    const end = performance.now() + ms;
    for (;;) {
      const at = this.events.findIndex((event) => event.event === name);
      if (at >= 0) return this.events.splice(at, 1)[0] as Event;
      const next = new Promise<Event>((resolve) => this.waiting.push(resolve));
      await within(end - performance.now(), `event ${name}`, next);
    }
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await ended(this.child, 10_000);
  }

  private hear(object: Record<string, unknown>): void {
    if ('answer' in object) {
      this.answers.get(object.answer as number)?.(object);
      this.answers.delete(object.answer as number);
      return;
    }
    const event = { ...(object as unknown as Event), seen: performance.now() };
    this.events.push(event);
    for (const waiting of this.waiting.splice(0)) waiting(event);
  }
}
