import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { errnoName } from '../../src/system/errno.ts';

/** A reply or an event, in the fixed JSON shapes of docs/control (control.md). */
export type Line = Record<string, unknown> & { ok?: boolean; event?: string; errno?: string };

/** What a request came to: errno of the write(2) itself ('' where it succeeded), and the reply. */
export interface Answer {
  wrote: string;
  reply: Line | undefined;
}

/** A session on a control file, used as any program would: open, write a line, read lines, close. */
export class Surface {
  readonly events: Line[] = [];
  private readonly fd: number;
  private text = '';
  private open = true;

  constructor(path: string) {
    this.fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  }

  /** Sends a request and takes its reply; events that come with it go to `events`. */
  ask(request: Record<string, unknown> | string): Answer {
    let wrote = '';
    try {
      writeSync(this.fd, `${typeof request === 'string' ? request : JSON.stringify(request)}\n`);
    } catch (error) {
      // libuv has no name for some (ESTALE), but their numbers.
      wrote = errnoName(-((error as NodeJS.ErrnoException).errno ?? 0));
    }
    return { wrote, reply: this.lines().find((line) => line.event === undefined) };
  }

  /** Waits for an event of that name. */
  async event(name: string, ms = 5000): Promise<Line> {
    for (const end = Date.now() + ms; Date.now() < end; await pause(10)) {
      this.lines();
      const at = this.events.findIndex((line) => line.event === name);
      if (at >= 0) return this.events.splice(at, 1)[0] as Line;
    }
    throw new Error(`no event "${name}" within ${ms} ms`);
  }

  /** Sends a line and gives the text of its first reply line, in whatever form it came. */
  say(line: string): string {
    try {
      writeSync(this.fd, `${line}\n`);
    } catch {
      // The reply says why.
    }
    return this.texts().find((text) => !text.startsWith('event ')) ?? '';
  }

  /** Whether such an event has come up to now; it is taken. Replies and events come in one order. */
  heard(name: string): boolean {
    this.lines();
    const at = this.events.findIndex((line) => line.event === name);
    if (at >= 0) this.events.splice(at, 1);
    return at >= 0;
  }

  close(): void {
    if (this.open) closeSync(this.fd);
    this.open = false;
  }

  private lines(): Line[] {
    const lines = this.texts().map(parse);
    this.events.push(...lines.filter((line) => line.event !== undefined));
    return lines;
  }

  private texts(): string[] {
    const buffer = Buffer.alloc(65_536);
    for (;;) {
      let n = 0;
      try {
        n = readSync(this.fd, buffer, 0, buffer.length, null);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      }
      if (n === 0) break;
      this.text += buffer.toString('utf8', 0, n);
    }
    const whole = this.text.split('\n');
    this.text = whole.pop() ?? '';
    return whole.filter((line) => line !== '');
  }
}

function parse(line: string): Line {
  try {
    return JSON.parse(line) as Line;
  } catch {
    // The plain form, as an answer to a line that was no JSON.
    const [word = '', second = ''] = line.split(' ');
    return word === 'ok' ? { ok: true } : word === 'event' ? { event: second } : { ok: false, errno: second };
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Another process that touches a file: whoever asks for leases must not wait for its own requests. */
export class Other {
  readonly child: ChildProcess;
  private said = '';
  private readonly ended: Promise<number | null>;

  constructor(script: string, file: string) {
    this.child = spawn('sh', ['-c', script], {
      env: { ...process.env, FILE: file, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (part: Buffer) => (this.said += part));
    this.ended = new Promise((resolve) => this.child.once('close', resolve));
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Its exit code and output. */
  async end(ms = 10_000): Promise<{ code: number | null; said: string }> {
    const late = pause(ms).then(() => {
      this.child.kill('SIGKILL');
      throw new Error(`"${this.child.spawnargs.at(-1)}" did not end within ${ms} ms`);
    });
    const code = await Promise.race([this.ended, late]);
    return { code, said: this.said };
  }
}
