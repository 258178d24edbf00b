/**
 * Lines are handled as strings of bytes (latin1: one character, one byte), so that columns count bytes and a path
 * need not be UTF-8.
 */

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The text of a string of bytes, or undefined where it is not UTF-8. */
export function textOf(bytes: string): string | undefined {
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return undefined;
  }
}

/** The string of bytes of a text. */
export function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Undoes `\xNN` and `\\`; -1 - position of the first wrong escape when there is one. */
export function unescapeBytes(escaped: string): string | number {
  if (!escaped.includes('\\')) return escaped;
  let result = '';
  for (let at = 0; at < escaped.length; at++) {
    const c = escaped[at];
    if (c !== '\\') {
      result += c;
      continue;
    }
    if (escaped[at + 1] === '\\') {
      result += '\\';
      at += 1;
      continue;
    }
    const byte = hexByte(escaped, at + 1);
    if (byte < 0) return -1 - at;
    result += String.fromCharCode(byte);
    at += 3;
  }
  return result;
}

/** The value of `xNN` at a position, or -1. */
export function hexByte(text: string, at: number): number {
  const digits = text.slice(at + 1, at + 3);
  return text[at] === 'x' && /^[0-9a-fA-F]{2}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
}

const hex = (byte: number): string => `\\x${byte.toString(16).padStart(2, '0')}`;

/** Printable ASCII without a backslash: what stands for itself. */
const PLAIN = /^[ -[\]-~]*$/;

/** Text as `escapeBytes` of its UTF-8. */
export function escapeText(text: string): string {
  return PLAIN.test(text) ? text : escapeBytes(Buffer.from(text, 'utf8'));
}

/** Bytes as text: `\\` for a backslash, `\xNN` for what is not UTF-8 and for control characters. */
export function escapeBytes(bytes: Uint8Array): string {
  const latin1 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  if (PLAIN.test(latin1)) return latin1;
  let result = '';
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] as number;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    const text = textOf(
      Buffer.from(bytes.buffer, bytes.byteOffset + at, Math.min(length, bytes.length - at)).toString('latin1'),
    );
    if (text === undefined || first < 0x20 || first === 0x7f) {
      result += hex(first);
      at += 1;
    } else {
      result += first === 0x5c ? '\\\\' : text;
      at += length;
    }
  }
  return result;
}
