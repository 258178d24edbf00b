/**
 * `npm run crash`: tries crashes of the host in all sequences of up to two operations, and in longer chosen ones.
 *
 *   --shard I/N      only every Nth workload, from the Ith (0 …) on
 *   --quick          single operations and chosen sequences only
 *   --replay JSON    one violation again, as it was printed
 *   --applications   programs on a real mount instead: all of programs.ts, or those that are named
 *   --count N        crashes to try for each of them (default 200)
 *   --rounds N       how long they work, instead of each as long as it is made for
 *   --seed N         where the crashes are (default 1)
 *   --folder DIR     to work in
 *   --lie ROLE       syncs of device or wal are answered and not done: to see that caught
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { StorageRole } from '../../src/volume/storage-io.ts';
import { generator } from '../../test/harness/random.ts';
import { exploreApplication } from './applications.ts';
import { explore, replay, type Violation } from './explorer.ts';
import { PROGRAMS } from './programs.ts';
import { chosen, operationsNamed, pairs, singles } from './workloads.ts';

const { values, positionals } = parseArgs({
  options: {
    shard: { type: 'string', default: '0/1' },
    quick: { type: 'boolean' },
    replay: { type: 'string' },
    applications: { type: 'boolean' },
    count: { type: 'string', default: '200' },
    rounds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    folder: { type: 'string' },
    lie: { type: 'string' },
  },
  allowPositionals: true,
});
const memory = '/dev/shm';
const folder = mkdtempSync(join(values.folder ?? (existsSync(memory) ? memory : tmpdir()), 'layoutfs-crash-'));
const began = performance.now();
try {
  if (values.applications) process.exitCode = await applications();
  else process.exitCode = values.replay === undefined ? await all() : await again(values.replay);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function all(): Promise<number> {
  const [shard, shards] = values.shard.split('/').map(Number);
  const workloads = [...singles(), ...chosen(), ...(values.quick ? [] : pairs())];
  const sum: Sum = { workloads: 0, places: 0, states: 0, recovered: 0, violations: 0 };
  for (const [i, { operations, ...rest }] of workloads.entries()) {
    if (i % shards !== shard) continue;
    const result = await explore(operations, { folder, seeds: 2, ...rest });
    sum.workloads++;
    sum.places += result.places;
    sum.states += result.states;
    sum.recovered += result.recovered;
    sum.violations += result.violations.length;
    for (const violation of result.violations) tell(violation, rest.unmount === true);
    if (sum.workloads % 100 === 0) console.log(progress(sum));
  }
  console.log(progress(sum));
  return sum.violations === 0 ? 0 : 1;
}

interface Sum {
  workloads: number;
  places: number;
  states: number;
  recovered: number;
  violations: number;
}

function progress({ workloads, places, states, recovered, violations }: Sum): string {
  const seconds = Math.round((performance.now() - began) / 1000);
  return `${workloads} workloads, ${places} places, ${states} states (${recovered} recovered), ${violations} violations, ${seconds} s`;
}

function tell(violation: Violation, unmount: boolean): void {
  console.log(`VIOLATION ${violation.problem}`);
  console.log(`  npm run crash -- --replay '${JSON.stringify({ ...violation, problem: undefined, unmount })}'`);
}

async function applications(): Promise<number> {
  let problems = 0;
  for (const name of positionals.length > 0 ? positionals : Object.keys(PROGRAMS)) {
    const random = generator(Number(values.seed));
    const sum = await exploreApplication(name, {
      folder,
      count: Number(values.count),
      rounds: values.rounds === undefined ? undefined : Number(values.rounds),
      random,
      lie: values.lie as StorageRole | undefined,
      onProgress: console.log,
    });
    problems += sum.problems.length;
    const seconds = Math.round((performance.now() - began) / 1000);
    console.log(
      `${name}: ${sum.records} writes and syncs, ${sum.acknowledged} acknowledged, ${sum.states} crashes, ` +
        `${sum.problems.length} violations, seed ${values.seed}, ${seconds} s`,
    );
  }
  return problems === 0 ? 0 : 1;
}

async function again(json: string): Promise<number> {
  const { workload, state, unmount } = JSON.parse(json) as Violation & { unmount: boolean };
  const problem = await replay(operationsNamed(workload), state, { folder, unmount });
  console.log(problem ?? 'this state is as it should be');
  return problem === undefined ? 0 : 1;
}
