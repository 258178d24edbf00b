import { resolve } from 'node:path';
import { untilClosed } from './closing.ts';
import type { Command } from './command.ts';
import { EXIT, usageError } from './exit.ts';
import { bytes, print, printJson } from './output.ts';
import { parseSize } from './size.ts';

const MIN_BLOCK = 4096;
const MAX_BLOCK = 2 * 2 ** 20;

export const mkfs: Command = {
  name: 'mkfs',
  summary: 'make a volume: the device IMAGE and its metadata IMAGE.meta',
  usage: 'IMAGE --size BYTES [--block-size BYTES] [--label TEXT] [--force]',
  about:
    'IMAGE is a file, made sparse if it is not there, or a block device. An existing volume is kept unless --force is\n' +
    'given; a mounted one is always refused. The metadata lies beside IMAGE: for a block device say the path of a symbolic\n' +
    'link to it in a folder that lasts (ln -s /dev/sdb /srv/volume), there as in mount; /dev is in memory, and is refused.',
  options: {
    size: { type: 'string', short: 's', value: 'BYTES', help: 'length of the device; k, m, g, t are powers of 1024' },
    'block-size': { type: 'string', short: 'b', value: 'BYTES', help: 'a power of two from 4096 to 2m (default 4096)' },
    label: { type: 'string', short: 'L', value: 'TEXT', help: 'a name for the volume' },
    force: { type: 'boolean', short: 'f', help: 'overwrite a volume that is there' },
  },
  positionals: [1, 1],
  examples: [
    'layoutfs mkfs disk.img --size 4g',
    'layoutfs mkfs big.img --size 2t --block-size 64k --label models --force',
  ],
  async run({ options, positionals, json }) {
    const path = positionals[0] as string;
    const size = options.size === undefined ? undefined : parseSize(options.size as string, '--size');
    const blockSize =
      options['block-size'] === undefined ? MIN_BLOCK : parseSize(options['block-size'] as string, '--block-size');
    if (blockSize < MIN_BLOCK || blockSize > MAX_BLOCK || (blockSize & (blockSize - 1)) !== 0) {
      throw usageError(`--block-size: ${blockSize} is not a power of two from 4096 to 2m`);
    }
    if (options.force === true) await untilClosed(resolve(path));
    const { makeVolume } = await import('./volume.ts');
    const made = await makeVolume(path, {
      size,
      blockSize,
      label: (options.label as string | undefined) ?? '',
      force: options.force === true,
    });
    if (json) printJson({ ok: true, ...made });
    else print(`${made.image}: ${bytes(made.size)}, blocks of ${bytes(made.blockSize)}, UUID ${made.uuid}`);
    return EXIT.ok;
  },
};
