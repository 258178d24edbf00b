import { describe, expect, it } from 'vitest';
import { parse } from '../../src/cli/command.ts';
import { printReply } from '../../src/cli/reply.ts';
import { optionsOf, verbCommand } from '../../src/cli/verb.ts';
import { parseRequest } from '../../src/control/grammar/parse.ts';
import { VERB_NAMES, VERBS, type Verb } from '../../src/control/grammar/verbs.ts';

describe('commands made from the grammar', () => {
  it('have an option for every field but those said by position', () => {
    for (const name of VERB_NAMES) {
      const fields = Object.keys((VERBS[name] as Verb).request);
      const options = Object.keys(optionsOf(name));
      for (const field of fields) {
        if (['path', 'ino', 'gen', 'id', 'to'].includes(field)) continue;
        expect(options).toContain(field === 'offset' || field === 'length' ? 'range' : field.replaceAll('_', '-'));
      }
    }
  });

  it('refuse what the grammar refuses, before anything is opened', async () => {
    const run = async (name: 'drain' | 'quarantine', ...argv: string[]): Promise<number> => {
      const command = verbCommand(name);
      const args = parse(command, argv);
      if (typeof args === 'symbol') throw new Error('help');
      return command.run(args);
    };
    await expect(run('drain', '--range', '5-1')).rejects.toThrow(/--range/);
    await expect(run('drain', '--wait', 'soon')).rejects.toThrow(/--wait/);
    await expect(run('quarantine', '--action', 'steal')).rejects.toThrow(/--action/);
    await expect(run('quarantine', '--lease', '-1')).rejects.toThrow(/lease/);
  });

  it('agree with the examples of the grammar', () => {
    for (const name of VERB_NAMES) expect(parseRequest(Buffer.from(VERBS[name].example))).toMatchObject({ verb: name });
  });
});

describe('printReply', () => {
  it('shows a list as a table and the fields below it', () => {
    const written: string[] = [];
    const { write } = process.stdout;
    process.stdout.write = ((text: string) => written.push(text) > 0) as typeof write;
    try {
      printReply(
        'map',
        {
          gen: 12,
          block_size: 4096,
          size: 8192,
          device: { uuid: 'u', path: '/v.img' },
          next: null,
          extents: [
            { offset: 0, device: 1_048_576, length: 4096, state: 'written' },
            { offset: 4096, device: null, length: 4096, state: 'hole' },
          ],
        },
        false,
      );
    } finally {
      process.stdout.write = write;
    }
    expect(written.join('')).toBe(
      [
        'offset   device  length  state',
        '     0  1048576    4096  written',
        '  4096        -    4096  hole',
        'gen: 12',
        'block_size: 4096',
        'size: 8192',
        'device: u /v.img',
        'next: -',
        '',
      ].join('\n'),
    );
  });
});
