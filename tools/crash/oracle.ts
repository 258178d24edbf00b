import type { Dump } from './dump.ts';
import { SECTOR } from './files.ts';
import { after, before, type Move, type Place } from './moves.ts';

/** What a workload has told its caller, in the order of its steps: the measure of what a crash may leave. */
export interface Journal {
  /** State of the tree before the first step, and after each. */
  readonly dumps: Dump[];
  /** Place in the recording at which each of those states began to exist; 0 for the first. */
  readonly began: number[];
  /** How the step that led to each state moved contents. */
  readonly moves: (Move | undefined)[];
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
  let problem: string | undefined;
  for (let state = bounds.metadata; state <= bounds.newest; state++) {
    if (journal.dumps[state].metadata !== recovered.metadata) continue;
    const wrong = judgeContents(recovered, state, journal, bounds);
    if (wrong === undefined) return undefined;
    problem ??= wrong;
  }
  if (problem !== undefined) return problem;
  return `the tree is none of states ${bounds.metadata}..${bounds.newest}: ${difference(recovered, journal, bounds)}`;
}

/**
 * Every sector holds what some state since the last promise had there; a file that had nothing there reads as zeros. So
 * a promise of data leaves its contents no choice, and contents of another file are never right. "There" follows the
 * blocks: where an operation moved or shared them, a sector is looked for where it was before, or came to be after, the
 * state whose metadata was recovered, and nowhere else.
 */
function judgeContents(recovered: Dump, state: number, journal: Journal, bounds: Bounds): string | undefined {
  for (const [ino, bytes] of recovered.contents) {
    for (let at = 0; at < bytes.length; at += SECTOR) {
      const sector = bytes.subarray(at, at + SECTOR);
      if (contentsAt(journal.dumps[state].contents.get(ino), at, sector.length).bytes.equals(sector)) continue;
      const versions = versionsOf({ ino, at }, sector.length, state, journal, bounds);
      if (versions.some(({ bytes }) => bytes.equals(sector)) || isOverlaid(sector, versions)) continue;
      return `inode ${ino} at ${at}: ${sector.toString('hex', 0, 16)}… is in none of states ${bounds.data}..${bounds.newest}`;
    }
  }
  return undefined;
}

/** What a place held in one state. */
interface Version {
  /** Zeros behind the end of the file. */
  readonly bytes: Buffer;
  /** Bytes before the end of the file. */
  readonly valid: number;
}

/** What the sector at a place of `state` held in all states since the last promise of data, in their order. */
function versionsOf(place: Place, length: number, state: number, journal: Journal, bounds: Bounds): Version[] {
  const { dumps, moves } = journal;
  const earlier: Version[] = [];
  for (let i = state, there: Place | undefined = place; there !== undefined && i >= bounds.data; i--) {
    earlier.push(contentsAt(dumps[i].contents.get(there.ino), there.at, length));
    const move = moves[i];
    if (move !== undefined) there = before(move, there);
  }
  const versions = earlier.reverse();
  let there: Place | undefined = place;
  for (let i = state + 1; i <= bounds.newest; i++) {
    const move = moves[i];
    if (move !== undefined) there = after(move, there);
    if (there === undefined) break;
    versions.push(contentsAt(dumps[i].contents.get(there.ino), there.at, length));
  }
  return versions;
}

/**
 * Whether a sector is one version with the changes of the next ones on it, but for the ends of the file that they set: the
 * metadata that cuts a file off may be lost while what was written into the same sector afterwards is not.
 */
function isOverlaid(sector: Buffer, versions: readonly Version[]): boolean {
  for (let base = 0; base < versions.length; base++) {
    const bytes = Buffer.from(versions[base].bytes);
    for (let i = base + 1; i < versions.length; i++) {
      const [was, is] = [versions[i - 1].bytes, versions[i].bytes];
      for (let k = 0; k < versions[i].valid; k++) if (is[k] !== was[k]) bytes[k] = is[k];
      if (bytes.equals(sector)) return true;
    }
  }
  return false;
}

const ZEROS = Buffer.alloc(SECTOR);

function contentsAt(contents: Buffer | undefined, at: number, length: number): Version {
  const there = contents?.subarray(at, at + length) ?? ZEROS.subarray(0, 0);
  const bytes = there.length === length ? there : Buffer.concat([there, ZEROS.subarray(0, length - there.length)]);
  return { bytes, valid: there.length };
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
