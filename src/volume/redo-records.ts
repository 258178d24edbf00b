import type { Value } from './database.ts';

/**
 * Records of the redo log (redo.ts): a kind byte, then
 *   DEFINE  number u16, length u32, SQL text
 *   RUN     number u16, count u8, values: a tag byte and f64, or u32 length and bytes
 *   ANSWER  unique f64, high bits u32, length u32, reply bytes
 * Little-endian, unaligned. Kind 0 is padding to the end of the frame.
 */
export const KIND = { END: 0, DEFINE: 1, RUN: 2, ANSWER: 3 } as const;
const TAG = { NULL: 0, NUMBER: 1, TEXT: 2, BYTES: 3 } as const;

/** Kept free behind every record, so that fixed-size parts need no check of their own (32 values of 9 bytes). */
export const MARGIN = 512;

export function encodeDefinition(bytes: Buffer, view: DataView, at: number, number: number, sql: string): number {
  view.setUint8(at, KIND.DEFINE);
  view.setUint16(at + 1, number, true);
  const length = bytes.write(sql, at + 7, 'utf8');
  view.setUint32(at + 3, length, true);
  return at + 7 + length;
}

/** Position after the record, or -1 when it would pass `limit`. */
export function encodeRun(
  bytes: Buffer,
  view: DataView,
  start: number,
  limit: number,
  number: number,
  args: readonly Value[],
): number {
  let at = start;
  if (at > limit) return -1;
  const count = args.length;
  view.setUint8(at, KIND.RUN);
  view.setUint16(at + 1, number, true);
  view.setUint8(at + 3, count);
  at += 4;
  for (let i = 0; i < count; i++) {
    const value = args[i];
    if (typeof value === 'number') {
      view.setUint8(at, TAG.NUMBER);
      view.setFloat64(at + 1, value, true);
      at += 9;
    } else if (value === null) {
      view.setUint8(at++, TAG.NULL);
    } else if (typeof value === 'string') {
      if (at + 5 + value.length * 3 > limit) return -1;
      const length = bytes.write(value, at + 5, 'utf8');
      view.setUint8(at, TAG.TEXT);
      view.setUint32(at + 1, length, true);
      at += 5 + length;
    } else {
      const length = value.length;
      if (at + 5 + length > limit) return -1;
      view.setUint8(at, TAG.BYTES);
      view.setUint32(at + 1, length, true);
      bytes.set(value, at + 5);
      at += 5 + length;
    }
  }
  return at;
}

export function answerSize(reply: Uint8Array): number {
  return 17 + reply.length;
}

export function encodeAnswer(
  bytes: Buffer,
  view: DataView,
  at: number,
  unique: number,
  uniqueHigh: number,
  reply: Uint8Array,
): number {
  view.setUint8(at, KIND.ANSWER);
  view.setFloat64(at + 1, unique, true);
  view.setUint32(at + 9, uniqueHigh, true);
  view.setUint32(at + 13, reply.length, true);
  bytes.set(reply, at + 17);
  return at + 17 + reply.length;
}

/** What the records of a frame say, in order. A malformed record throws RangeError. */
export interface RecordSink {
  define(number: number, sql: string): void;
  run(number: number, args: Value[]): void;
  answer(unique: number, uniqueHigh: number, reply: Buffer): void;
}

export function decodeRecords(bytes: Buffer, sink: RecordSink): void {
  let at = 0;
  while (at < bytes.length) {
    const kind = bytes[at];
    if (kind === KIND.END) return;
    if (kind === KIND.DEFINE) {
      const end = at + 7 + bytes.readUInt32LE(at + 3);
      sink.define(bytes.readUInt16LE(at + 1), bytes.toString('utf8', at + 7, end));
      at = end;
    } else if (kind === KIND.RUN) {
      at = decodeRun(bytes, at, sink);
    } else if (kind === KIND.ANSWER) {
      const end = at + 17 + bytes.readUInt32LE(at + 13);
      sink.answer(bytes.readDoubleLE(at + 1), bytes.readUInt32LE(at + 9), Buffer.from(bytes.subarray(at + 17, end)));
      at = end;
    } else {
      throw new RangeError(`redo record of kind ${kind}`);
    }
  }
}

function decodeRun(bytes: Buffer, start: number, sink: RecordSink): number {
  const number = bytes.readUInt16LE(start + 1);
  const count = bytes[start + 3];
  const args: Value[] = [];
  let at = start + 4;
  for (let i = 0; i < count; i++) {
    const tag = bytes[at++];
    if (tag === TAG.NULL) args.push(null);
    else if (tag === TAG.NUMBER) {
      args.push(bytes.readDoubleLE(at));
      at += 8;
    } else {
      const end = at + 4 + bytes.readUInt32LE(at);
      if (end > bytes.length || tag > TAG.BYTES) throw new RangeError('redo value');
      args.push(tag === TAG.TEXT ? bytes.toString('utf8', at + 4, end) : Buffer.from(bytes.subarray(at + 4, end)));
      at = end;
    }
  }
  sink.run(number, args);
  return at;
}
