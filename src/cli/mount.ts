import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { awaitTurn, isSupervised } from '../mount/inheritance.ts';
import { OptionError, parseMountOptions } from '../mount/option-words.ts';
import { type MountOptions, OPTIONS, usageOf } from '../mount/options.ts';
import { confine, NEEDED } from '../system/capabilities.ts';
import { FORMATS, LEVELS } from '../system/log.ts';
import { readinessFd, startInBackground, tellReadiness } from './background.ts';
import { untilClosed } from './closing.ts';
import type { Arguments, Command } from './command.ts';
import { CommandError, EXIT, usageError } from './exit.ts';
import { print, printJson } from './output.ts';
import { failureOf } from './report.ts';

export const mount: Command = {
  name: 'mount',
  summary: 'mount the volume IMAGE at the directory DIR',
  usage: 'IMAGE DIR [-o OPTION,…] [-f]',
  about:
    'Comes back when the mount is ready; a daemon in the background serves it until `layoutfs umount DIR` or umount(8).\n' +
    'With -f it stays in the foreground, and Ctrl-C unmounts.',
  options: {
    options: { type: 'string', short: 'o', multiple: true, value: 'OPTION,…', help: 'mount options, see below' },
    trace: { type: 'boolean', help: 'print every request and reply, as -o trace' },
    log: { type: 'string', value: 'FILE', help: 'where a daemon in the background writes its messages, as -o log=' },
    record: { type: 'string', value: 'FILE', help: 'record every request and reply, for layoutfs replay' },
    'log-level': { type: 'string', value: LEVELS.join('|'), help: 'the least serious messages, as -o log_level=' },
    'log-format': { type: 'string', value: FORMATS.join('|'), help: 'how they are written, as -o log_format=' },
    foreground: { type: 'boolean', short: 'f', help: 'stay in the foreground; messages on stderr' },
  },
  positionals: [2, 2],
  examples: [
    'layoutfs mount disk.img /mnt',
    'layoutfs mount disk.img /mnt -o break=10,commit=5',
    'layoutfs mount disk.img /mnt -f --trace',
    'layoutfs mount disk.img /mnt --record requests.rec',
    'layoutfs mount disk.img /mnt --log /var/log/disk.log --log-format json --log-level debug',
  ],
  more: () => {
    const width = 34;
    const rows = OPTIONS.map((row) => `  ${usageOf(row).padEnd(width)}  ${row.help}`);
    return ['Mount options:', ...rows].join('\n');
  },
  async run({ options, positionals, json }) {
    const texts = [...((options.options as string[] | undefined) ?? []), ...wordsOf(options)];
    const [image, dir] = placesOf(positionals[0] as string, positionals[1] as string);
    const parsed = parseOrExplain(texts);
    if (options.foreground === true) return serveHere(image, dir, parsed, texts);
    return mountInBackground(image, dir, parsed, texts, json);
  },
};

/** Options of the command that are mount options as well. */
function wordsOf(options: Arguments['options']): string[] {
  const words = options.trace === true ? ['trace'] : [];
  for (const name of ['log', 'log-level', 'log-format', 'record']) {
    const given = options[name];
    const value = name === 'record' && typeof given === 'string' ? resolve(given) : given;
    if (typeof value === 'string') words.push(`${name.replace('-', '_')}=${value.replace(/[\\,]/g, '\\$&')}`);
  }
  return words;
}

/** @throws CommandError (usage) with the list of options. */
export function parseOrExplain(texts: readonly string[]): MountOptions {
  try {
    return parseMountOptions(texts);
  } catch (error) {
    if (error instanceof OptionError) throw usageError(error.message);
    throw error;
  }
}

/** A daemon that takes a mount over must not look at it: nobody would answer but itself. Its supervisor has looked. */
function placesOf(image: string, dir: string): [string, string] {
  return isSupervised() ? [image, dir] : checkPlaces(image, dir);
}

