import { type Change, type Cut, durableAt, FILES, type FileName, type History, SECTOR } from './files.ts';

/** Which of the changes that were not synced reached the medium, for one file. */
export type Choice =
  | { readonly kind: 'all' | 'none' }
  /** All but this change (and what came after it in the same sectors). */
  | { readonly kind: 'drop'; readonly at: number }
  /** None but this change (and what was before it in the same sectors). */
  | { readonly kind: 'only'; readonly at: number }
  /** Those before a place. */
  | { readonly kind: 'upto'; readonly at: number }
  /** Any version of every sector, by a seed. */
  | { readonly kind: 'torn'; readonly seed: number };

/** A state of the medium after a crash: enough, with the recording, to make it again. */
export interface CrashState {
  /** The crash comes before this record. */
  readonly prefix: number;
  readonly choices: Readonly<Record<FileName, Choice>>;
}

const ALL: Choice = { kind: 'all' };
const NONE: Choice = { kind: 'none' };

/** The states to try for a crash at `prefix`. `seeds`: how many times each file is torn at random. */
export function statesAt(histories: Record<FileName, History>, prefix: number, seeds: number): CrashState[] {
  const pending = Object.fromEntries(FILES.map((file) => [file, pendingAt(histories[file], prefix)]));
  const out: CrashState[] = [];
  const add = (some: Partial<Record<FileName, Choice>>, others: Choice): void => {
    out.push({ prefix, choices: { device: others, wal: others, database: others, ...some } });
  };
  add({}, ALL);
  if (FILES.every((file) => pending[file].length === 0)) return out;
  add({}, NONE);
  for (const file of FILES) {
    if (pending[file].length === 0) continue;
    add({ [file]: NONE }, ALL);
    add({ [file]: ALL }, NONE);
    if (pending[file].length > 1) {
      for (const { at } of spread(pending[file])) {
        add({ [file]: { kind: 'drop', at } }, ALL);
        add({ [file]: { kind: 'only', at } }, ALL);
        add({ [file]: { kind: 'upto', at } }, ALL);
      }
    }
    for (let i = 0; i < seeds; i++) {
      const seed = prefix * 8191 + i * 131 + file.length;
      add({ [file]: { kind: 'torn', seed } }, ALL);
      add({ [file]: { kind: 'torn', seed } }, NONE);
    }
  }
  return out;
}

const MANY = 8;

/** Not more than a handful of a long list: its ends, and some between. */
function spread(changes: readonly Change[]): readonly Change[] {
  if (changes.length <= MANY) return changes;
  return Array.from({ length: MANY }, (_, i) => changes[Math.round((i * (changes.length - 1)) / (MANY - 1))]);
}

export function pendingAt(history: History, prefix: number): Change[] {
  const durable = durableAt(history, prefix);
  return history.changes.filter(({ at }) => at >= durable && at < prefix);
}

/** The choice as a function of the sector. */
export function cutOf(choice: Choice, pending: readonly Change[]): Cut {
  switch (choice.kind) {
    case 'all':
      return () => Number.POSITIVE_INFINITY;
    case 'none':
      return () => 0;
    case 'upto':
      return () => choice.at;
    case 'drop':
    case 'only': {
      const touched = sectorsOf(pending.find(({ at }) => at === choice.at));
      const [inside, outside] = choice.kind === 'drop' ? [choice.at, Number.POSITIVE_INFINITY] : [choice.at + 1, 0];
      return (sector) => (touched(sector) ? inside : outside);
    }
    case 'torn': {
      const places = [0, ...pending.map(({ at }) => at + 1)];
      return (sector) => places[mixed(choice.seed, sector) % places.length];
    }
  }
}

function sectorsOf(change: Change | undefined): (sector: number) => boolean {
  if (!change) return () => false;
  const first = Math.floor(change.offset / SECTOR);
  const last = Math.floor((change.offset + Math.max(1, change.length) - 1) / SECTOR);
  return (sector) => sector >= first && sector <= last;
}

/** A well mixed number of two: the same on every machine. */
function mixed(seed: number, value: number): number {
  let x = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(value + 1, 0xc2b2ae35);
  x ^= x >>> 16;
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  return x >>> 0;
}

/** What the medium holds, in so few words that states which are the same have the same. */
export function keyOf(histories: Record<FileName, History>, state: CrashState): string {
  const words: string[] = [];
  for (const file of FILES) {
    const history = histories[file];
    const durable = durableAt(history, state.prefix);
    const cut = cutOf(state.choices[file], pendingAt(history, state.prefix));
    let whole = 0;
    const rest: string[] = [];
    for (const { at, offset, length } of history.changes) {
      if (at >= state.prefix) break;
      const sectors: number[] = [];
      const last = Math.floor((offset + Math.max(1, length) - 1) / SECTOR);
      let missing = false;
      for (let sector = Math.floor(offset / SECTOR); sector <= last; sector++) {
        if (at < durable || cut(sector) > at) sectors.push(sector);
        else missing = true;
      }
      if (!missing && rest.length === 0) whole++;
      else if (sectors.length > 0) rest.push(`${at}:${missing ? sectors.join(',') : '*'}`);
    }
    words.push(`${whole};${rest.join(' ')}`);
  }
  return words.join('|');
}
