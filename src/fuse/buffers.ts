import { addressOf } from '../system/libc.ts';
import { PAGE } from './init.ts';
import type { ReplyArea } from './request.ts';

/** Bytes of fuse_out_header. */
export const HEADER = 16;

/** `size` bytes of which the byte at `offset` lies on a page boundary. */
export function aligned(size: number, offset: number): Buffer {
  const raw = Buffer.allocUnsafeSlow(size + PAGE);
  const past = (addressOf(raw) + offset) % PAGE;
  const skip = past === 0 ? 0 : PAGE - past;
  return raw.subarray(skip, skip + size);
}

/** A reply area whose payload, of `capacity` bytes, begins on a page boundary. */
export function replyArea(capacity: number): ReplyArea {
  const bytes = aligned(HEADER + capacity, HEADER);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return { bytes, view, start: HEADER, address: addressOf(bytes) + HEADER, capacity };
}

/** fuse_out_header, before the payload of `out`; the id goes back as it came in `request`, all 64 bits of it. */
export function putHeader(out: ReplyArea, request: DataView, errno: number, payload: number): void {
  const { view, start } = out;
  view.setUint32(start - 16, HEADER + payload, true);
  view.setInt32(start - 12, -errno, true);
  view.setUint32(start - 8, request.getUint32(8, true), true);
  view.setUint32(start - 4, request.getUint32(12, true), true);
}
