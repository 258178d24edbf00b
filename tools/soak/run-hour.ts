import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkout, ended, generator, type MountedVolume, mountVolume, sleep, until } from '../../test/harness/index.ts';
import { keepLeases } from './lease-load.ts';
import { type Growth, growth, type Part, partsOf, type Sample, sample } from './samples.ts';
import { compile } from './tools.ts';

export interface HourOptions {
  seconds: number;
  seed: number;
  say: (line: string) => void;
}

export interface HourResult {
  /** What went wrong; empty when nothing did. */
  problems: string[];
  /** ms that the mount stood still at each death of the daemon. */
  pauses: number[];
  /** Of the daemon that lived through the first part, after its warm-up, and of the supervisor. */
  daemon: Growth;
  supervisor: Growth;
  /** Of the memory of that daemon. */
  parts: Part[];
  /** Seconds that the growth was measured over. */
  measured: number;
  said: string[];
}

/** The first part of the time goes without a death of the daemon: what one process keeps is measured there. */
const STEADY = 0.8;
/** The part of that which is warm-up: caches fill, V8 compiles what is used often, the allocators find their size. */
const WARM_UP = 0.4;
const SAMPLES = 600;

/**
 * A mixed load on one mount: random operations, files that are checked, a database, leases whose holders are killed, a
 * volume that runs full again and again, scrub without end; in the second part the daemon is killed beside all that.
 * Then fsck, and all sums once more after a remount.
 */
export async function runHour({ seconds, seed, say }: HourOptions): Promise<HourResult> {
  const stress = await compile('stress');
  const deadline = (seconds + 900) * 1000;
  await using volume = await mountVolume({
    size: '512m',
    supervised: true,
    deadline,
    options: 'break=60,patience=60,tombstone=5',
    env: { NODE_OPTIONS: `--import ${new URL('./collect.mjs', import.meta.url).href}` },
  });
  const problems: string[] = [];
  const said: string[] = [];
  const stop = join(volume.root, 'stop');
  const ledger = join(volume.root, 'ledger');
  const random = generator(seed);
  const began = performance.now();
  const now = (): number => (performance.now() - began) / 1000;
  let over = false;
  const running = (): boolean => !over && now() < seconds && problems.length === 0;
  const problem = (text: string): void => {
    say(`PROBLEM: ${text}`);
    problems.push(text);
  };
  await volume.bash('mkdir stress keep db lease');

  const program = (name: string, ...args: string[]): string[] => [
    '-n',
    '10',
    process.execPath,
    '--import',
    'tsx',
    join(checkout, name),
    ...args,
  ];
  const programs: [string, ChildProcess][] = [
    [
      'keeper',
      volume.start('nice', program('tools/soak/keeper.ts', join(volume.dir, 'keep'), ledger, stop, `${seed}`)),
    ],
    [
      'sqlite',
      volume.start('nice', program('test/mounted/programs/sqlite-writer.ts', join(volume.dir, 'db/db'), stop)),
    ],
    [
      'stress',
      volume.start('nice', ['-n', '15', 'bash', '-c', STRESS, stress, join(volume.dir, 'stress'), stop, `${seed}`]),
    ],
    ['filler', volume.start('nice', ['-n', '15', 'bash', '-c', FILLER, 'filler', volume.dir, stop])],
    ['events', volume.start('bash', ['-c', 'exec cat "$MNT/.layout/events" > "$ROOT/events"'])],
  ];
  const texts = programs.map(([name, child]) => collect(name, child, () => over, problem));

  const samples: Sample[] = [];
  const supervisor: Sample[] = [];
  const first = volume.daemonPid;
  const steady = seconds * STEADY;
  const sampling = setInterval(
    () => {
      const daemon = sample(volume.daemonPid, now());
      if (daemon) samples.push(daemon);
      const other = sample(volume.supervisorPid, now());
      if (other) supervisor.push(other);
    },
    Math.max(200, (seconds * 1000) / SAMPLES),
  );
  const pauses: number[] = [];
  try {
    const work = [
      keepLeases(volume, { random, running, problem }).then((text) => said.push(text)),
      scrubbing(volume, running, problem).then((n) => said.push(`scrub: ${n} times`)),
      killing(volume, { random, running, from: steady, every: Math.min(22, seconds / 12), now, say }).then((found) =>
        pauses.push(...found),
      ),
      until('the end', deadline, async () => {
        await sleep(200);
        return !running();
      }),
    ];
    // All of them end soon after the first problem.
    for (const each of work) each.catch((error) => problem(String(error)));
    await Promise.allSettled(work);
  } finally {
    clearInterval(sampling);
    over = true;
    writeFileSync(stop, '');
  }
  for (const [name, child] of programs) {
    if (name === 'events') child.kill('SIGTERM');
    const code = await ended(child, 300_000).catch((error) => String(error));
    if (name !== 'events' && code !== 0) problem(`${name} ended with ${code}`);
  }
  said.push(...texts.map((text) => text()).filter((text) => text !== ''));
  if (volume.messages().includes('threw')) problem('a handler threw; see the messages');
  for (const line of eventProblems(readFileSync(join(volume.root, 'events'), 'utf8'))) problem(line);
  await finish(volume, ledger, problem).catch((error) => problem(String(error)));
  // In a short run nothing has been written down.
  const memory = `${volume.image}.memory`;
  const parts = existsSync(memory) ? readFileSync(memory, 'utf8') : '';
  const warm = steady * WARM_UP;
  const mine = samples.filter(({ pid, at }) => pid === first && at > warm && at < steady);
  const span = Math.max(1, (steady - warm) / 20);
  return {
    problems,
    pauses,
    daemon: growth(mine, span),
    supervisor: growth(
      supervisor.filter(({ at }) => at > warm),
      span,
    ),
    parts: partsOf(parts, first, warm, steady),
    measured: steady - warm,
    said,
  };
}

