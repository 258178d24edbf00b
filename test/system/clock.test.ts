import { expect, test } from 'vitest';
import { systemClock, VirtualClock } from '../../src/system/clock.ts';

test('a virtual clock stands still until it is advanced, and runs timers in order of time', () => {
  const clock = new VirtualClock(100, 999_000_000);
  const ran: string[] = [];
  clock.setTimeout(() => ran.push(`b@${clock.monotonic()}`), 20);
  clock.setTimeout(() => {
    ran.push(`a@${clock.monotonic()}`);
    clock.setTimeout(() => ran.push(`c@${clock.monotonic()}`), 15);
  }, 10);
  const dropped = clock.setTimeout(() => ran.push('dropped'), 5);
  clock.setTimeout(() => ran.push('never'), Number.POSITIVE_INFINITY);
  clock.clearTimeout(dropped);
  expect(clock.monotonic()).toBe(0);
  clock.advance(24);
  expect(ran).toEqual(['a@10', 'b@20']);
  clock.advance(1);
  expect(ran).toEqual(['a@10', 'b@20', 'c@25']);
  const now = { seconds: 0, nanoseconds: 0 };
  clock.realtime(now);
  expect(now).toEqual({ seconds: 101, nanoseconds: 24_000_000 });
  clock.advance(1e9);
  expect(ran).not.toContain('never');
});

test('timers of the same moment run in the order they were set', () => {
  const clock = new VirtualClock();
  const ran: number[] = [];
  for (const i of [1, 2, 3]) clock.setTimeout(() => ran.push(i), 7);
  clock.advance(7);
  expect(ran).toEqual([1, 2, 3]);
  expect(clock.pending).toBe(0);
});

test('setting the wall clock leaves the monotonic one alone', () => {
  const clock = new VirtualClock(1000);
  clock.advance(5);
  clock.setRealtime(-7, 3);
  const now = { seconds: 0, nanoseconds: 0 };
  clock.realtime(now);
  expect(now).toEqual({ seconds: -7, nanoseconds: 3 });
  expect(clock.monotonic()).toBe(5);
});

test('the system clock agrees with Date and never goes back', () => {
  const now = { seconds: 0, nanoseconds: 0 };
  const before = Date.now();
  systemClock.realtime(now);
  const after = Date.now();
  const ms = now.seconds * 1000 + now.nanoseconds / 1e6;
  expect(ms).toBeGreaterThanOrEqual(before - 1);
  expect(ms).toBeLessThan(after + 2);
  const first = systemClock.monotonic();
  expect(systemClock.monotonic()).toBeGreaterThanOrEqual(first);
});

test('a system timer runs once, not early, and can be cleared', async () => {
  const start = systemClock.monotonic();
  const dropped = systemClock.setTimeout(() => expect.fail('was cleared'), 1);
  systemClock.clearTimeout(dropped);
  const waited = await new Promise<number>((resolve) => {
    systemClock.setTimeout(() => resolve(systemClock.monotonic() - start), 15);
    setTimeout(() => resolve(-1), 3000); // the clock's own timers do not keep a process alive; this one does
  });
  expect(waited).toBeGreaterThanOrEqual(14.5);
});
