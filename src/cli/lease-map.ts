import type { ReplyOf } from '../control/grammar/verbs.ts';
import type { Command } from './command.ts';
import { CommandError, EXIT, usageError } from './exit.ts';
import { print } from './output.ts';
import { printReply } from './reply.ts';
import { openSession } from './session.ts';
import { optionsOf, requestOf, verbCommand } from './verb.ts';

type MapReply = ReplyOf<'map'>;
type Extent = MapReply['extents'][number];

/** Bytes of device-mapper's unit. */
const SECTOR = 512;

const plain = verbCommand('map', 'layoutfs lease');

/** `map` with all pages of the answer, and as a table that dmsetup(8) loads. */
export const map: Command = {
  ...plain,
  about:
    'Where the blocks are at this moment; under a lease (--format does not change that) they stay there.\n' +
    '--format=dm prints a table for `dmsetup create NAME`: linear for written blocks, zero for holes. It refuses unwritten\n' +
    'and shared blocks, whose bytes on the device belong to others or to nobody: prepare the file first. dmsetup wants a\n' +
    'block device: where the volume is a file, `losetup --show -f IMAGE` makes one, and --device names it.',
  options: {
    ...optionsOf('map'),
    format: { type: 'string', value: 'text|json|dm', help: 'of the output; text if not given' },
    device: { type: 'string', value: 'PATH', help: 'of the block device, for --format=dm' },
  },
  examples: [...plain.examples, 'layoutfs lease map /mnt/data --format=dm --device /dev/loop0'],
  async run(args) {
    const format = (args.options.format as string | undefined) ?? (args.json ? 'json' : 'text');
    if (!['text', 'json', 'dm'].includes(format)) throw usageError(`--format: "${format}" is none of text, json, dm`);
    const { mount, fields } = requestOf('map', args);
    await using session = await openSession(mount);
    const ask = (more: object): Promise<MapReply> => session.request('map', { ...fields, ...more } as never);
    const whole = await ask({});
    const { offset = 0, length: asked } = fields as { offset?: number; length?: number };
    const end = asked === undefined ? undefined : offset + asked;
    // A limit that was asked for is kept; else the pages are put together, as long as they are of one generation.
    while (whole.next !== null && fields.limit === undefined) {
      const length = end === undefined ? undefined : end - whole.next;
      const page = await ask({ offset: whole.next, length });
      if (page.gen !== whole.gen) throw new CommandError('the block map changed meanwhile', EXIT.stale, 'ESTALE');
      whole.extents.push(...page.extents);
      whole.next = page.next;
    }
    if (format === 'dm') print(dmTable(whole.extents, (args.options.device as string) ?? whole.device.path));
    else printReply('map', whole, format === 'json');
    return EXIT.ok;
  },
};

/** START LENGTH TARGET, in sectors; it begins at 0 wherever in the file the first extent is. */
export function dmTable(extents: readonly Extent[], device: string): string {
  const from = extents[0]?.offset ?? 0;
  return extents
    .map(({ offset, device: at, length, state }) => {
      if (state === 'unwritten' || state === 'shared')
        throw Object.assign(new Error(`${state} blocks at offset ${offset}: prepare the file first`), {
          code: 'ENXIO',
        });
      const place = `${(offset - from) / SECTOR} ${Math.ceil(length / SECTOR)}`;
      return at === null ? `${place} zero` : `${place} linear ${device} ${at / SECTOR}`;
    })
    .join('\n');
}
