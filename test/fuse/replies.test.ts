import { expect, test } from 'vitest';
import * as replies from '../../src/fuse/replies.ts';
import { decode, type StructName, sizeOf } from '../../src/fuse/structs.ts';

const bytes = Buffer.alloc(1024);
const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const AT = 16;

/** Runs a writer over garbage, and gives the fields it wrote after checking that it wrote all of the struct. */
function written(struct: StructName, writer: (at: number) => number): Record<string, number> {
  const results = [0x00, 0xff].map((garbage) => {
    bytes.fill(garbage);
    expect(writer(AT)).toBe(sizeOf(struct));
    expect(bytes[AT - 1]).toBe(garbage);
    expect(bytes[AT + sizeOf(struct)]).toBe(garbage);
    return Buffer.from(bytes.subarray(AT, AT + sizeOf(struct)));
  });
  expect(results[0].equals(results[1]), 'every byte is written').toBe(true);
  return decode(struct, view, AT);
}

const attr = {
  ino: 2 ** 52 + 3,
  mode: 0o100640,
  nlink: 3,
  uid: 1000,
  gid: 4294967294,
  rdev: 0x12345,
  size: 2 ** 52 - 1,
  blocks512: 2 ** 40 + 8,
  atimeS: -1,
  atimeNs: 1,
  mtimeS: 5_000_000_000,
  mtimeNs: 999_999_999,
  ctimeS: -(2 ** 33),
  ctimeNs: 3,
  btimeS: 77,
  btimeNs: 4,
};
const ATTR = {
  ino: attr.ino,
  size: attr.size,
  blocks: attr.blocks512,
  atime: -1,
  mtime: 5_000_000_000,
  ctime: -(2 ** 33),
  atimensec: 1,
  mtimensec: 999_999_999,
  ctimensec: 3,
  mode: 0o100640,
  nlink: 3,
  uid: 1000,
  gid: 4294967294,
  rdev: 0x12345,
  blksize: 4096,
  flags: 0,
};
const nested = Object.fromEntries(Object.entries(ATTR).map(([k, v]) => [`attr.${k}`, v]));
const timeouts = { entry: 86400, attr: 3600 };

test('attributes, entries, negative entries', () => {
  expect(written('attr', (at) => replies.putAttr(view, at, attr, 4096))).toEqual(ATTR);
  expect(written('attr_out', (at) => replies.putAttrOut(view, at, attr, timeouts, 4096))).toEqual({
    attr_valid: 3600,
    attr_valid_nsec: 0,
    ...nested,
  });
  const entry = { entry_valid: 86400, attr_valid: 3600, entry_valid_nsec: 0, attr_valid_nsec: 0, ...nested };
  expect(written('entry_out', (at) => replies.putEntry(view, at, attr, timeouts, 4096))).toEqual({
    nodeid: attr.ino,
    generation: 0,
    ...entry,
  });
  expect(written('entry_out', (at) => replies.putEntry(view, at, attr, timeouts, 4096, 9, 2 ** 40))).toEqual({
    nodeid: 9,
    generation: 2 ** 40,
    ...entry,
  });
  const none = written('entry_out', (at) => replies.putNegativeEntry(view, at, 60));
  expect(Object.entries(none).filter(([, v]) => v !== 0)).toEqual([['entry_valid', 60]]);
  expect(Object.values(written('entry_out', (at) => replies.putNoEntry(view, at))).every((v) => v === 0)).toBe(true);
});

test('statx, with device numbers taken apart', () => {
  const got = written('statx_out', (at) => replies.putStatx(view, at, attr, timeouts, 4096, 0x10, 0x70));
  expect(got).toMatchObject({
    attr_valid: 3600,
    'stat.mask': 0xfff,
    'stat.ino': attr.ino,
    'stat.size': attr.size,
    'stat.blocks': attr.blocks512,
    'stat.mode': 0o100640,
    'stat.attributes': 0x10,
    'stat.attributes_mask': 0x70,
    'stat.atime.tv_sec': -1,
    'stat.btime.tv_sec': 77,
    'stat.btime.tv_nsec': 4,
    'stat.ctime.tv_sec': -(2 ** 33),
    'stat.mtime.tv_nsec': 999_999_999,
    'stat.rdev_major': 0x123,
    'stat.rdev_minor': 0x45,
  });
});

test('the small ones', () => {
  expect(written('open_out', (at) => replies.putOpen(view, at, 2 ** 45 + 1, 0x82, 3))).toEqual({
    fh: 2 ** 45 + 1,
    open_flags: 0x82,
    backing_id: 3,
  });
  expect(written('write_out', (at) => replies.putWrite(view, at, 65536))).toEqual({ size: 65536 });
  expect(written('copy_file_range_out', (at) => replies.putCopied(view, at, 2 ** 41))).toEqual({
    bytes_copied: 2 ** 41,
  });
  expect(written('getxattr_out', (at) => replies.putXattrSize(view, at, 12))).toEqual({ size: 12 });
  expect(written('lseek_out', (at) => replies.putLseek(view, at, 2 ** 50))).toEqual({ offset: 2 ** 50 });
  expect(written('bmap_out', (at) => replies.putBmap(view, at, 5))).toEqual({ block: 5 });
  expect(written('poll_out', (at) => replies.putPoll(view, at, 0x145))).toEqual({ revents: 0x145 });
  expect(written('ioctl_out', (at) => replies.putIoctl(view, at, -7))).toEqual({
    result: -7,
    flags: 0,
    in_iovs: 0,
    out_iovs: 0,
  });
  expect(written('lk_out', (at) => replies.putLock(view, at, 5, 2 ** 33, 1, 42))).toEqual({
    'lk.start': 5,
    'lk.end': 2 ** 33,
    'lk.type': 1,
    'lk.pid': 42,
  });
  replies.putLock(view, AT, 0, Number.POSITIVE_INFINITY, 0, 0);
  expect(view.getBigUint64(AT + 8, true)).toBe(2n ** 63n - 1n); // OFFSET_MAX
  const statfs = { blocks: 2 ** 40, bfree: 9, bavail: 8, files: 7, ffree: 6, bsize: 4096, namelen: 255, frsize: 4096 };
  expect(written('statfs_out', (at) => replies.putStatfs(view, at, statfs))).toEqual(
    Object.fromEntries(Object.entries(statfs).map(([k, v]) => [`st.${k}`, v])),
  );
});

test('directory entries are padded to 8 bytes with zeros', () => {
  for (let length = 1; length <= 17; length++) {
    const name = Buffer.alloc(length, 'n');
    bytes.fill(0xff);
    const size = replies.putDirent(bytes, view, AT, 2 ** 52, 77, name, 8);
    expect(size).toBe(replies.direntSize(length));
    expect(size % 8).toBe(0);
    expect(decode('dirent', view, AT)).toEqual({ ino: 2 ** 52, off: 77, namelen: length, type: 8 });
    const tail = bytes.subarray(AT + 24, AT + size);
    expect(tail.toString('latin1')).toBe(name.toString() + '\0'.repeat(size - 24 - length));
    expect(bytes[AT + size]).toBe(0xff);
  }
});
