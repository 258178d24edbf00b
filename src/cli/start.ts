import { existsSync, mkdirSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Command } from './command.ts';
import { parseOrExplain, serveHere } from './mount.ts';
import { print } from './output.ts';
import { makeVolume } from './volume.ts';

const SIZE = 4 * 2 ** 30;

/** What `npm start` runs. */
export const start: Command = {
  name: 'start',
  summary: 'try it: make a volume if there is none, mount it in the foreground, and say what to type next',
  usage: '[IMAGE [DIR]] [-o OPTION,…]',
  about: 'IMAGE is ./layoutfs.img and DIR is ./mnt where they are not given. A new volume has 4 GiB, sparse.',
  options: { options: { type: 'string', short: 'o', multiple: true, value: 'OPTION,…', help: 'mount options' } },
  positionals: [0, 2],
  examples: ['layoutfs start', 'layoutfs start /srv/try.img /mnt -o break=10'],
  async run({ options, positionals }) {
    const image = resolve(positionals[0] ?? 'layoutfs.img');
    const dir = resolve(positionals[1] ?? 'mnt');
    const texts = (options.options as string[] | undefined) ?? [];
    const parsed = parseOrExplain(texts);
    if (!existsSync(image)) {
      await makeVolume(image, { size: SIZE, blockSize: 4096, label: '', force: false });
      print(`made ${here(image)} (4 GiB, sparse) and ${here(image)}.meta`);
    }
    mkdirSync(dir, { recursive: true });
    return serveHere(image, dir, parsed, texts, () => print(whatNext(here(image), here(dir))));
  },
};

function here(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : `./${short}`;
}

/** The commands are those of the README, which a test runs. */
function whatNext(image: string, dir: string): string {
  return `
${image} is mounted at ${dir}. Ctrl-C here unmounts it. In another terminal:

  cp -a /usr/share/doc ${dir}/                          # it is an ordinary filesystem
  fallocate -l 256M ${dir}/data && npx layoutfs prepare ${dir}/data
  npx layoutfs lease hold ${dir}/data -- sleep 60 &      # nobody moves its blocks now
  npx layoutfs lease map ${dir}/data                     # where they are
  echo more >> ${dir}/data                               # Text file busy
  npx layoutfs why ${dir}/data shrink                    # who, until when
  npx layoutfs status ${dir}
`;
}
