import { type ChildProcess, spawn } from 'node:child_process';

export interface RunOptions {
  /** ms until the child is killed; default 30,000. */
  timeout?: number;
  cwd?: string;
  env?: Record<string, string>;
  input?: string | Buffer;
  uid?: number;
  gid?: number;
  /** Called when SIGKILL did not end the child within 2 s: it hangs in the kernel, on a mount. */
  onHang?: () => void;
}

export interface Result {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  ms: number;
}

export class RunError extends Error {
  override name = 'RunError';
  readonly result: Result;

  constructor(command: string, result: Result, why = '') {
    const end = result.signal === null ? `exit ${result.code}` : `signal ${result.signal}`;
    super(`${command}: ${end}${why} after ${result.ms} ms\n${result.stderr.slice(-4000)}${result.stdout.slice(-2000)}`);
    this.result = result;
  }
}

/**
 * Runs a command to its end and gives what it said, whatever its exit code. Never waits longer than the timeout and a
 * few seconds, even when the child can not be killed because it hangs on a mount.
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const started = Date.now();
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, LC_ALL: 'C', ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  child.stdin.on('error', () => {}); // a command that does not read its input closes it early
  child.stdin.end(options.input ?? '');
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  return new Promise((resolve, reject) => {
    let timedOut = false;
    const result = (code: number | null, signal: NodeJS.Signals | null): Result => ({
      code,
      signal,
      stdout: stdout(),
      stderr: stderr(),
      ms: Date.now() - started,
    });
    const line = [command, ...args].join(' ').slice(0, 300);
    let hang: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
      hang = setTimeout(() => {
        options.onHang?.();
        reject(new RunError(line, result(null, null), ' (timed out and can not be killed)'));
      }, 2000);
    }, options.timeout ?? 30_000);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      clearTimeout(hang);
      if (timedOut) reject(new RunError(line, result(code, signal), ' (timed out)'));
      else resolve(result(code, signal));
    });
  });
}

/** As run(), but anything but exit code 0 is an error that shows what the command said. Gives stdout. */
export async function check(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await run(command, args, options);
  if (result.code !== 0) throw new RunError([command, ...args].join(' ').slice(0, 300), result);
  return result.stdout;
}

/** A shell script under `set -eu -o pipefail`. */
export function bash(script: string, options: RunOptions = {}): Promise<string> {
  return check('bash', ['-eu', '-o', 'pipefail', '-c', script], options);
}

/** Settles as the promise does, or rejects after `ms`: for fs calls that may hang on a mount. */
export async function within<T>(ms: number, what: string, promise: Promise<T>, onTimeout?: () => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      onTimeout?.();
      reject(new Error(`${what}: not done after ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until the condition holds; asks every 5 ms. */
export async function until(what: string, ms: number, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${what}: not so after ${ms} ms`);
    await sleep(5);
  }
}

/** Waits for the end of a child. Gives its exit code, or the signal that ended it. */
export function ended(child: ChildProcess, ms: number): Promise<number | NodeJS.Signals> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  if (child.signalCode !== null) return Promise.resolve(child.signalCode);
  return within(
    ms,
    `end of process ${child.pid}`,
    new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal!))),
  );
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const parts: Buffer[] = [];
  stream.on('data', (part: Buffer) => parts.push(part));
  return () => Buffer.concat(parts).toString('utf8');
}
