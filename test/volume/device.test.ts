import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { addressOf } from '../../src/system/libc.ts';
import { RecordingIo, type StorageRecord } from '../../src/volume/recording-io.ts';
import { append, durable, FaultyIo, made, opened } from './fixture.ts';

function start() {
  const io = new FaultyIo();
  const volume = opened(made(), { io });
  const buffer = Buffer.alloc(1 << 20);
  return { io, device: volume.device, buffer, at: addressOf(buffer) };
}

describe('device', () => {
  test('short transfers and interruptions are carried on to the end', () => {
    const { io, device, buffer, at } = start();
    for (let i = 0; i < 100_000; i++) buffer[i] = i % 251;
    io.faults.push(
      { call: 'pwrite', short: 1000 },
      { call: 'pread', errno: 4, times: 3 },
      { call: 'pread', short: 777 },
    );
    expect(device.pwrite(at, 100_000, 2 << 20)).toBe(100_000);
    buffer.fill(0);
    expect(device.pread(at, 100_000, 2 << 20)).toBe(100_000);
    for (let i = 0; i < 100_000; i++) if (buffer[i] !== i % 251) throw new Error(`byte ${i}`);
  });

  test('an error is the answer for its range only', () => {
    const { io, device, at } = start();
    io.faults.push({ call: 'pread', from: 3 << 20, to: (3 << 20) + 4096, errno: 5 });
    io.faults.push({ call: 'pwrite', from: 3 << 20, to: (3 << 20) + 4096, errno: 28 });
    expect(device.pread(at, 8192, (3 << 20) - 4096)).toBe(-5);
    expect(device.pread(at, 4096, (3 << 20) - 4096)).toBe(4096);
    expect(device.pwrite(at, 4096, 3 << 20)).toBe(-28);
    expect(device.pwrite(at, 4096, (3 << 20) + 4096)).toBe(4096);
  });

  test('never beyond the end, and a device that was cut is EIO', () => {
    const { device, at } = start();
    expect(device.pwrite(at, 4096, device.length - 4095)).toBe(-5);
    expect(device.pread(at, 4096, device.length - 4095)).toBe(-5);
  });

  test.each([100, 4096, 200_000, 1 << 20])('punch and zero make %i bytes read as zeros, and nothing else', (length) => {
    const { device, buffer, at } = start();
    for (const clear of [device.punch.bind(device), device.zero.bind(device)]) {
      buffer.fill(9);
      device.pwrite(at, 1 << 20, 8 << 20);
      device.pwrite(at, 1 << 20, 9 << 20);
      expect(clear(8 << 20, length)).toBe(0);
      expect(device.pread(at, 1 << 20, 8 << 20)).toBe(1 << 20);
      expect(buffer.subarray(0, length).every((byte) => byte === 0)).toBe(true);
      expect(buffer.subarray(length).every((byte) => byte === 9)).toBe(true);
    }
  });

  test('a host that cannot punch gets zeros written', () => {
    const { io, device, buffer, at } = start();
    io.faults.push({ call: 'fallocate', errno: 95 });
    buffer.fill(9);
    device.pwrite(at, 1 << 20, 8 << 20);
    expect(device.punch(8 << 20, 300_000)).toBe(0);
    device.pread(at, 1 << 20, 8 << 20);
    expect(buffer.indexOf(9)).toBe(300_000);
  });

  test('copies within', () => {
    const { io, device, buffer, at } = start();
    buffer.fill(5);
    device.pwrite(at, 1 << 20, 4 << 20);
    device.pwrite(at, 1 << 20, 5 << 20);
    expect(device.copy(4 << 20, 16 << 20, (1 << 20) + 4096)).toBe(0);
    buffer.fill(0);
    device.pread(at, 4096, 17 << 20);
    expect(buffer.subarray(0, 4096).every((byte) => byte === 5)).toBe(true);
    io.faults.push({ call: 'pread', errno: 5 });
    expect(device.copy(4 << 20, 16 << 20, 4096)).toBe(-5);
  });
});

test('the recorder tells writes and syncs of all three files in order, enough to build each of them anew', async () => {
  const image = made();
  const before = { device: fs.readFileSync(image), database: fs.readFileSync(`${image}.meta`) };
  const io = new RecordingIo(`${image}.meta`);
  const volume = opened(image, { io });
  for (let i = 0; i < 5; i++) {
    append(volume, 5, i * 2, 300 + i * 2, i + 1);
    expect(await durable(volume)).toBe(0);
  }
  const files: Record<string, Buffer> = { ...before, wal: Buffer.alloc(0) };
  for (const record of io.records) apply(files, record);
  expect(files.device.equals(fs.readFileSync(image))).toBe(true);
  expect(files.wal.equals(fs.readFileSync(`${image}.meta-wal`))).toBe(true);
  expect(files.database.equals(fs.readFileSync(`${image}.meta`))).toBe(true);
  const kinds = io.records.slice(io.records.findLastIndex((r) => r.kind === 'write' && r.file === 'device'));
  const order = kinds
    .map((r) => ('file' in r ? `${r.kind} ${r.file}` : r.kind))
    .filter((k, i, all) => k !== all[i - 1]);
  expect(order).toEqual(['write device', 'sync device', 'write wal', 'commit', 'sync wal']);
});

function apply(files: Record<string, Buffer>, record: StorageRecord): void {
  if (record.kind === 'length') {
    const now = Buffer.alloc(record.length);
    files[record.file].copy(now);
    files[record.file] = now;
  } else if (record.kind === 'write') record.bytes.copy(files[record.file], record.offset);
}
