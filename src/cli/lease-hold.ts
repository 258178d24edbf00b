import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { LayoutEvent, Lease, Session } from '../client/index.ts';
import type { Arguments, Command } from './command.ts';
import { CommandError, EXIT, usageError } from './exit.ts';
import { failureOf } from './report.ts';
import { openSession } from './session.ts';
import { optionsOf, requestOf } from './verb.ts';

/** An environment variable longer than this would make execve(2) fail (MAX_ARG_STRLEN is 128 KiB). */
const MAX_EXTENTS = 96 * 1024;

const { bind: _bind, wait: _wait, name: _name, secret: _secret, ...leaseOptions } = optionsOf('get');

export const hold: Command = {
  name: 'hold',
  summary: 'run COMMAND under a lease on PATH, as flock(1) does under a lock',
  usage: 'PATH [OPTIONS] -- COMMAND [ARGUMENT…]',
  about:
    'Waits for the lease, runs COMMAND with LAYOUTFS_LEASE (id), LAYOUTFS_PATH, LAYOUTFS_DEVICE (its backing file) and\n' +
    'LAYOUTFS_EXTENTS (JSON) in its environment, gives the lease back when COMMAND has ended, and ends with its exit code\n' +
    '(128 + N where signal N ended it; 126 and 127 as in sh where it can not be run).\n\n' +
    'A recall is passed on by --on-recall: `term` (default) ends COMMAND with SIGTERM; `signal` sends it --signal, and\n' +
    'leaves it to COMMAND to end in time; `ignore` lets the deadline come, after which the holder is fenced.',
  options: {
    ...leaseOptions,
    wait: {
      type: 'string',
      short: 'w',
      value: 'SECONDS',
      help: 'wait at most so long for the lease (default: without end)',
    },
    nonblock: { type: 'boolean', short: 'n', help: 'do not wait for the lease' },
    'conflict-exit-code': { type: 'string', short: 'E', value: 'N', help: 'exit code when the lease is not to be had' },
    'on-recall': { type: 'string', value: 'term|signal|ignore', help: 'what a recall does to COMMAND' },
    signal: { type: 'string', value: 'NAME', help: 'for --on-recall=signal (default USR1)' },
    'no-extents': { type: 'boolean', help: 'do not ask for the extents: the holder never learns where its blocks are' },
    verbose: { type: 'boolean', short: 'v', help: 'say on stderr what happens to the lease' },
  },
  positionals: [1, 1],
  takesCommand: true,
  examples: [
    'layoutfs lease hold /mnt/data -- sleep 60',
    'layoutfs lease hold /mnt/data --range 0-1g --wait 5 -- ./loader',
    'layoutfs lease hold /mnt/data --on-recall=signal --signal=HUP -- ./server',
  ],
  run: runUnderLease,
};

async function runUnderLease(args: Arguments): Promise<number> {
  const { options, rest } = args;
  if (rest === undefined || rest.length === 0) throw usageError('a COMMAND is missing: PATH [OPTIONS] -- COMMAND');
  const onRecall = (options['on-recall'] as string | undefined) ?? 'term';
  if (!['term', 'signal', 'ignore'].includes(onRecall))
    throw usageError(`--on-recall: "${onRecall}" is none of term, signal, ignore`);
  const signal = onRecall === 'term' ? 'SIGTERM' : signalOf((options.signal as string | undefined) ?? 'USR1');
  const conflict = conflictCode(options['conflict-exit-code'] as string | undefined);
  const say = (text: string): void => {
    if (options.verbose === true) process.stderr.write(`layoutfs lease hold: ${text}\n`);
  };
  if (options.nonblock !== true) args.options.wait ??= 'inf';
  const { mount, fields } = requestOf('get', args);
  await using session = await openSession(mount);
  const lease = await session.get(fields as never).catch((error: unknown) => {
    const { exit, message, errno } = failureOf(error);
    if (conflict === undefined || ![EXIT.busy, EXIT.immutable, EXIT.timeout].includes(exit)) throw error;
    throw new CommandError(message, conflict, errno);
  });
  say(`lease ${lease.id} (${lease.kind}) granted`);
  const env = { ...process.env, ...(await environment(args, lease)) };
  const child = spawn(rest[0] as string, rest.slice(1), { stdio: 'inherit', env });
  const end = endOf(child);
  const restore = passSignals(child);
  void watch(session, lease.id, (event) => {
    say(
      `recalled: ${event.reason ?? 'no reason given'}${event.breaker ? ` by ${event.breaker.pid} (${event.breaker.command})` : ''}`,
    );
    if (onRecall !== 'ignore') child.kill(signal);
  });
  const code = await end;
  restore();
  await giveBack(lease, say);
  return code;
}

/** What the command learns of its lease. Asking for the extents makes the lease one with raw access (leases.md 7). */
async function environment(args: Arguments, lease: Lease): Promise<Record<string, string>> {
  const env: Record<string, string> = {
    LAYOUTFS_LEASE: String(lease.id),
    LAYOUTFS_PATH: args.positionals[0] as string,
  };
  if (args.options['no-extents'] === true) return env;
  const { device } = await lease.session.request('map', { id: lease.id, limit: 1 });
  env.LAYOUTFS_DEVICE = device.path;
  const extents = await lease.extents();
  const text = JSON.stringify(extents);
  if (text.length <= MAX_EXTENTS) env.LAYOUTFS_EXTENTS = text;
  else
    process.stderr.write(
      `layoutfs lease hold: ${extents.length} extents do not fit into the environment: use lease map\n`,
    );
  return env;
}

/** Follows the events until the session ends; that is no failure: it ends when the command has. */
async function watch(session: Session, id: number, onRecall: (event: LayoutEvent) => void): Promise<void> {
  try {
    for await (const event of session.events()) if (event.event === 'recall' && event.lease === id) onRecall(event);
  } catch (error) {
    process.stderr.write(`layoutfs lease hold: ${(error as Error).message}\n`);
  }
}

/** Not being able to give it back is no failure of the command: it was revoked meanwhile, or the mount is gone. */
async function giveBack(lease: Lease, say: (text: string) => void): Promise<void> {
  try {
    await lease.return({ cascade: true });
    say(`lease ${lease.id} returned`);
  } catch (error) {
    process.stderr.write(`layoutfs lease hold: ${(error as Error).message}\n`);
  }
}

function endOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      process.stderr.write(`layoutfs lease hold: ${error.message}\n`);
      resolve(error.code === 'ENOENT' ? 127 : 126);
    });
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal as NodeJS.Signals]));
  });
}

/** Our own end waits for the command's: what the terminal sends it gets itself, the rest is passed on. */
function passSignals(child: ChildProcess): () => void {
  const pass = (signal: NodeJS.Signals): void => {
    if (signal !== 'SIGINT') child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, pass);
  return () => {
    for (const signal of signals) process.off(signal, pass);
  };
}

function signalOf(text: string): NodeJS.Signals {
  const name = `SIG${text.toUpperCase().replace(/^SIG/, '')}`;
  if (!(name in constants.signals)) throw usageError(`--signal: there is no signal "${text}"`);
  return name as NodeJS.Signals;
}

function conflictCode(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const code = Number(text);
  if (!Number.isInteger(code) || code < 0 || code > 255)
    throw usageError(`--conflict-exit-code: "${text}" is not from 0 to 255`);
  return code;
}
