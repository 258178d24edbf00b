import { expect, test } from 'vitest';
import { Interrupts } from '../../src/fuse/interrupts.ts';
import { Spin } from '../../src/fuse/spin.ts';

test('looking again is given up after misses, tried now and then, and taken up again when it pays', () => {
  const spin = new Spin();
  let misses = 0;
  while (spin.looks() > 0 && misses < 100) {
    spin.learn(false);
    misses++;
  }
  expect(misses).toBe(8);
  const tries: number[] = [];
  for (let i = 0; i < 200; i++) {
    if (spin.looks() === 0) continue;
    tries.push(i);
    spin.learn(false);
  }
  expect(tries.length).toBeGreaterThan(1);
  expect(tries.length).toBeLessThan(6);
  while (spin.looks() === 0);
  spin.learn(true);
  expect(spin.looks()).toBeGreaterThan(0);
  expect(spin.looks()).toBeGreaterThan(0);
});

test('early interrupts are remembered once each, and never more than a few hundred', () => {
  const interrupts = new Interrupts();
  expect(interrupts.any).toBe(false);
  expect([interrupts.remember(1), interrupts.remember(1)]).toEqual([true, false]);
  for (let i = 2; i < 2000; i++) interrupts.remember(i);
  expect([interrupts.take(1), interrupts.take(1999), interrupts.take(1999)]).toEqual([false, true, false]);
  let left = 0;
  for (let i = 0; i < 2000; i++) if (interrupts.take(i)) left++;
  expect(left).toBeGreaterThan(200);
  expect(left).toBeLessThan(300);
  expect(interrupts.any).toBe(false);
});
