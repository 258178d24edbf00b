/**
 * Writes records to files on the mount and says on stdout which of them are durable: `name size` after each fsync that
 * came back. Record k of a file is a line of 64 bytes that holds its name and k. Runs until it is killed or a call fails.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const [folder, prefix] = process.argv.slice(2) as [string, string];

export function record(name: string, index: number): string {
  return `${`${name} ${index} `.padEnd(63, '.')}\n`;
}

try {
  for (let file = 0; ; file++) {
    const name = `${prefix}${file}`;
    const fd = openSync(join(folder, name), 'wx');
    for (let index = 0; index < 200; index += 5) {
      let text = '';
      for (let k = index; k < index + 5; k++) text += record(name, k);
      writeSync(fd, text);
      fsyncSync(fd);
      writeSync(1, `${name} ${(index + 5) * 64}\n`);
    }
    closeSync(fd);
    const dir = openSync(folder, 'r');
    fsyncSync(dir);
    closeSync(dir);
  }
} catch {
  // the daemon is gone: what was said is what counts
}
