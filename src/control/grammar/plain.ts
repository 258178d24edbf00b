import { hexByte } from './bytes.ts';
import { Malformed, type Raw } from './raw.ts';

const ESCAPES: Record<string, string> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };
const isBlank = (c: string | undefined): boolean => c === ' ' || c === '\t';

/** Reads `word key=value "quoted value" flag …`: the first word, and the rest by name (a bare word is `true`). */
export function readPlain(line: string): { verb: Raw & { value: string }; fields: Map<string, Raw> } {
  let at = 0;
  const skip = (): void => {
    while (isBlank(line[at])) at++;
  };
  const name = (): string => {
    const word = /^[a-z_][a-z0-9_]*/.exec(line.slice(at, at + 64))?.[0];
    if (word === undefined)
      throw new Malformed(at + 1, at < line.length ? 'a name was expected here' : 'nothing is asked');
    at += word.length;
    return word;
  };
  skip();
  const verb = { column: at + 1, value: name() };
  const fields = new Map<string, Raw>();
  for (;;) {
    if (at < line.length && !isBlank(line[at])) throw new Malformed(at + 1, 'a blank was expected here');
    skip();
    if (at >= line.length) return { verb, fields };
    const column = at + 1;
    const key = name();
    if (fields.has(key)) throw new Malformed(column, `${key} is there twice`);
    if (line[at] !== '=') {
      fields.set(key, { column, name: column, value: true });
      continue;
    }
    at++;
    const start = at + 1;
    const [value, end] = line[at] === '"' ? quoted(line, at) : bare(line, at);
    at = end;
    fields.set(key, { column: start, name: column, value });
  }
}

function bare(line: string, from: number): [string, number] {
  let end = from;
  while (end < line.length && !isBlank(line[end])) end++;
  const word = line.slice(from, end);
  const odd = /["\x00-\x1f\x7f]/.exec(word);
  if (odd) throw new Malformed(from + odd.index + 1, 'this byte must stand in quotes, or as \\xNN');
  if (!word.includes('\\')) return [word, end];
  let value = '';
  for (let at = from; at < end; ) {
    if (line[at] !== '\\') value += line[at++];
    else {
      const [byte, length] = escapeAt(line, at);
      value += byte;
      at += length;
    }
  }
  return [value, end];
}

function quoted(line: string, from: number): [string, number] {
  let value = '';
  for (let at = from + 1; ; ) {
    const c = line[at];
    if (c === undefined) throw new Malformed(at + 1, 'the closing quote is missing');
    if (c < ' ') throw new Malformed(at + 1, 'a control character in a string');
    if (c === '"') return [value, at + 1];
    if (c !== '\\') {
      value += c;
      at++;
      continue;
    }
    const [byte, length] = escapeAt(line, at);
    value += byte;
    at += length;
  }
}

function escapeAt(line: string, at: number): [string, number] {
  const byte = hexByte(line, at + 1);
  if (byte >= 0) return [String.fromCharCode(byte), 4];
  const plain = ESCAPES[line[at + 1] ?? ''];
  if (plain === undefined) throw new Malformed(at + 1, 'not an escape: write \\\\ for a backslash, \\xNN for a byte');
  return [plain, 2];
}
