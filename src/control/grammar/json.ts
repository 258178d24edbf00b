import { bytesOf } from './bytes.ts';
import { Malformed, type Raw } from './raw.ts';

/** Objects in lists in an object: nothing in the grammar is deeper. */
const MAX_DEPTH = 4;
const ESCAPES: Record<string, string> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/**
 * Reads one JSON value from a string of bytes. Unlike JSON.parse it keeps the columns and bytes that are not UTF-8,
 * refuses duplicate keys and limits the depth.
 */
export function readJson(line: string): Raw {
  const reader = new Reader(line);
  const value = reader.value(0);
  reader.blanks();
  if (reader.at < line.length) throw new Malformed(reader.at + 1, 'nothing more was expected here');
  return value;
}

class Reader {
  at = 0;
  private readonly line: string;

  constructor(line: string) {
    this.line = line;
  }

  blanks(): void {
    while (this.line[this.at] === ' ' || this.line[this.at] === '\t' || this.line[this.at] === '\r') this.at++;
  }

  value(depth: number): Raw {
    this.blanks();
    const column = this.at + 1;
    const c = this.line[this.at];
    if (depth > MAX_DEPTH) throw new Malformed(column, 'nested too deeply');
    if (c === '{') return { column, value: this.object(depth) };
    if (c === '[') return { column, value: this.list(depth) };
    if (c === '"') return { column, value: this.string() };
    const word = /^[-+.0-9A-Za-z]*/.exec(this.line.slice(this.at, this.at + 40))?.[0] ?? '';
    this.at += word.length;
    if (word === 'true' || word === 'false') return { column, value: word === 'true' };
    if (word === 'null') return { column, value: null };
    if (/^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/.test(word)) return { column, value: Number(word) };
    throw new Malformed(column, word === '' && c === undefined ? 'a value is missing' : 'not a JSON value');
  }

  private expect(c: string): void {
    this.blanks();
    if (this.line[this.at] !== c) throw new Malformed(this.at + 1, `'${c}' was expected here`);
    this.at++;
  }

  /** Steps over `c` if it is next. */
  private take(c: string): boolean {
    this.blanks();
    if (this.line[this.at] !== c) return false;
    this.at++;
    return true;
  }

  private object(depth: number): Map<string, Raw> {
    const fields = new Map<string, Raw>();
    this.expect('{');
    if (this.take('}')) return fields;
    do {
      this.blanks();
      const column = this.at + 1;
      if (this.line[this.at] !== '"') throw new Malformed(column, 'a name in quotes was expected here');
      const name = this.string();
      if (fields.has(name)) throw new Malformed(column, `${name} is there twice`);
      this.expect(':');
      fields.set(name, { ...this.value(depth + 1), name: column });
    } while (this.take(','));
    this.expect('}');
    return fields;
  }

  private list(depth: number): Raw[] {
    const items: Raw[] = [];
    this.expect('[');
    if (this.take(']')) return items;
    do items.push(this.value(depth + 1));
    while (this.take(','));
    this.expect(']');
    return items;
  }

  private string(): string {
    let result = '';
    let from = ++this.at;
    for (;;) {
      const c = this.line[this.at];
      if (c === undefined) throw new Malformed(this.at + 1, 'the closing quote is missing');
      if (c < ' ') throw new Malformed(this.at + 1, 'a control character in a string');
      if (c !== '"' && c !== '\\') {
        this.at++;
        continue;
      }
      result += this.line.slice(from, this.at);
      if (c === '"') {
        this.at++;
        return result;
      }
      result += this.escape();
      from = this.at;
    }
  }

  private escape(): string {
    const column = this.at + 1;
    const c = this.line[this.at + 1] ?? '';
    if (c !== 'u') {
      const plain = ESCAPES[c];
      if (plain === undefined) throw new Malformed(column, 'not an escape of JSON');
      this.at += 2;
      return plain;
    }
    let unit = this.unit(column);
    if (unit >= 0xd800 && unit < 0xdc00 && this.line.startsWith('\\u', this.at)) {
      const low = this.unit(column);
      if (low < 0xdc00 || low > 0xdfff) throw new Malformed(column, 'half of a surrogate pair');
      unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    if (unit >= 0xd800 && unit < 0xe000) throw new Malformed(column, 'half of a surrogate pair');
    return bytesOf(String.fromCodePoint(unit));
  }

  private unit(column: number): number {
    const digits = this.line.slice(this.at + 2, this.at + 6);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new Malformed(column, '\\u needs four hexadecimal digits');
    this.at += 6;
    return Number.parseInt(digits, 16);
  }
}
