import { closeSync, fsyncSync, openSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { copyMetadata, restoreMetadata } from '../volume/metadata-copy.ts';
import { untilClosed } from './closing.ts';
import type { Command } from './command.ts';
import { CommandError, EXIT } from './exit.ts';
import { mountAt } from './mounts.ts';
import { print } from './output.ts';
import { interruptible, Progress } from './progress.ts';

export const backup: Command = {
  name: 'backup',
  summary: 'copy the metadata of a mounted (DIR) or unmounted (IMAGE) volume to FILE',
  usage: 'DIR|IMAGE FILE',
  about:
    'The volume may be in use. The copy brings back names, sizes and block maps, not contents: for a copy of everything,\n' +
    'freeze the mount, copy IMAGE and IMAGE.meta, and thaw it.',
  options: {},
  positionals: [2, 2],
  examples: ['layoutfs backup /mnt /srv/backup/volume.meta'],
  async run({ positionals: [from, file], json }) {
    const isMount = statSync(from as string).isDirectory();
    const image = isMount ? mountAt(from as string).source : (from as string);
    if (isMount) {
      // What was done up to now is in the copy, not only what the last group commit had.
      const fd = openSync(from as string, 'r');
      fsyncSync(fd);
      closeSync(fd);
    }
    const bar = new Progress({ label: 'backup', unit: 'pages' });
    await interruptible((signal) =>
      copyMetadata(image, file as string, (done, total) => bar.update(done, total), signal),
    ).finally(() => bar.end());
    const { size } = statSync(file as string);
    print(json ? JSON.stringify({ ok: true, file, bytes: size }) : `${file}: ${size} bytes`);
    return EXIT.ok;
  },
};

export const restore: Command = {
  name: 'restore',
  summary: 'put a copy of the metadata (FILE) back under the volume IMAGE',
  usage: 'FILE IMAGE --yes',
  about:
    'The volume must not be mounted. Files made since the copy are lost, and blocks that changed hands since then show\n' +
    'what is in them now. The metadata that is there is kept as IMAGE.meta.before-restore. Run layoutfs fsck afterwards.',
  options: { yes: { type: 'boolean', short: 'y', help: 'really do it' } },
  positionals: [2, 2],
  examples: ['layoutfs restore /srv/backup/volume.meta disk.img --yes'],
  async run({ positionals: [file, image], options, json }) {
    if (options.yes !== true) throw new CommandError('say --yes to exchange the metadata', EXIT.usage, 'EINVAL');
    await untilClosed(resolve(image as string));
    const old = restoreMetadata(file as string, image as string);
    print(json ? JSON.stringify({ ok: true, before: old }) : `restored; what was there is ${old}`);
    return EXIT.ok;
  },
};
