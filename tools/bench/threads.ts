import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from './build.ts';
import { command } from './command.ts';
import { PRIORITY } from './isolate.ts';
import { type Plan, runLoad } from './measure.ts';
import { serve } from './peers/mounts.ts';
import { readers } from './peers/readers.ts';
import type { Fact } from './results.ts';
import { median, ratio, spread } from './statistics.ts';
import { Undo } from './undo.ts';

const SIZE = 64 * 2 ** 20;
const DURATION = 300;
const ROUNDS = 5;
const CLIENTS = 4;
const MODES = [
  { mode: 'read-4k', title: '4 KiB random reads, O_DIRECT' },
  { mode: 'read-1m', title: '1 MiB reads, O_DIRECT' },
  { mode: 'write-4k', title: '4 KiB overwrites, O_DIRECT' },
] as const;

/**
 * What a second filesystem thread would give: servers of one file with one and with two threads, each with a descriptor of
 * its own, asked by four threads. Not on one processor, unlike the other rows: that is what it is about.
 */
export async function secondThread(plan: Plan, folder: string, undo: Undo): Promise<Fact[]> {
  const node = [process.execPath, join(import.meta.dirname, 'threads.mjs')];
  const servers = [
    { name: 'C', words: [build('threads')] },
    { name: 'Node.js', words: node },
  ];
  const data = join(folder, 'data');
  writeFileSync(data, Buffer.alloc(SIZE));
  const alone = plan.prefix.length > 0;
  const values = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, words } of servers) {
      for (const threads of [1, 2]) {
        const dir = join(folder, `${name}-${threads}-${round}`);
        mkdirSync(dir);
        const mine = new Undo();
        const stop = undo.add(() => mine.all());
        const [program, ...args] = words as [string, ...string[]];
        const child = await serve(program, [...args, data, dir, String(threads)], dir, mine);
        command('stat', [join(dir, 'data')]);
        await sleep(300); // until the second thread waits for a request, too
        const waiting = readers(child.pid as number);
        if (waiting.length !== threads) throw new Error(`${name}: ${waiting.length} threads instead of ${threads}`);
        if (alone) for (const thread of waiting) command('chrt', ['-f', '-p', PRIORITY, String(thread)]);
        for (const { mode } of MODES) {
          const load = [mode, join(dir, 'data'), '-t', String(CLIENTS), '-s', String(SIZE), '-d', String(DURATION)];
          const prefix = alone ? ['chrt', '-f', PRIORITY] : [];
          await runLoad([...prefix, plan.load], load, 60_000); // warm, and compiled
          const { operations, nanoseconds } = await runLoad([...prefix, plan.load], load, 60_000);
          const key = `${name} ${threads} ${mode}`;
          values.set(key, [...(values.get(key) ?? []), (operations / nanoseconds) * 1e9]);
        }
        stop();
      }
    }
  }
  return servers.flatMap(({ name }) =>
    MODES.map(({ mode, title }): Fact => {
      const one = values.get(`${name} 1 ${mode}`) ?? [];
      const two = values.get(`${name} 2 ${mode}`) ?? [];
      const told = [one, two].map(
        (all) => `${Math.round(median(all)).toLocaleString('en-US')}/s (${spread(all).toFixed(0)} %)`,
      );
      return {
        title: `a second thread, ${name}, ${title}, ${CLIENTS} clients`,
        value: ratio(two, one, false),
        unit: 'x',
        note: told.join(' -> '),
      };
    }),
  );
}
