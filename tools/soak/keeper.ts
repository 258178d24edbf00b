/**
 * Keeps files whose contents it knows, and complains of the first byte that is not what it wrote:
 * keeper.ts FOLDER LEDGER STOPFILE SEED. Replaces them whole (write, fsync, rename), overwrites and appends in place,
 * removes them, reads them back. Once STOPFILE is there it checks all and writes their SHA-256 to LEDGER, in the form of sha256sum(1).
 * A full volume is no failure: then a file stays what it was.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { generator } from '../../test/harness/random.ts';

const [folder, ledger, stop, seed] = process.argv.slice(2) as [string, string, string, string];
const FILES = 48;
const LARGEST = 256 * 1024;
/** Between two operations, ms: it is to be there for long, not to be fast. */
const PAUSE = 5;

const random = generator(Number(seed));
const below = (n: number): number => Math.floor(random() * n);
const files = new Map<string, Buffer>();
const done = { replaced: 0, overwritten: 0, appended: 0, removed: 0, verified: 0, full: 0 };

function bytes(length: number): Buffer {
  const made = Buffer.allocUnsafe(length);
  let word = below(2 ** 31) | 1;
  for (let at = 0; at < length; at++) {
    word = (Math.imul(word, 1103515245) + 12345) | 0;
    made[at] = word >>> 16;
  }
  return made;
}

/** False: there is no space, and whoever asked has to see to it that nothing has changed. */
function withSpace(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    done.full++;
    return false;
  }
}

function writeAll(fd: number, data: Buffer, at: number): void {
  for (let put = 0; put < data.length; ) put += writeSync(fd, data, put, data.length - put, at + put);
}

function replace(name: string): void {
  const path = join(folder, name);
  const data = bytes(below(LARGEST));
  const wrote = withSpace(() => {
    const fd = openSync(`${path}.new`, 'w');
    try {
      writeAll(fd, data, 0);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(`${path}.new`, path);
  });
  if (!wrote) return rmSync(`${path}.new`, { force: true });
  files.set(name, data);
  done.replaced++;
}

/** Blocks that are there and nobody else's: this needs no space. */
function overwrite(name: string, old: Buffer): void {
  if (old.length === 0) return;
  const at = below(old.length);
  const data = bytes(Math.min(old.length - at, 1 + below(32 * 1024)));
  const fd = openSync(join(folder, name), 'r+');
  try {
    writeAll(fd, data, at);
    if (below(4) === 0) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  data.copy(old, at);
  done.overwritten++;
}

function append(name: string, old: Buffer): void {
  const data = bytes(1 + below(32 * 1024));
  const fd = openSync(join(folder, name), 'r+');
  try {
    if (!withSpace(() => writeAll(fd, data, old.length))) return ftruncateSync(fd, old.length);
    files.set(name, Buffer.concat([old, data]));
    done.appended++;
  } finally {
    closeSync(fd);
  }
}

function verify(name: string, expected: Buffer): void {
  const found = readFileSync(join(folder, name));
  done.verified++;
  if (found.equals(expected)) return;
  let at = 0;
  while (at < Math.min(found.length, expected.length) && found[at] === expected[at]) at++;
  throw new Error(`${name}: ${found.length} bytes, expected ${expected.length}; they differ at ${at}`);
}

function step(): void {
  const name = `k${below(FILES)}`;
  const old = files.get(name);
  if (old === undefined || old.length > LARGEST) return replace(name);
  switch (below(8)) {
    case 0:
    case 1:
      return replace(name);
    case 2:
    case 3:
      return overwrite(name, old);
    case 4:
      return append(name, old);
    case 5:
      // Half of them stay, else a volume that is full most of the time is left without any.
      if (files.size <= FILES / 2 || below(4) > 0) return;
      rmSync(join(folder, name));
      files.delete(name);
      done.removed++;
      return;
    default:
      return verify(name, old);
  }
}

while (!existsSync(stop)) {
  step();
  await new Promise((resolve) => setTimeout(resolve, PAUSE));
}
for (const [name, expected] of files) verify(name, expected);
const sums = [...files].map(([name, data]) => `${createHash('sha256').update(data).digest('hex')}  ${name}\n`);
writeFileSync(ledger, sums.sort().join(''));
console.log(`kept ${files.size} files: ${JSON.stringify(done)}`);
