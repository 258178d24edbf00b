import { textOf, unescapeBytes } from './bytes.ts';
import type { Field, Range } from './fields.ts';
import { Malformed, type Raw } from './raw.ts';

const UNITS: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
const DURATIONS: Record<string, number> = { ms: 0.001, s: 1, '': 1, m: 60, h: 3600 };

/** The value of a field, checked; throws Malformed with the column. `json`: which form it was written in. */
export function readField(name: string, field: Field<unknown>, raw: Raw, json: boolean): unknown {
  switch (field.kind) {
    case 'integer':
      return integer(name, raw, json);
    case 'size':
      return size(name, raw);
    case 'duration':
      return duration(name, raw);
    case 'path':
      return path(name, raw, json);
    case 'text':
      return condition(name, field, raw, text(name, raw));
    case 'choice':
      return condition(name, field, raw, text(name, raw));
    case 'flag':
      return flag(name, raw);
    case 'ranges':
      return ranges(name, raw);
    default:
      throw new Malformed(raw.column, `${name} cannot be asked for`);
  }
}

function wrong(name: string, raw: Raw, expected: string): Malformed {
  return new Malformed(raw.column, `${name} must be ${expected}`);
}

function integer(name: string, raw: Raw, json: boolean): number {
  const { value } = raw;
  const number = typeof value === 'string' && !json && /^[0-9]{1,16}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0)
    throw wrong(name, raw, 'a whole number');
  return number;
}

function sizeOf(word: string): number {
  const parts = /^([0-9]{1,16})([kmgtKMGT]?)$/.exec(word);
  return parts ? Number(parts[1]) * (UNITS[(parts[2] ?? '').toLowerCase()] ?? Number.NaN) : Number.NaN;
}

function size(name: string, raw: Raw): number {
  const number = typeof raw.value === 'string' ? sizeOf(raw.value) : raw.value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0)
    throw wrong(name, raw, 'a number of bytes, with k m g t for powers of 1024');
  return number;
}

function duration(name: string, raw: Raw): number {
  let seconds: unknown = raw.value;
  if (seconds === 'inf') return Number.POSITIVE_INFINITY;
  if (typeof seconds === 'string') {
    const parts = /^([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|)$/.exec(seconds);
    seconds = parts ? Number(parts[1]) * (DURATIONS[parts[2] ?? ''] ?? Number.NaN) : Number.NaN;
  }
  if (typeof seconds !== 'number' || !(seconds >= 0) || seconds > 1e12) throw wrong(name, raw, 'seconds, or inf');
  return seconds;
}

function path(name: string, raw: Raw, json: boolean): Uint8Array {
  if (typeof raw.value !== 'string' || raw.value === '') throw wrong(name, raw, 'a path');
  // The plain form has undone its escapes already; in JSON the escapes of bytes are a second layer.
  const bytes = json ? unescapeBytes(raw.value) : raw.value;
  if (typeof bytes === 'number') throw new Malformed(raw.column - bytes, 'not an escape of a path: \\\\ or \\xNN');
  if (bytes.includes('\0')) throw wrong(name, raw, 'a path without a NUL byte');
  if (bytes.length > 4095) throw wrong(name, raw, 'at most 4095 bytes');
  return Buffer.from(bytes, 'latin1');
}

function text(name: string, raw: Raw): string {
  const value = typeof raw.value === 'string' ? textOf(raw.value) : undefined;
  if (value === undefined) throw wrong(name, raw, typeof raw.value === 'string' ? 'UTF-8' : 'a text');
  return value;
}

function condition(name: string, field: Field<unknown>, raw: Raw, value: string): string {
  if (field.choices && !field.choices.includes(value)) throw wrong(name, raw, `one of ${field.choices.join(', ')}`);
  if (field.accepts && !field.accepts(value)) throw wrong(name, raw, field.expected ?? 'something else');
  return value;
}

function flag(name: string, raw: Raw): boolean {
  if (typeof raw.value === 'boolean') return raw.value;
  if (raw.value === 'yes' || raw.value === '1' || raw.value === 'true') return true;
  if (raw.value === 'no' || raw.value === '0' || raw.value === 'false') return false;
  throw wrong(name, raw, 'yes or no');
}

/** `a-b`, b excluded; `a-` to any end. */
export function readRange(name: string, raw: Raw): Range {
  const parts = typeof raw.value === 'string' ? /^([^-]+)-([^-]*)$/.exec(raw.value) : null;
  const offset = sizeOf(parts?.[1] ?? '');
  const end = parts?.[2] === '' ? null : sizeOf(parts?.[2] ?? '');
  if (!Number.isSafeInteger(offset) || (end !== null && !(Number.isSafeInteger(end) && end > offset)))
    throw wrong(name, raw, 'a range a-b of bytes with a below b, or a-');
  return { offset, length: end === null ? null : end - offset };
}

function ranges(name: string, raw: Raw): Range[] {
  if (typeof raw.value === 'string') {
    let column = raw.column;
    return raw.value.split(',').map((value) => {
      const range = readRange(name, { column, value });
      column += value.length + 1;
      return range;
    });
  }
  if (!Array.isArray(raw.value)) throw wrong(name, raw, 'a list of ranges');
  return (raw.value as readonly Raw[]).map((item) => {
    if (!(item.value instanceof Map)) throw wrong(name, item, 'a list of objects with offset and length');
    const { offset, length, ...more } = Object.fromEntries(item.value as Map<string, Raw>);
    if (!offset || Object.keys(more).length > 0) throw wrong(name, item, 'a list of objects with offset and length');
    const open = length === undefined || length.value === null;
    return { offset: size('offset', offset), length: open ? null : size('length', length) };
  });
}
