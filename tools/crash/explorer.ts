import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import SQLite from 'better-sqlite3';
import { check } from '../../src/check/index.ts';
import { VirtualClock } from '../../src/system/clock.ts';
import { HEADER_BYTES } from '../../src/volume/header.ts';
import type { Host } from '../../src/volume/host.ts';
import { RecordingIo } from '../../src/volume/recording-io.ts';
import type { StorageIo } from '../../src/volume/storage-io.ts';
import { Volume } from '../../src/volume/volume.ts';
import { type Choice, type CrashState, cutOf, keyOf, pendingAt, statesAt } from './choices.ts';
import { Client } from './client.ts';
import { dump } from './dump.ts';
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
import { BLOCK, DATA_BLOCKS, type Operation, returnLease, SETUP } from './operations.ts';
import { type Bounds, boundsAt, type Journal, judge } from './oracle.ts';
import { committedPart } from './wal.ts';

/** Breaks a rule on purpose, to see it caught. Nothing of it is in the program itself. */
export interface Sabotage {
  /** Storage that lies. `record` sits below it. */
  io?: (record: RecordingIo) => StorageIo;
  /** The house is wired, recovery was done. */
  wired?: (client: Client) => void;
  /** Recovery takes the crash of the host for one of the daemon alone. */
  sameBoot?: boolean;
  /** Runs after every step. */
  afterStep?: (client: Client) => void;
  /** The metadata, before a crashed volume is opened. */
  recovered?: (connection: SQLite.Database) => void;
}

export interface ExploreOptions {
  /** A folder to work in; best in memory. */
  folder: string;
  /** Random ways to tear each file at each place. Default 1. */
  seeds?: number;
  /** Only crashes after this many operations have begun: a shorter workload has had the others. */
  from?: number;
  /** Every so many places of the recording only. Default 1: all of them. */
  stride?: number;
  /** The volume is unmounted at the end, and crashes during that are tried too. */
  unmount?: boolean;
  sabotage?: Sabotage;
  /** Stops at the first violation. Default true. */
  stopAtFirst?: boolean;
  /** Data blocks of the device. */
  dataBlocks?: number;
}

export interface Violation {
  readonly workload: readonly string[];
  readonly state: CrashState;
  readonly problem: string;
}

export interface Result {
  /** States made; those that were the same as another are not counted. */
  states: number;
  /** Those of them that were recovered and judged: not those that differ only in what SQLite passes over in its WAL. */
  recovered: number;
  /** Places at which the power failed. */
  places: number;
  violations: Violation[];
}

interface Recording {
  base: Images;
  histories: Record<FileName, History>;
  records: number;
  journal: Journal;
  /** Place at which each operation began. */
  operations: number[];
}

/** Of a WAL that is there before it is needed, and soon too short: both ways of writing to it are tried. */
const FRAMES = 48;

const HOSTS: readonly Host[] = [
  { bootId: '00000000-0000-4000-8000-000000000001', pid: process.pid, start: 1 },
  { bootId: '00000000-0000-4000-8000-000000000002', pid: process.pid, start: 2 },
];

/** Runs a workload on a fresh volume, and tries every crash in it. */
export async function explore(workload: readonly Operation[], options: ExploreOptions): Promise<Result> {
  const recording = await record(workload, options);
  const result: Result = { states: 0, recovered: 0, places: 0, violations: [] };
  const seen = new Set<string>();
  const judged = new Set<string>();
  const first = recording.operations[options.from ?? 0] ?? 0;
  for (let prefix = first; prefix <= recording.records; prefix += options.stride ?? 1) {
    result.places++;
    for (const state of statesAt(recording.histories, prefix, options.seeds ?? 1)) {
      const bounds = boundsAt(recording.journal, prefix);
      const key = `${keyOf(recording.histories, state)} ${bounds.metadata} ${bounds.data} ${bounds.newest}`;
      if (seen.has(key)) continue;
      seen.add(key);
      result.states++;
      const images = imagesOf(recording, state);
      const recovers = digest(images, bounds);
      if (judged.has(recovers)) continue;
      judged.add(recovers);
      result.recovered++;
      const problem = await tryState(recording, state, options, images);
      if (problem === undefined) continue;
      const smallest = await shrink(recording, { state, problem }, options);
      result.violations.push({ workload: workload.map(({ name }) => name), ...smallest });
      if (options.stopAtFirst !== false) return result;
    }
  }
  return result;
}

/** Makes one state of a workload again: undefined when nothing is wrong with it. */
export async function replay(workload: readonly Operation[], state: CrashState, options: ExploreOptions) {
  return tryState(await record(workload, options), state, options);
}

/** The volume that every workload begins with, made once per folder. */
async function template(options: ExploreOptions): Promise<string> {
  const image = join(options.folder, `template-${options.dataBlocks ?? DATA_BLOCKS}.img`);
  if (fs.existsSync(image)) return image;
  const making = `${image}.making`;
  const size = HEADER_BYTES + (options.dataBlocks ?? DATA_BLOCKS) * BLOCK;
  Volume.make(making, { size, uuid: '11111111-2222-4333-8444-555555555555' });
  const clock = new VirtualClock(5000);
  const client = new Client(Volume.open(making, { clock, redo: false, walFrames: FRAMES, host: HOSTS[0] }), clock);
  client.volume.ready();
  for (const operation of SETUP) for (const step of operation.steps) await step.run(client);
  const errno = await client.house.shutDown();
  if (errno !== 0) throw new Error(`the template cannot be closed: ${errno}`);
  fs.renameSync(`${making}.meta`, `${image}.meta`);
  fs.renameSync(making, image);
  return image;
}

