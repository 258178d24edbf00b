import fc from 'fast-check';

/** One seed for every random test. Fixed, so that a run can be repeated; LAYOUTFS_SEED=n takes another. */
export const seed = Number(process.env.LAYOUTFS_SEED ?? 20_240_229);

if (!Number.isSafeInteger(seed)) throw new Error(`LAYOUTFS_SEED=${process.env.LAYOUTFS_SEED} is not a whole number`);

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });

/** A small generator for tests that need numbers rather than fast-check values (mulberry32): uniform in [0, 1). */
export function generator(from: number = seed): () => number {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
