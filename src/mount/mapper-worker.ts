import { readdirSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { type MappedFile, mappingsOf, startTimeOf } from '../system/process.ts';

export interface MapperJob {
  readonly id: number;
  /** Clock ticks since boot: processes older than that which may not be looked into do not count. */
  readonly since: number;
  readonly files: readonly MappedFile[];
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
  /** Some process may not be looked into: the answer is not the whole truth. */
  readonly blind: boolean;
}

/** Rounds after which a host that forks faster than it is read is told "not known". */
const ROUNDS = 50;

/**
 * Looks through all processes until a look finds no process that the looks before did not know. Why that is enough:
 * a mapping comes into being by mmap of a descriptor or by fork. A process that had the mapping when it was read is
 * found. One that had it and was gone before it was read left it at most to children, which are new processes: the next
 * look reads them. That nobody makes a new mapping meanwhile is up to the caller (see processes.ts).
 */
function look({ id, since, files }: MapperJob): MapperAnswer {
  const known = new Set<string>();
  const found = new Map<string, FoundMapping>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const process of processes()) known.add(process);
    const { mappings, unreadable } = mappingsOf(files);
    if (unreadable.some((pid) => (startTimeOf(pid) ?? 0) > since))
      return { id, mappings: [...found.values()], blind: true };
    for (const m of mappings) {
      const file = files.findIndex((each) => each.device === m.device && each.ino === m.ino);
      const mapping = { pid: m.pid, file, offset: m.offset, length: m.end - m.start };
      found.set(`${m.pid} ${file} ${m.offset} ${mapping.length}`, mapping);
    }
    const now = processes();
    if (now.every((process) => known.has(process))) break;
    if (round === ROUNDS - 1) return { id, mappings: [...found.values()], blind: true };
  }
  return { id, mappings: [...found.values()], blind: false };
}

/** All processes, each by pid and start time, so that a number used again is a new process. */
function processes(): string[] {
  const list: string[] = [];
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name)) list.push(`${name} ${startTimeOf(Number(name)) ?? ''}`);
  }
  return list;
}

parentPort?.on('message', (job: MapperJob) => parentPort?.postMessage(look(job)));
