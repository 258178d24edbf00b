// @ts-check
/**
 * Loaded into the daemon of `npm run soak:hour` by NODE_OPTIONS: each half minute it collects garbage, with compaction, and writes
 * what each part of the memory holds then to the file IMAGE.memory, a line of JSON each time. V8 by itself leaves garbage in its old
 * generation for as long as an hour under this load, and what is resident then tells of garbage, not of what is kept.
 */
import { appendFileSync } from 'node:fs';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

const EVERY_MS = 30_000;

if (isMainThread && process.argv[2] === 'mount') {
  const { default: koffi } = await import('koffi');
  // mallinfo2(3), bytes.
  const fields = [
    'arena',
    'ordblks',
    'smblks',
    'hblks',
    'hblkhd',
    'usmblks',
    'fsmblks',
    'uordblks',
    'fordblks',
    'keepcost',
  ];
  const mallinfo2 = koffi
    .load(null)
    .func('mallinfo2', koffi.struct('mallinfo2', Object.fromEntries(fields.map((name) => [name, 'size_t']))), []);
  setFlagsFromString('--expose-gc');
  setFlagsFromString('--compact-on-every-full-gc');
  const collectGarbage = runInNewContext('gc');

  const note = () => {
    collectGarbage();
    const { heapUsed, heapTotal, external } = process.memoryUsage();
    const code = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'code_space');
    const { uordblks, arena, hblkhd } = mallinfo2();
    const parts = {
      'heap in use': heapUsed,
      'heap pages': heapTotal,
      'compiled code': code?.physical_space_size ?? 0,
      'external to the heap': external,
      'malloc in use': uordblks + hblkhd,
      'malloc arenas': arena + hblkhd,
    };
    const image = process.argv.at(-2);
    appendFileSync(`${image}.memory`, `${JSON.stringify({ pid: process.pid, uptime: process.uptime(), parts })}\n`);
  };
  setInterval(note, EVERY_MS).unref();
}
