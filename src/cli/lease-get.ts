import { writeEvent } from '../control/grammar/write.ts';
import type { Command } from './command.ts';
import { EXIT } from './exit.ts';
import { print } from './output.ts';
import { printReply } from './reply.ts';
import { openSession } from './session.ts';
import { optionsOf, requestOf } from './verb.ts';

export const get: Command = {
  name: 'get',
  summary: 'take a lease and keep it until it is recalled or this command is ended',
  usage: 'PATH [OPTIONS]',
  about:
    'Events of the lease are printed as they come. At a recall the lease is given back and the command ends with 0.\n' +
    'With --bind named the lease lives on and the command ends at once: renew goes by its id and secret, return by its id\n' +
    'and the token that get tells.',
  options: optionsOf('get'),
  positionals: [1, 1],
  examples: [
    'layoutfs lease get /mnt/data --kind direct',
    'layoutfs lease get /mnt/data --bind named --name pool --secret "$SECRET"',
  ],
  async run(args) {
    const { mount, fields } = requestOf('get', args);
    await using session = await openSession(mount);
    const granted = await session.request('get', fields as never);
    printReply('get', granted, args.json);
    if (fields.bind === 'named') return EXIT.ok;
    const ended = new Promise<{ done: true; value: undefined }>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
        process.once(signal, () => resolve({ done: true, value: undefined }));
      }
    });
    const events = session.events();
    for (;;) {
      const { done, value: event } = await Promise.race([events.next(), ended]);
      if (done || event === undefined) break;
      if (args.json) process.stdout.write(writeEvent('json', event));
      else print(`${event.event}${event.reason === undefined ? '' : ` (${event.reason})`}${breaker(event.breaker)}`);
      if (event.lease !== granted.id) continue;
      if (event.event === 'revoked' || event.event === 'released') return EXIT.stale;
      if (event.event === 'recall') break;
    }
    await session.request('return', { id: granted.id });
    return EXIT.ok;
  },
};

function breaker(by: { pid?: number; command?: string } | undefined): string {
  return by?.pid === undefined ? '' : ` by ${by.pid} (${by.command})`;
}
