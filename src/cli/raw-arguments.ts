import { readFileSync } from 'node:fs';
import { textOf } from '../control/grammar/bytes.ts';

/**
 * Node reads the command line as UTF-8 and puts U+FFFD where it is not; names on Linux are bytes. Here a byte that is
 * not part of UTF-8 becomes a lone surrogate, U+DC00 + byte, which no text holds, and `bytesOfArgument` gives it back.
 */
const ESCAPE = 0xdc00;

/** process.argv from the third on, with every byte kept. */
export function rawArguments(): string[] {
  const args = process.argv.slice(2);
  if (!args.some((arg) => arg.includes('\ufffd'))) return args;
  const all = readFileSync('/proc/self/cmdline').toString('latin1').split('\0').slice(0, -1);
  return args.length === 0 ? [] : all.slice(-args.length).map(escaped);
}

function escaped(bytes: string): string {
  const whole = textOf(bytes);
  if (whole !== undefined) return whole;
  return bytes.replace(/[\x80-\xff]+/g, escapedRun);
}

/** The longest beginning that is UTF-8, or else one escaped byte; and so on with the rest. */
function escapedRun(run: string): string {
  let result = '';
  for (let at = 0; at < run.length; ) {
    let length = Math.min(4, run.length - at);
    while (length > 0 && textOf(run.slice(at, at + length)) === undefined) length--;
    result += length > 0 ? textOf(run.slice(at, at + length)) : String.fromCharCode(ESCAPE + run.charCodeAt(at));
    at += Math.max(1, length);
  }
  return result;
}

/** The bytes that were on the command line. */
export function bytesOfArgument(text: string): Buffer {
  const parts: Buffer[] = [];
  for (const character of text) {
    const unit = character.charCodeAt(0);
    const single = character.length === 1 && unit >= ESCAPE + 0x80 && unit <= ESCAPE + 0xff;
    parts.push(single ? Buffer.from([unit - ESCAPE]) : Buffer.from(character));
  }
  return Buffer.concat(parts);
}