/** Absolute paths of image and mount point, after the checks that deserve a plain answer. */
export function checkPlaces(image: string, dir: string): [string, string] {
  if (!existsSync(image)) {
    throw new CommandError(
      `${image}: there is no such volume; make one: layoutfs mkfs ${image} --size 4g`,
      EXIT.missing,
      'ENOENT',
    );
  }
  const stat = statSync(dir, { throwIfNoEntry: false });
  if (stat === undefined) throw new CommandError(`${dir}: there is no such directory`, EXIT.missing, 'ENOENT');
  if (!stat.isDirectory()) throw new CommandError(`${dir}: not a directory`, EXIT.missing, 'ENOTDIR');
  return [resolve(image), resolve(dir)];
}

/**
 * Serves the mount in the foreground until it is unmounted: in this process, or under its supervision in another one.
 * `texts`: what `options` was parsed from. Gives the exit code.
 */
export async function serveHere(
  image: string,
  dir: string,
  options: MountOptions,
  texts: readonly string[],
  onReady: () => void = () => {},
): Promise<number> {
  // The administrator's program may need any right that root has.
  confine(NEEDED, options.fenceCommand === undefined);
  if (isSupervised()) {
    // Everything is loaded before the turn comes: a mount may be standing still then.
    const { serve } = await import('../mount/daemon.ts');
    const inherited = awaitTurn();
    return inherited === undefined
      ? EXIT.ok
      : tellingReadiness((ready) => serve({ image, dir, options, ready, inherited }));
  }
  if (options.readOnly && !options.noRecovery) await settle(image);
  // Requests that come by way of fuse-native can not be taken over, and a recording is of one daemon.
  if (!options.supervise || options.transport !== 'kernel' || options.record !== undefined) {
    const { serve } = await import('../mount/daemon.ts');
    return tellingReadiness((ready) =>
      serve({
        image,
        dir,
        options,
        ready: () => {
          ready();
          onReady();
        },
      }),
    );
  }
  const { supervise } = await import('../mount/supervisor.ts');
  const { logOf } = await import('../mount/messages.ts');
  return tellingReadiness(() =>
    supervise({
      image,
      command: ['mount', '-f', ...texts.flatMap((text) => ['-o', text]), image, dir],
      readOnly: options.readOnly,
      readyFd: readinessFd(),
      onServing: onReady,
      log: logOf(options).of('supervisor'),
    }),
  );
}

/** Before anybody, a supervisor too, has the volume open for reading. */
async function settle(image: string): Promise<void> {
  const { settleForReading } = await import('../volume/settle.ts');
  await tellingReadiness(async () => {
    settleForReading(image);
    return EXIT.ok;
  });
}

async function tellingReadiness(serving: (ready: () => void) => Promise<number>): Promise<number> {
  try {
    return await serving(() => tellReadiness({ ok: true, pid: process.pid }));
  } catch (error) {
    tellReadiness({ ok: false, ...failureOf(error) });
    throw error;
  }
}

async function mountInBackground(
  image: string,
  dir: string,
  options: MountOptions,
  texts: readonly string[],
  json: boolean,
): Promise<number> {
  const state = await mountDaemon(image, dir, options, texts);
  if (json) printJson({ ok: true, image, dir, pid: state.pid });
  else if (options.logLevel === 'debug' || options.logLevel === 'trace')
    print(`${image} is mounted at ${dir}, daemon ${state.pid}`);
  return EXIT.ok;
}

/** Mounts by a daemon of its own. Comes back when the mount is ready, or throws what the daemon said. */
export async function mountDaemon(
  image: string,
  dir: string,
  options: MountOptions,
  texts: readonly string[],
): Promise<{ pid: number }> {
  await untilClosed(image);
  const words = texts.flatMap((text) => ['-o', text]);
  const state = await startInBackground(['mount', '-f', ...words, image, dir], options.log ?? `${image}.log`);
  if (!state.ok) throw new CommandError(state.message, state.exit, state.errno);
  return { pid: state.pid };
}