/**
 * Random operations, each minute in an empty tree: left to itself the tree grows for hours (directories are renamed to
 * where no name of the program reaches), and the memory of the daemon with it.
 */
const STRESS = `
n=0
while [ ! -e "$2" ]; do
  "$0" "$1" $(($3 + n)) 2 60 > /dev/null || exit 1
  n=$((n + 1))
  rm -rf "$1"/* || exit 1
done
echo "$n times a tree"`;

/** Fills the volume and gives the space back, for a tenth of the time. */
const FILLER = `
cd "$1" || exit 1
n=0
sleep 5 # the others make their first files
while [ ! -e "$2" ]; do
  dd if=/dev/zero of=filler bs=1M 2>/dev/null && { echo 'the volume never got full'; exit 1; }
  n=$((n + 1))
  sleep 0.5
  rm filler || exit 1
  for i in 1 2 3 4 5 6 7 8 9 10; do [ -e "$2" ] || sleep 1; done
done
echo "filled $n times"`;

/** The output of a program, whose early end is a problem. */
function collect(
  name: string,
  child: ChildProcess,
  over: () => boolean,
  problem: (text: string) => void,
): () => string {
  let text = '';
  const add = (part: Buffer): void => {
    text += part;
  };
  child.stdout?.on('data', add);
  child.stderr?.on('data', add);
  child.once('exit', (code, signal) => {
    if (!over() && code !== 0) problem(`${name} ended with ${code ?? signal}: ${text.slice(-2000)}`);
  });
  return () => (text === '' ? '' : `${name}: ${text.trim().split('\n').join('; ')}`);
}

async function scrubbing(
  volume: MountedVolume,
  running: () => boolean,
  problem: (text: string) => void,
): Promise<number> {
  let times = 0;
  for (; running(); times++) {
    const result = await volume.layoutfs(['scrub', volume.dir], { timeout: 300_000 });
    if (result.code !== 0) problem(`scrub: exit ${result.code}: ${result.stdout}${result.stderr}`);
    for (let i = 0; i < 20 && running(); i++) await sleep(500);
  }
  return times;
}

interface Killing {
  random: () => number;
  running: () => boolean;
  now: () => number;
  /** Second at which it begins, and the longest time between two deaths, in seconds. */
  from: number;
  every: number;
  say: (line: string) => void;
}

/** SIGKILL to one daemon after the other, now and then while its successor still loads; every tenth is an upgrade. */
async function killing(volume: MountedVolume, { random, running, now, from, every, say }: Killing): Promise<number[]> {
  const pauses: number[] = [];
  while (running() && now() < from) await sleep(200);
  say('from here on daemons are killed');
  while (running()) {
    const wait = now() + 2 + random() * (every - 2);
    while (running() && now() < wait) await sleep(100);
    if (!running()) break;
    const before = volume.daemonPid;
    if (random() < 0.1) {
      const result = await volume.layoutfs(['upgrade', volume.dir], { timeout: 120_000 });
      if (result.code !== 0) throw new Error(`upgrade: ${result.stderr}`);
    } else {
      process.kill(before, 'SIGKILL');
    }
    await until('another daemon serves', 120_000, () => volume.daemonPid !== before);
    pauses.push(Number([...volume.messages().matchAll(/it stood still for (\d+) ms/g)].at(-1)?.[1]));
    say(`${Math.round(now())} s: daemon ${before} replaced by ${volume.daemonPid}, ${pauses.at(-1)} ms`);
  }
  return pauses;
}

/** Every line is whole, and no event was told twice. */
function eventProblems(text: string): string[] {
  const seen = new Set<string>();
  const found: string[] = [];
  for (const line of text.split('\n').slice(0, -1)) {
    try {
      const event = JSON.parse(line) as { event: string; lease?: number; seq?: number };
      if (event.event !== 'recall') continue;
      const key = `${event.lease} ${event.seq}`;
      if (seen.has(key)) found.push(`recall told twice: ${line}`);
      seen.add(key);
    } catch {
      found.push(`not a whole event: ${line}`);
    }
  }
  return found.slice(0, 5);
}

/** Unmounts, checks, mounts again, and compares what is there with the ledger. */
async function finish(volume: MountedVolume, ledger: string, problem: (text: string) => void): Promise<void> {
  await volume.bash('sync; rm -rf stress lease', { timeout: 120_000 }).catch((error) => problem(String(error)));
  await volume.unmount();
  const fsck = await volume.layoutfs(['fsck', '-n', volume.image], { timeout: 200_000 });
  if (fsck.code !== 0) problem(`fsck: exit ${fsck.code}: ${fsck.stdout}${fsck.stderr}`);
  await volume.remount();
  const sums = await volume.run(
    'bash',
    ['-c', 'cd keep && sha256sum --quiet -c "$1" && ls | wc -l && wc -l < "$1"', 'sums', ledger],
    {
      timeout: 120_000,
    },
  );
  const [there, kept] = sums.stdout.trim().split('\n').map(Number);
  if (sums.code !== 0 || there !== kept || !there) problem(`sums: ${sums.stdout}${sums.stderr}`);
  await volume.unmount();
}
