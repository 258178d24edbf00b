/** What stands after `-o`, read by the table of options. */
import { defaultMountOptions, type MountOptions, OPTIONS, type OptionRow, usageOf } from './options.ts';

/**
 * For fstab, mount(8), systemd and the FUSE tools; nothing here concerns the daemon. `fsname=` too: the source of a mount is
 * always the image's absolute path, by which `layoutfs umount` finds the volume that it waits for.
 */
const IGNORED = new Set(
  'defaults auto noauto user nouser users owner group nofail _netdev loud silent mand nomand iversion noiversion lazytime nolazytime diratime nodiratime norelatime nostrictatime dev_t nonempty acl user_xattr'.split(
    ' ',
  ),
);
const IGNORED_PREFIX = /^(x-|X-|comment=|fsname=|subtype=|uhelper=|helper=)/;
/** What the kernel shows of a FUSE mount, and mount(8) therefore repeats in a remount. */
const KERNELS_OWN = /^(fd|rootmode|user_id|group_id|max_read|blksize)=/;

export class OptionError extends Error {
  override name = 'OptionError';
}

/**
 * Splits at commas; a backslash takes the next character as it is (a comma in a file name), as libfuse does.
 */
export function splitOptions(text: string): string[] {
  const words: string[] = [];
  let word = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\\' && i + 1 < text.length) word += text[++i];
    else if (c === ',') {
      if (word !== '') words.push(word);
      word = '';
    } else word += c;
  }
  if (word !== '') words.push(word);
  return words;
}

/**
 * Parses what stands after `-o` (several `-o` are joined in order; the last word of one option wins).
 * @throws OptionError with a message for the user: unknown option, missing or bad value.
 */
export function parseMountOptions(texts: string | readonly string[], base = defaultMountOptions()): MountOptions {
  const options = { ...base };
  for (const text of typeof texts === 'string' ? [texts] : texts) {
    for (const word of splitOptions(text)) applyOption(options, word);
  }
  if (options.breakTime > options.breakMax) options.breakMax = options.breakTime;
  return options;
}

function applyOption(options: MountOptions, word: string): void {
  if (IGNORED.has(word) || IGNORED_PREFIX.test(word) || KERNELS_OWN.test(word)) return;
  const equals = word.indexOf('=');
  const name = equals < 0 ? word : word.slice(0, equals);
  const row = OPTIONS.find((each) => each.name === name);
  if (row === undefined) throw new OptionError(`unknown mount option "${name}". Known: ${optionNames()}`);
  if (row.type === 'flag') {
    if (equals >= 0) throw new OptionError(`mount option "${name}" takes no value`);
    set(options, row.field, row.sets ?? true);
    return;
  }
  if (equals < 0 || equals === word.length - 1)
    throw new OptionError(`mount option "${name}" needs a value: ${usageOf(row)}`);
  set(options, row.field, readValue(row, word.slice(equals + 1)));
}

function set(options: MountOptions, field: keyof MountOptions, value: unknown): void {
  (options as unknown as Record<string, unknown>)[field] = value;
}

function readValue(row: OptionRow, text: string): string | number | undefined {
  if (row.none && text === 'none') return undefined;
  switch (row.type) {
    case 'word':
      if (!row.words!.includes(text)) throw bad(row, text);
      return text;
    case 'text':
      if (
        row.field === 'ctl' &&
        (text.includes('/') || text === '.' || text === '..' || Buffer.byteLength(text) > 255)
      ) {
        throw new OptionError(`mount option "ctl": "${text}" can not be a file name`);
      }
      return text;
    default: {
      if (row.infinite && text === 'inf') return Number.POSITIVE_INFINITY;
      const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
      const whole = row.type === 'seconds' || Number.isSafeInteger(number);
      if (
        !Number.isFinite(number) ||
        !whole ||
        number < (row.min ?? 0) ||
        number > (row.max ?? Number.MAX_SAFE_INTEGER)
      ) {
        throw bad(row, text);
      }
      return number;
    }
  }
}

function bad(row: OptionRow, text: string): OptionError {
  return new OptionError(`mount option "${row.name}": "${text}" is not allowed: ${usageOf(row)}`);
}

function optionNames(): string {
  return OPTIONS.map((row) => (row.type === 'flag' ? row.name : `${row.name}=`)).join(' ');
}
