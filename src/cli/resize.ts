import { resolve } from 'node:path';
import { untilClosed } from './closing.ts';
import type { Command } from './command.ts';
import { EXIT } from './exit.ts';
import { bytes, print, printJson } from './output.ts';
import { parseSize } from './size.ts';

export const resize: Command = {
  name: 'resize',
  summary: 'make the device of a volume longer or shorter',
  usage: 'IMAGE [SIZE]',
  about:
    'The volume must not be mounted. SIZE is the new length; without it a block device is used to its end. Nothing is moved: what\n' +
    'lies beyond a shorter end is listed and the volume stays as it is (busy). Empty that range first, while it is mounted:\n' +
    'layoutfs drain DIR --range SIZE-. --json names the first twenty ranges, with their files or leases.',
  options: {},
  positionals: [1, 2],
  examples: ['layoutfs resize disk.img 8g', 'layoutfs resize disk.img 512m --json'],
  async run({ positionals: [image, size], json }) {
    const wanted = size === undefined ? undefined : parseSize(size, 'SIZE');
    await untilClosed(resolve(image as string));
    const { resizeVolume } = await import('../check/resize.ts');
    const done = resizeVolume(image as string, wanted);
    if (json) printJson({ ok: true, ...done });
    else print(`${image}: ${bytes(done.size)}, was ${bytes(done.before)}`);
    return EXIT.ok;
  },
};
