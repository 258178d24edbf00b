import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { POLL } from '../../src/system/constants.ts';
import { EndedProcesses } from '../../src/system/ended-processes.ts';
import { pollAsync } from '../../src/system/libc.ts';
import { startTimeOf } from '../../src/system/process.ts';

const WAITS = ['-e', 'process.stdin.resume()'];

it('tells of each process that has ended, once, and of none that was let go of', async () => {
  const watch = new EndedProcesses();
  try {
    const children = Array.from({ length: 3 }, () =>
      spawn(process.execPath, WAITS, { stdio: ['pipe', 'ignore', 'ignore'] }),
    );
    const [one, two, three] = children.map(({ pid }) => pid as number) as [number, number, number];
    const told: number[] = [];
    const stops = [one, two, three].map((pid) => watch.watch(pid, startTimeOf(pid) as number, () => told.push(pid)));
    expect(watch.size).toBe(3);
    expect(
      watch.watch(one, 1, () => {}),
      'another process of that number',
    ).toBeUndefined();
    watch.take();
    expect(told).toEqual([]);
    stops[1]?.();

    const gone = children.map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(gone);
    expect((await pollAsync(watch.fd, POLL.IN, 10_000)) & POLL.IN).toBe(POLL.IN);
    watch.take();
    expect(told.sort()).toEqual([one, three].sort());
    expect(watch.size).toBe(0);
    watch.take();
    expect(told).toHaveLength(2);
    expect(
      watch.watch(one, 1, () => {}),
      'one that has ended',
    ).toBeUndefined();
  } finally {
    watch.close();
  }
});
