/**
 * `npm run soak:hour [-- SECONDS [SEED]]`: a mixed load for an hour, with deaths of holders and, in its last fifth, of
 * the daemon; see run-hour.ts. Fails when anything was lost, fsck is not content, or the daemon grows.
 */
import { runHour } from './run-hour.ts';

/** Bytes an hour that the memory of a daemon may grow by after its warm-up. */
const GROWTH = 1024 * 1024;
/** Over less, the steps of an allocator say more than the slope. */
const LONG_ENOUGH = 1000;

const seconds = Number(process.argv[2] ?? 3600);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
const say = (line: string): void => void process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);

say(`seed ${seed}, ${seconds} s`);
const result = await runHour({ seconds, seed, say });
for (const line of result.said) say(line);
const kib = (bytes: number): string => `${Math.round(bytes / 1024)} KiB`;
for (const who of ['daemon', 'supervisor'] as const) {
  const { rss, anonymous, level, floors, descriptors, threads } = result[who];
  say(
    `${who}: ${kib(level)} resident, ${kib(rss)}/h (anonymous ${kib(anonymous)}/h) over ${Math.round(result.measured)} s`,
  );
  say(`${who}: anonymous memory, MiB: ${floors.map((bytes) => (bytes / 2 ** 20).toFixed(1)).join(' ')}`);
  say(`${who}: descriptors ${descriptors.join(' to ')}, threads ${threads.join(' to ')}`);
}
for (const { name, first, last, growth } of result.parts) {
  say(`daemon: ${name} ${kib(first)} to ${kib(last)}, ${kib(growth)}/h`);
}
const sorted = [...result.pauses].sort((a, b) => a - b);
say(
  `${sorted.length} daemons replaced, pauses of ${sorted[0]} to ${sorted.at(-1)} ms, median ${sorted[sorted.length >> 1]} ms`,
);
const { daemon } = result;
if (result.measured >= LONG_ENOUGH && daemon.anonymous > GROWTH) {
  result.problems.push(`the daemon grows by ${kib(daemon.anonymous)} an hour`);
}
if (daemon.descriptors[1] - daemon.descriptors[0] > 2)
  result.problems.push('descriptors of the daemon come and do not go');
for (const line of result.problems) say(`PROBLEM: ${line}`);
say(result.problems.length === 0 ? 'nothing lost' : `${result.problems.length} problems`);
process.exitCode = result.problems.length === 0 ? 0 : 1;
