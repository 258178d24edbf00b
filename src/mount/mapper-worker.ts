import { parentPort } from 'node:worker_threads';
import { descriptorsOf, type OpenFile } from '../system/descriptors.ts';
import { allProcesses, type MappedFile, mappingsOf, startTimeOf } from '../system/process.ts';

export interface MapperJob {
  readonly id: number;
  /** Clock ticks since boot: processes older than that which may not be looked into do not count. */
  readonly since: number;
  readonly files: readonly MappedFile[];
  /** The backing file, for descriptors of it; undefined where /proc does not name files so. */
  readonly backing: OpenFile | undefined;
  /** Processes whose descriptors do not count: the daemon and its supervisor. */
  readonly ours: readonly number[];
}

export interface FoundMapping {
  readonly pid: number;
  readonly file: number;
  /** Bytes of the file. */
  readonly offset: number;
  readonly length: number;
}

export interface MapperAnswer {
  readonly id: number;
  readonly mappings: FoundMapping[];
  /** Processes with a descriptor of the backing file. */
  readonly descriptors: number[];
  /** Descriptors, of whatever file, are on their way through a socket. */
  readonly inFlight: boolean;
  /** Some process may not be looked into: the answer is not the whole truth. */
  readonly blind: boolean;
}

/** Rounds after which a host that forks faster than it is read is told "not known". */
const ROUNDS = 50;

/**
 * Looks at all processes, and then at those that came meanwhile, until none has come. A mapping comes into being by mmap of a
 * descriptor or by fork. A process that had one when it was read is found. One that had it and was gone before it was read left
 * it to children, which are new processes: the next round reads them. Where nothing is found, descriptors are looked for
 * once more: one that was handed on meanwhile shows in the socket or with its receiver. That is no proof against who hands it
 * about just then: the proof is the kernel's word (processes.ts), where it gives it.
 */
function look({ id, since, files, backing, ours }: MapperJob): MapperAnswer {
  const known = new Set<string>();
  const found = new Map<string, FoundMapping>();
  const descriptors = new Set<number>();
  let inFlight = false;
  let blind = false;
  const descriptorsIn = (pids: readonly number[]): void => {
    if (backing === undefined) return;
    const search = descriptorsOf(
      backing,
      pids.filter((pid) => !ours.includes(pid)),
    );
    for (const pid of search.holders) descriptors.add(pid);
    if (search.inFlight.length > 0) inFlight = true;
  };
  for (let round = 0; ; round++) {
    const pids = unknown(known);
    if (pids.length === 0) break;
    if (round === ROUNDS) {
      blind = true;
      break;
    }
    const { mappings, unreadable } = mappingsOf(files, pids);
    if (unreadable.some((pid) => (startTimeOf(pid) ?? 0) > since)) blind = true;
    for (const m of mappings) {
      const file = files.findIndex((each) => each.device === m.device && each.ino === m.ino);
      const mapping = { pid: m.pid, file, offset: m.offset, length: m.end - m.start };
      found.set(`${m.pid} ${file} ${m.offset} ${mapping.length}`, mapping);
    }
    descriptorsIn(pids);
  }
  if (found.size + descriptors.size === 0) descriptorsIn(allProcesses());
  return { id, mappings: [...found.values()], descriptors: [...descriptors], inFlight, blind };
}

/** Processes that `known` does not have yet, and has then: by pid and start time, so that a number used again is a new one. */
function unknown(known: Set<string>): number[] {
  return allProcesses().filter((pid) => {
    const name = `${pid} ${startTimeOf(pid) ?? ''}`;
    if (known.has(name)) return false;
    known.add(name);
    return true;
  });
}

parentPort?.on('message', (job: MapperJob) => parentPort?.postMessage(look(job)));
