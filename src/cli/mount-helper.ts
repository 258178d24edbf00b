import { parse as parsePath } from 'node:path';
import { OptionError, parseMountOptions, splitOptions } from '../mount/option-words.ts';
import { EXIT } from './exit.ts';
import { checkPlaces, mountDaemon } from './mount.ts';
import { remount } from './remount.ts';
import { failureOf } from './report.ts';

/** Exit codes of mount(8), which a helper has to give. */
export const MOUNT_EXIT = { OK: 0, USAGE: 1, SYSTEM: 2, BUG: 4, FAILED: 32 } as const;

const USAGE = `usage: mount.layoutfs IMAGE DIR [-sfnv] [-o OPTION,…] [-t TYPE] [-N NAMESPACE]

Called by mount(8), for lines such as these:

  mount -t layoutfs /srv/disk.img /mnt -o break=10
  /srv/disk.img  /mnt  fuse.layoutfs  noauto,x-systemd.automount,break=10  0 0     (/etc/fstab)

  -s  ignore mount options that are not known     -f  check everything, but do not mount
  -v  say what is done                            -n  (nothing is written to mtab anyway)
`;

/**
 * The helper of mount(8) for `-t layoutfs` and `-t fuse.layoutfs`. Comes back when the mount is ready.
 * Its arguments are those of mount(8)'s "external helpers", which stand after the two paths.
 */
export async function mountHelper(argv: readonly string[]): Promise<number> {
  const places: string[] = [];
  const texts: string[] = [];
  const flags = new Set<string>();
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    if (word === '--help' || word === '-h') {
      process.stdout.write(USAGE);
      return MOUNT_EXIT.OK;
    }
    if (word === '-o' || word === '-t' || word === '-N') {
      const value = argv[++i];
      if (value === undefined) return complain(`${word} needs a value\n${USAGE}`, MOUNT_EXIT.USAGE);
      if (word === '-o') texts.push(value);
      if (word === '-N') return complain('-N: other mount namespaces are not supported', MOUNT_EXIT.USAGE);
    } else if (/^-[sfnv]+$/.test(word)) for (const letter of word.slice(1)) flags.add(letter);
    else if (word.startsWith('-')) return complain(`unknown option ${word}\n${USAGE}`, MOUNT_EXIT.USAGE);
    else places.push(word);
  }
  if (places.length !== 2) return complain(USAGE, MOUNT_EXIT.USAGE);
  try {
    const words = flags.has('s') ? known(texts) : texts;
    const options = parseMountOptions(words);
    const [image, dir] = checkPlaces(sourceOf(places[0] as string), places[1] as string);
    if (flags.has('f')) return MOUNT_EXIT.OK;
    if (options.remount) remount(dir, options, words);
    else await mountDaemon(image, dir, options, words);
    if (flags.has('v')) process.stdout.write(`mount.layoutfs: ${image} mounted on ${dir}.\n`);
    return MOUNT_EXIT.OK;
  } catch (error) {
    if (error instanceof OptionError) return complain(error.message, MOUNT_EXIT.USAGE);
    const failure = failureOf(error);
    const code =
      failure.exit === EXIT.bug ? MOUNT_EXIT.BUG : failure.exit === EXIT.usage ? MOUNT_EXIT.USAGE : MOUNT_EXIT.FAILED;
    return complain(failure.exit === EXIT.bug ? (failure.stack ?? failure.message) : failure.message, code);
  }
}

/** mount(8) may hand over `layoutfs#/path`, as old lines in fstab for FUSE are written. */
function sourceOf(text: string): string {
  const hash = text.indexOf('#');
  return hash >= 0 && parsePath(text.slice(0, hash)).base === 'layoutfs' ? text.slice(hash + 1) : text;
}

/** The options that parse, for `-s`. */
function known(texts: readonly string[]): string[] {
  return texts.flatMap(splitOptions).filter((word) => {
    try {
      parseMountOptions([word.replace(/[\\,]/g, '\\$&')]);
      return true;
    } catch {
      return false;
    }
  });
}

function complain(text: string, code: number): number {
  process.stderr.write(`mount.layoutfs: ${text.trimEnd()}\n`);
  return code;
}
