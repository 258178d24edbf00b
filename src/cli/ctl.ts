import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { isFault, parseRequest } from '../control/grammar/parse.ts';
import type { Command } from './command.ts';
import { EXIT, exitOfErrno } from './exit.ts';
import { mountAt } from './mounts.ts';
import { controlPath } from './session.ts';

export const ctl: Command = {
  name: 'ctl',
  summary: 'send request lines to .layout/ctl of the mount DIR, as they are, and print the replies',
  usage: 'DIR [LINE…]',
  about: 'Without a LINE they are read from standard input. All of them go to one session, which then ends.',
  options: {},
  positionals: [1, Number.POSITIVE_INFINITY],
  examples: ["layoutfs ctl /mnt 'ls' 'why path=/data'", 'layoutfs ctl /mnt \'{"verb":"policy"}\''],
  async run({ positionals }) {
    const mount = mountAt(positionals[0] as string);
    const lines = positionals.length > 1 ? positionals.slice(1) : (await text(process.stdin)).split('\n');
    const fd = openSync(controlPath(mount, 'ctl'), constants.O_RDWR | constants.O_NONBLOCK);
    let exit: number = EXIT.ok;
    try {
      for (const line of lines.filter((each) => each.trim() !== '')) {
        try {
          writeSync(fd, `${line}\n`);
        } catch (error) {
          exit = exitOfErrno((error as NodeJS.ErrnoException).code);
        }
        if (!drain(fd)) explain(line);
      }
    } finally {
      closeSync(fd);
    }
    return exit;
  },
};

/** Prints what the handle holds; false when that is nothing. A reply is there when the write has returned. */
function drain(fd: number): boolean {
  const buffer = Buffer.allocUnsafe(65_536);
  for (let some = false; ; some = true) {
    let count = 0;
    try {
      count = readSync(fd, buffer, 0, buffer.length, null);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
    if (count === 0) return some;
    process.stdout.write(buffer.toString('utf8', 0, count));
  }
}

/** A line that got no reply at all: what our own reading of the grammar says of it. */
function explain(line: string): void {
  const request = parseRequest(Buffer.from(line));
  if (isFault(request)) process.stderr.write(`column ${request.column}: ${request.hint}\n`);
}
