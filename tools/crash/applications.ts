/**
 * `npm run crash -- --applications`: programs with an idea of durability of their own work on a real mount, through the real
 * kernel, while all that the daemon writes and syncs is recorded; then the power fails at places of that recording. What
 * is left is recovered, checked, and given to the program, which must find all that it was told is safe.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { check } from '../../src/check/index.ts';
import { serve } from '../../src/mount/daemon.ts';
import { defaultMountOptions } from '../../src/mount/options.ts';
import { VirtualClock } from '../../src/system/clock.ts';
import { RecordingIo } from '../../src/volume/recording-io.ts';
import type { StorageRole } from '../../src/volume/storage-io.ts';
import { Volume } from '../../src/volume/volume.ts';
import { type CrashState, cutOf, pendingAt, statesAt } from './choices.ts';
import { Client } from './client.ts';
import { extract } from './extract.ts';
import {
  durableAt,
  FILES,
  type FileName,
  type History,
  historyOf,
  type Images,
  materialise,
  readImages,
  writeImages,
} from './files.ts';
import { PROGRAMS, type Program } from './programs.ts';

interface Recorded {
  base: Images;
  histories: Record<FileName, History>;
  records: number;
  /** Places in the recording at which the program had said 'ack' for the first time, the second, … */
  acknowledged: number[];
}

export interface Sum {
  records: number;
  acknowledged: number;
  states: number;
  problems: string[];
}

const HOST = { bootId: '00000000-0000-4000-8000-0000000000aa', pid: process.pid, start: 1 };
const OTHER = { ...HOST, bootId: '00000000-0000-4000-8000-0000000000bb' };

export interface ApplicationOptions {
  folder: string;
  /** Crashes to try, spread over the run. */
  count: number;
  random: () => number;
  /** Storage that answers syncs of a file without doing them: to see that caught. */
  lie?: StorageRole;
  /** Times that the program does its work; by default its own number. */
  rounds?: number;
  onProgress?: (line: string) => void;
}

/** Runs a program of PROGRAMS and tries crashes of the host in its run. */
export async function exploreApplication(name: string, options: ApplicationOptions): Promise<Sum> {
  const program = PROGRAMS[name];
  if (program === undefined) throw new RangeError(`there is no program '${name}': ${Object.keys(PROGRAMS).join(', ')}`);
  const recorded = await record(program, options);
  const { records, acknowledged } = recorded;
  const sum: Sum = { records, acknowledged: acknowledged.length, states: 0, problems: [] };
  const below = (n: number): number => Math.floor(options.random() * n);
  for (let i = 0; i < options.count; i++) {
    // One place in each of so many stretches, and one of the states that are possible there. Every fourth place is in the whole of the
    // recording, the others where something was acknowledged: a program may write much before it says the first word.
    const from = i % 4 === 0 ? 0 : (acknowledged[0] ?? 0);
    const prefix = Math.min(
      records,
      from + Math.floor(((i + options.random()) * (records - from)) / options.count) + 1,
    );
    const states = statesAt(recorded.histories, prefix, 2);
    const state = states[below(states.length)] as CrashState;
    const promised = acknowledged.filter((place) => place <= prefix).length;
    sum.states++;
    const problem = await tryCrash(recorded, state, promised, program, options.folder);
    if (problem === undefined) continue;
    sum.problems.push(`${name}, ${promised} acknowledged, ${JSON.stringify(state)}: ${problem}`);
    options.onProgress?.(`VIOLATION ${sum.problems.at(-1)}`);
  }
  return sum;
}

class LyingIo extends RecordingIo {
  private readonly about: StorageRole;

  constructor(database: string, about: StorageRole) {
    super(database);
    this.about = about;
  }

  override fdatasync(fd: number, role: StorageRole): number {
    return role === this.about ? 0 : super.fdatasync(fd, role);
  }

  override fdatasyncAsync(fd: number, role: StorageRole): Promise<number> {
    return role === this.about ? Promise.resolve(0) : super.fdatasyncAsync(fd, role);
  }
}

/** The program's run on a mount that this process serves. Only children touch the mount. */
async function record(program: Program, options: ApplicationOptions): Promise<Recorded> {
  const image = join(options.folder, 'application.img');
  const dir = join(options.folder, 'mnt');
  for (const end of ['', '.meta', '.meta-wal', '.meta-shm', '.meta-redo']) fs.rmSync(image + end, { force: true });
  fs.mkdirSync(dir, { recursive: true });
  Volume.make(image, { size: program.size });
  const base = readImages(image);
  const recorder = options.lie ? new LyingIo(`${image}.meta`, options.lie) : new RecordingIo(`${image}.meta`);
  const acknowledged: number[] = [];
  let failed: unknown;
  let done: Promise<void> | undefined;
  const code = await serve({
    image,
    dir,
    options: { ...defaultMountOptions(true), commit: 0.3, logLevel: 'error' },
    io: recorder,
    walFrames: 64,
    ready: (error) => {
      if (error !== undefined) failed = error;
      else done = work(program, dir, options.rounds, () => acknowledged.push(recorder.records.length));
      done?.catch((caught) => {
        failed = caught;
      });
    },
  });
  await done?.catch(() => {});
  if (failed !== undefined) throw failed;
  if (code !== 0) throw new Error(`the mount ended with ${code}`);
  const { records } = recorder;
  const histories = Object.fromEntries(FILES.map((file) => [file, historyOf(records, file)]));
  return { base, histories: histories as Record<FileName, History>, records: records.length, acknowledged };
}

/** The program, and then the unmount that ends `serve`. */
async function work(program: Program, dir: string, rounds: number | undefined, onAck: () => void): Promise<void> {
  const child = spawn(
    program.command[0] as string,
    [...program.command.slice(1), dir, String(rounds ?? program.rounds)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...program.env },
    },
  );
  let stderr = '';
  child.stderr.on('data', (part: Buffer) => {
    stderr += part;
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('ack')) onAck();
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const umount = spawn('umount', [dir], { stdio: 'inherit' });
  await new Promise((resolve) => umount.on('close', resolve));
  if (code !== 0) throw new Error(`the program ended with ${code}: ${stderr}`);
}

async function tryCrash(
  { base, histories }: Recorded,
  { prefix, choices }: CrashState,
  promised: number,
  program: Program,
  folder: string,
): Promise<string | undefined> {
  const image = join(folder, 'crashed.img');
  const made = FILES.map((file) => {
    const history = histories[file];
    const cut = cutOf(choices[file], pendingAt(history, prefix));
    return [file, materialise(base[file], history, { durable: durableAt(history, prefix), prefix, cut })];
  });
  writeImages(image, Object.fromEntries(made) as Images);
  const found = join(folder, 'found');
  fs.rmSync(found, { recursive: true, force: true });
  fs.mkdirSync(found);
  const clock = new VirtualClock(7000);
  try {
    const volume = Volume.open(image, { clock, redo: false, walFrames: 64, host: OTHER });
    const client = new Client(volume, clock);
    let errno = volume.ready();
    if (errno === 0) extract(client, found);
    errno ||= await client.house.shutDown();
    if (errno !== 0) return `recovery fails: errno ${errno}`;
  } catch (error) {
    return `recovery throws: ${(error as Error).stack}`;
  }
  const report = await check(image, { mode: 'report' });
  if (report.refused !== undefined) return `fsck: ${report.refused}`;
  if (report.found !== 0) return `fsck: ${report.problems.map(({ message }) => message).join('; ')}`;
  return program.judge(found, promised);
}
