import type { Command } from './command.ts';
import { EXIT } from './exit.ts';
import { print, printJson } from './output.ts';
import { printReply } from './reply.ts';
import { Session } from './session.ts';
import { optionsOf, requestOf } from './verb.ts';

export const get: Command = {
  name: 'get',
  summary: 'take a lease and keep it until it is recalled or this command is ended',
  usage: 'PATH [OPTIONS]',
  about:
    'Events of the lease are printed as they come. At a recall the lease is given back and the command ends with 0.\n' +
    'With --bind named the lease lives on: the command ends at once, and renew and return go by its id.',
  options: optionsOf('get'),
  positionals: [1, 1],
  examples: [
    'layoutfs lease get /mnt/data --kind direct',
    'layoutfs lease get /mnt/data --bind named --name pool --secret "$SECRET"',
  ],
  async run(args) {
    const { mount, fields } = requestOf('get', args);
    using session = new Session(mount);
    const reply = await session.request({ verb: 'get', ...fields });
    if (args.json) printJson(reply);
    else printReply('get', reply);
    if (fields.bind === 'named') return EXIT.ok;
    const ends = new Promise<undefined>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve(undefined));
    });
    for (;;) {
      const event = await Promise.race([session.event(), ends]);
      if (event === undefined) break;
      if (args.json) printJson(event);
      else print(`${event.event}${event.reason === undefined ? '' : ` (${event.reason})`}${breaker(event.breaker)}`);
      if (event.lease !== reply.id) continue;
      if (event.event === 'revoked' || event.event === 'released') return EXIT.stale;
      if (event.event === 'recall') break;
    }
    await session.request({ verb: 'return', id: reply.id });
    return EXIT.ok;
  },
};

function breaker(by: { pid?: number; command?: string } | undefined): string {
  return by?.pid === undefined ? '' : ` by ${by.pid} (${by.command})`;
}