async function record(workload: readonly Operation[], options: ExploreOptions): Promise<Recording> {
  const { sabotage = {} } = options;
  const image = join(options.folder, 'workload.img');
  writeImages(image, readImages(await template(options)));
  const clock = new VirtualClock(6000);
  const recorder = new RecordingIo(`${image}.meta`);
  const io = sabotage.io?.(recorder) ?? recorder;
  const client = new Client(Volume.open(image, { clock, redo: false, walFrames: FRAMES, host: HOSTS[0], io }), clock);
  client.volume.ready();
  client.onWait = async () => {
    for (const step of returnLease.steps) await step.run(client);
    clock.advance(1);
  };
  sabotage.wired?.(client);
  const base = readImages(image);
  const { records } = recorder;
  records.length = 0;
  const journal: Journal = { dumps: [dump(client)], began: [0], moves: [undefined], promises: [] };
  const operations: number[] = [];
  for (const operation of workload) {
    operations.push(records.length);
    for (const step of operation.steps) {
      const began = records.length;
      const promised = await step.run(client);
      sabotage.afterStep?.(client);
      journal.dumps.push(dump(client));
      journal.began.push(began);
      journal.moves.push(step.moved?.());
      if (promised === undefined) continue;
      const state = journal.dumps.length - 1;
      journal.promises.push({ at: records.length, state, metadata: true, data: promised === 'all' });
    }
  }
  if (options.unmount) await client.house.shutDown();
  else client.volume.abandon();
  const histories = Object.fromEntries(FILES.map((file) => [file, historyOf(records, file)]));
  return { base, histories: histories as Record<FileName, History>, records: records.length, journal, operations };
}

/** Puts the state on the medium, opens it after a restart of the host, and asks fsck and the oracle. */
async function tryState(
  recording: Recording,
  state: CrashState,
  options: ExploreOptions,
  images: Images = imagesOf(recording, state),
): Promise<string | undefined> {
  const image = join(options.folder, 'crashed.img');
  writeImages(image, images);
  if (options.sabotage?.recovered) {
    const connection = new SQLite(`${image}.meta`);
    options.sabotage.recovered(connection);
    connection.close();
  }
  const clock = new VirtualClock(7000);
  let client: Client;
  try {
    const host = HOSTS[options.sabotage?.sameBoot ? 0 : 1];
    client = new Client(Volume.open(image, { clock, redo: false, walFrames: FRAMES, host }), clock);
  } catch (error) {
    return `the volume cannot be opened: ${(error as Error).message}`;
  }
  let problem: string | undefined;
  try {
    problem = judge(dump(client), recording.journal, boundsAt(recording.journal, state.prefix));
    const errno = client.volume.ready();
    if (errno !== 0) problem ??= `recovery fails: errno ${errno}`;
  } catch (error) {
    problem ??= `recovery throws: ${(error as Error).stack}`;
  }
  const errno = await client.house.shutDown();
  if (errno !== 0) problem ??= `the recovered volume cannot be closed: errno ${errno}`;
  if (problem !== undefined) return problem;
  const report = await check(image, { mode: 'report' });
  if (report.refused !== undefined) return `fsck: ${report.refused}`;
  return report.found === 0 ? undefined : `fsck: ${report.problems.map(({ message }) => message).join('; ')}`;
}

/** The same for states that recovery cannot tell from each other, and that may leave the same. */
function digest({ device, wal, database }: Images, { metadata, data, newest }: Bounds): string {
  const hash = createHash('sha1').update(`${metadata} ${data} ${newest} ${device.length} ${database.length}`);
  // A file's bytes may end in zeros, or before those that it ends in.
  return hash
    .update(device.bytes)
    .update('|')
    .update(committedPart(wal.bytes))
    .update('|')
    .update(database.bytes)
    .digest('hex');
}

function imagesOf({ base, histories }: Recording, { prefix, choices }: CrashState): Images {
  const made = FILES.map((file) => {
    const history = histories[file];
    const cut = cutOf(choices[file], pendingAt(history, prefix));
    return [file, materialise(base[file], history, { durable: durableAt(history, prefix), prefix, cut })];
  });
  return Object.fromEntries(made) as Images;
}

/** The plainest choice for each file, and the earliest crash, that still show a violation. */
async function shrink(
  recording: Recording,
  found: { state: CrashState; problem: string },
  options: ExploreOptions,
): Promise<{ state: CrashState; problem: string }> {
  let best = found;
  const better = async (state: CrashState): Promise<boolean> => {
    const problem = await tryState(recording, state, options);
    if (problem === undefined) return false;
    best = { state, problem };
    return true;
  };
  for (const file of FILES) {
    for (const kind of ['all', 'none'] as const) {
      const plain: Choice = { kind };
      if (best.state.choices[file].kind === 'all') break;
      if (best.state.choices[file].kind === kind) break;
      if (await better({ ...best.state, choices: { ...best.state.choices, [file]: plain } })) break;
    }
  }
  for (let prefix = best.state.prefix - 1; prefix > 0; prefix--) {
    if (!(await better({ ...best.state, prefix }))) break;
  }
  return best;
}
