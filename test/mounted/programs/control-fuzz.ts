/**
 * Sends malformed and random lines to `.layout/ctl` and counts the answers, as one JSON object on stdout. A line that is
 * no request must fail its write(2) with an errno that says so, and leave a reply with the same errno on the handle.
 */
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { generator } from '../../harness/random.ts';

const [path, countText, seedText] = process.argv.slice(2) as [string, string, string];
const random = generator(Number(seedText));
const below = (n: number): number => Math.floor(random() * n);
const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;

const WORDS =
  'get return map ls why break commit prepare seal frob path=/x kind=direct kind=frob range=0-1g range=5-1 id=7 id=-1 seq=1 wait=0 {} [] {"verb": "verb":"get" \\xZZ "'.split(
    ' ',
  );

/** Shapes of nonsense: random bytes, random words, requests cut off, nested JSON, lines that are too long. */
function nonsense(): Buffer {
  switch (below(6)) {
    case 0:
      return Buffer.from(
        Array.from({ length: 1 + below(60) }, () => below(256)).map((byte) => (byte === 10 ? 11 : byte)),
      );
    case 1:
      return Buffer.from(Array.from({ length: 1 + below(6) }, () => pick(WORDS)).join(' '));
    case 2:
      return Buffer.from('{"verb":"get","path":"/nothing/here","kind":"direct","offset":0}'.slice(0, 1 + below(60)));
    case 3:
      return Buffer.from(`${'['.repeat(1 + below(200))}${'{"verb":'.repeat(below(10))}`);
    case 4:
      return Buffer.from(
        `get path="/${'\\x41'.repeat(below(8))}" range=${below(9)}-${below(9)} kind=${pick(['direct', '', '=', '"'])}`,
      );
    default:
      return Buffer.from(`map id=${'9'.repeat(1 + below(30))} ${random() < 0.001 ? 'x'.repeat(70_000) : ''}`);
  }
}

const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
const buffer = Buffer.allocUnsafe(1 << 20);
const errnos: Record<string, number> = {};
let silent = 0;
let accepted = 0;
for (let i = 0; i < Number(countText); i++) {
  const line = Buffer.concat([nonsense(), Buffer.from('\n')]);
  let errno = '';
  try {
    writeSync(fd, line);
    accepted++;
  } catch (error) {
    errno = (error as NodeJS.ErrnoException).code ?? 'unknown';
    errnos[errno] = (errnos[errno] ?? 0) + 1;
  }
  let text = '';
  try {
    text = buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, null));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
  }
  if (errno !== '' && !text.includes(errno)) silent++;
}
closeSync(fd);
process.stdout.write(`${JSON.stringify({ errnos, silent, accepted })}\n`);
