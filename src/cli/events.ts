import { closeSync, constants, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { POLL } from '../system/constants.ts';
import { pollAsync } from '../system/libc.ts';
import type { Command } from './command.ts';
import { EXIT, usageError } from './exit.ts';
import { mountAt } from './mounts.ts';
import { controlPath } from './session.ts';
import { onlyMount } from './verb.ts';

/** ms of one wait: how late a signal may be noticed. */
const WAIT = 100;

export const events: Command = {
  name: 'events',
  summary: 'what happens to the leases of a mount, one JSON object a line',
  usage: '[DIR] [-f] [-n COUNT]',
  about: 'Prints what happens from now on, until Ctrl-C; what happened before is in the audit table of the metadata.',
  options: {
    follow: { type: 'boolean', short: 'f', help: 'go on, as tail(1) says it; without it the same' },
    count: { type: 'string', short: 'n', value: 'COUNT', help: 'end after so many events' },
  },
  positionals: [0, 1],
  examples: ['layoutfs events /mnt', 'layoutfs events -n 1 /mnt'],
  async run({ options, positionals }) {
    const mount = positionals[0] === undefined ? onlyMount() : mountAt(positionals[0]);
    let left = options.count === undefined ? Number.POSITIVE_INFINITY : Number(options.count);
    if (!(left >= 1)) throw usageError(`--count: "${String(options.count)}" is not a number of events`);
    const fd = openSync(controlPath(mount, 'events'), constants.O_RDONLY | constants.O_NONBLOCK);
    const buffer = Buffer.allocUnsafe(65_536);
    const decoder = new StringDecoder('utf8');
    let text = '';
    let ended = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (ended = true));
    try {
      while (!ended && left > 0) {
        const count = readSome(fd, buffer);
        if (count > 0) {
          const lines = (text + decoder.write(buffer.subarray(0, count))).split('\n');
          text = lines.pop() as string;
          for (const line of lines) if (left-- > 0) process.stdout.write(`${line}\n`);
        } else {
          const ready = await pollAsync(fd, POLL.IN, WAIT);
          if (ready > 0 && (ready & POLL.IN) === 0 && (ready & (POLL.ERR | POLL.HUP)) !== 0) return EXIT.unmounted;
        }
      }
    } finally {
      closeSync(fd);
    }
    return EXIT.ok;
  },
};

function readSome(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer, 0, buffer.length, null);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}
