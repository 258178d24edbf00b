import { type Dump, dump } from './dump.ts';
import { SECTOR } from './files.ts';
import type { Step } from './operations.ts';

/** What a workload has told its caller, in the order of its steps: the measure of what a crash may leave. */
export interface Journal {
  /** State of the tree before the first step, and after each. */
  readonly dumps: Dump[];
  /** Place in the recording at which each of those states began to exist; 0 for the first. */
  readonly began: number[];
  /** How the step that led to each state moved contents. */
  readonly moves: Step['moves'][];
  /** Promises: place in the recording where the reply went out, and the state that it covers. */
  readonly promises: { at: number; state: number; metadata: boolean; data: boolean }[];
}

/** States of the tree that a crash before record `prefix` may leave: from one that was promised to the newest begun. */
export interface Bounds {
  /** The metadata is at least that of this state … */
  readonly metadata: number;
  /** … contents at least those of this one … */
  readonly data: number;
  /** … and neither is newer than this one. */
  readonly newest: number;
}

export function boundsAt(journal: Journal, prefix: number): Bounds {
  let metadata = 0;
  let data = 0;
  for (const promise of journal.promises) {
    if (promise.at > prefix) continue;
    if (promise.metadata || promise.data) metadata = Math.max(metadata, promise.state);
    if (promise.data) data = Math.max(data, promise.state);
  }
  let newest = metadata;
  while (newest + 1 < journal.began.length && journal.began[newest + 1] < prefix) newest++;
  return { metadata, data, newest };
}

/** Why the recovered tree is none that a crash may leave; undefined when it is one. */
export function judge(recovered: Dump, journal: Journal, bounds: Bounds): string | undefined {
  let matches = false;
  for (let i = bounds.metadata; i <= bounds.newest && !matches; i++) {
    matches = journal.dumps[i].metadata === recovered.metadata;
  }
  if (!matches) {
    return `the tree is none of states ${bounds.metadata}..${bounds.newest}: ${difference(recovered, journal, bounds)}`;
  }
  for (const [ino, bytes] of recovered.contents) {
    const wrong = judgeContents(ino, bytes, journal, bounds);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

const ZEROS = Buffer.alloc(SECTOR);

/**
 * Every sector holds what some state since the last promise had there; a file that had nothing there reads as zeros. So
 * a promise of data leaves its contents no choice, and contents of another file are never right.
 */
function judgeContents(ino: number, bytes: Buffer, journal: Journal, bounds: Bounds): string | undefined {
  for (let at = 0; at < bytes.length; at += SECTOR) {
    const sector = bytes.subarray(at, at + SECTOR);
    let allowed = false;
    for (let i = bounds.data; i <= bounds.newest && !allowed; i++) {
      allowed = contentsAt(journal.dumps[i].contents.get(ino), at, sector.length).equals(sector);
    }
    if (allowed || isMixture(sector, ino, at, journal, bounds) || wasMoved(sector, ino, journal, bounds)) continue;
    return `inode ${ino} at ${at}: ${sector.toString('hex', 0, 16)}… is in none of states ${bounds.data}..${bounds.newest}`;
  }
  return undefined;
}

/** Of two changes of one sector in memory the second may be there while the metadata that ends the file before is not. */
function isMixture(sector: Buffer, ino: number, at: number, journal: Journal, bounds: Bounds): boolean {
  const versions: Buffer[] = [];
  for (let i = bounds.data; i <= bounds.newest; i++) {
    versions.push(contentsAt(journal.dumps[i].contents.get(ino), at, sector.length));
  }
  return sector.every((byte, i) => versions.some((version) => version[i] === byte));
}

/** Old contents of blocks that were overwritten, and then moved with their place, before any sync. */
function wasMoved(sector: Buffer, ino: number, journal: Journal, bounds: Bounds): boolean {
  for (let to = bounds.data + 1; to <= bounds.newest; to++) {
    const moves = journal.moves[to];
    if (moves === undefined) continue;
    for (let i = bounds.data; i < to; i++) {
      for (const [from, contents] of journal.dumps[i].contents) {
        if (moves === 'inside' && from !== ino) continue;
        for (let at = 0; at < contents.length; at += SECTOR) {
          if (contentsAt(contents, at, sector.length).equals(sector)) return true;
        }
      }
    }
  }
  return false;
}

function contentsAt(contents: Buffer | undefined, at: number, length: number): Buffer {
  const there = contents?.subarray(at, at + length) ?? Buffer.alloc(0);
  return there.length === length ? there : Buffer.concat([there, ZEROS.subarray(0, length - there.length)]);
}

/** The first line that differs from the newest state allowed. */
function difference(recovered: Dump, journal: Journal, bounds: Bounds): string {
  const found = recovered.metadata.split('\n');
  const lists = [bounds.metadata, bounds.newest].map((i) => journal.dumps[i].metadata.split('\n'));
  return lists
    .map((lines) => {
      const more = found.filter((line) => !lines.includes(line));
      const less = lines.filter((line) => !found.includes(line));
      return `[found ${more.join('; ')}] [expected ${less.join('; ')}]`;
    })
    .join(' or ');
}

export { dump };
