import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEV_IOC, FATTR, FOPEN, INIT_FLAG_BITS, NOTIFY, OP } from '../../src/fuse/protocol.ts';
import { decode, encode, getI64, getU64, put64, STRUCTS, type StructName, sizeOf } from '../../src/fuse/structs.ts';
import { hasTool } from '../harness/index.ts';

const HEADER = '/usr/include/linux/fuse.h';
const why = !hasTool('cc') ? 'needs cc' : !existsSync(HEADER) ? `needs ${HEADER}` : undefined;

/** Says for each struct of the machine's header its size, and for each field that it has the offset and width. */
function askCompiler(): Map<string, number> {
  const header = readFileSync(HEADER, 'utf8');
  const prints: string[] = [];
  for (const { name, fields } of Object.values(STRUCTS)) {
    const body = new RegExp(`struct fuse_${name} \\{([^}]*)\\}`).exec(header)?.[1];
    if (!body) continue;
    prints.push(`printf("${name} %zu\\n", sizeof(struct fuse_${name}));`);
    for (const field of fields) {
      if (!new RegExp(`\\b${field.name.split('.')[0]}\\b`).test(body)) continue;
      const of = `struct fuse_${name}`;
      prints.push(`printf("${name}.${field.name} %zu\\n", offsetof(${of}, ${field.name}));`);
      prints.push(`printf("${name}.${field.name}: %zu\\n", sizeof(((${of} *)0)->${field.name}));`);
    }
  }
  const constants = [
    ...Object.entries(OP).map(([k, v]) => [`FUSE_${k}`, v]),
    ...Object.entries(NOTIFY).map(([k, v]) => [`FUSE_NOTIFY_${k}`, v]),
    ...Object.entries(FATTR).map(([k, v]) => [`FATTR_${k}`, v]),
    ...Object.entries(FOPEN).map(([k, v]) => [`FOPEN_${k}`, v]),
    ...Object.entries(INIT_FLAG_BITS).map(([k, v]) => [`FUSE_${k}`, 2 ** v]),
    ...Object.entries(DEV_IOC).map(([k, v]) => [`FUSE_DEV_IOC_${k}`, v]),
  ] as [string, number][];
  for (const [name] of constants) {
    if (new RegExp(`\\b${name}\\b`).test(header))
      prints.push(`printf("=${name} %llu\\n", (unsigned long long)${name});`);
  }
  const dir = mkdtempSync(join(tmpdir(), 'layoutfs-structs-'));
  try {
    const includes = ['stdio.h', 'stddef.h', 'stdint.h', 'sys/ioctl.h', 'linux/fuse.h'].map((h) => `#include <${h}>`);
    writeFileSync(join(dir, 'a.c'), `${includes.join('\n')}\nint main(void) {\n${prints.join('\n')}\nreturn 0; }\n`);
    execFileSync('cc', ['-o', join(dir, 'a'), join(dir, 'a.c')]);
    const lines = execFileSync(join(dir, 'a'), { encoding: 'utf8' }).trim().split('\n');
    for (const [name, value] of constants) known.set(`=${name}`, value);
    return new Map(lines.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const known = new Map<string, number>();
const WIDTH = { u16: 2, u32: 4, i32: 4, u64: 8, i64: 8 };

describe.skipIf(why)(`what a C compiler says of ${HEADER}${why ? ` (skipped: ${why})` : ''}`, () => {
  test('sizes, offsets, widths and constants are the same', () => {
    const truth = askCompiler();
    let compared = 0;
    for (const { name, size, fields } of Object.values(STRUCTS)) {
      if (!truth.has(name)) continue;
      expect(size, name).toBe(truth.get(name));
      for (const field of fields) {
        const at = truth.get(`${name}.${field.name}`);
        if (at === undefined) continue;
        expect(field.offset, `${name}.${field.name}`).toBe(at);
        expect(WIDTH[field.type], `${name}.${field.name}`).toBe(truth.get(`${name}.${field.name}:`));
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(200);
    let constants = 0;
    for (const [name, value] of truth) {
      if (!name.startsWith('=')) continue;
      expect(known.get(name), name).toBe(value);
      constants++;
    }
    expect(constants).toBeGreaterThan(100);
  });
});

test('structs newer than 7.38 have their documented layout', () => {
  const at = (name: StructName, field: string) => STRUCTS[name].fields.find((f) => f.name === field)?.offset;
  expect([sizeOf('statx'), sizeOf('statx_in'), sizeOf('statx_out')]).toEqual([256, 24, 288]);
  expect([at('statx', 'ino'), at('statx', 'atime.tv_sec'), at('statx', 'rdev_major')]).toEqual([32, 64, 128]);
  expect([sizeOf('open_out'), at('open_out', 'backing_id')]).toEqual([16, 12]);
  expect([sizeOf('init_out'), at('init_out', 'max_stack_depth'), at('init_out', 'request_timeout')]).toEqual([
    64, 36, 40,
  ]);
  expect([sizeOf('backing_map'), sizeOf('notify_prune_out'), sizeOf('copy_file_range_out')]).toEqual([16, 16, 8]);
});

test('every struct comes back as it was written, and padding is zero', () => {
  const name = fc.constantFrom(...(Object.keys(STRUCTS) as StructName[]));
  fc.assert(
    fc.property(name, fc.infiniteStream(fc.maxSafeInteger()), (struct, numbers) => {
      const values: Record<string, number> = {};
      for (const { name, type } of STRUCTS[struct].fields) {
        const n = numbers.next().value as number;
        const range = { u16: 2 ** 16, u32: 2 ** 32, i32: 2 ** 31, u64: 2 ** 53, i64: 2 ** 53 }[type];
        values[name] = (type.startsWith('u') ? Math.abs(n) : n) % range;
      }
      const view = new DataView(new ArrayBuffer(sizeOf(struct) + 16));
      for (let i = 0; i < view.byteLength; i++) view.setUint8(i, 0xaa);
      encode(struct, view, 8, values);
      for (const key of Object.keys(values)) values[key] += 0; // no negative zeros
      expect(decode(struct, view, 8)).toEqual(values);
      const edges = [7, sizeOf(struct) + 8].map((i) => view.getUint8(i));
      expect(edges).toEqual([0xaa, 0xaa]);
    }),
  );
});

test('64-bit numbers are what BigInt says', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (n) => {
      const view = new DataView(new ArrayBuffer(8));
      put64(view, 0, n);
      expect(view.getBigInt64(0, true)).toBe(BigInt(n));
      expect(getI64(view, 0)).toBe(n + 0);
      if (n >= 0) expect(getU64(view, 0)).toBe(n + 0);
    }),
  );
});
