import fc from 'fast-check';

/** One seed for every random test. Fixed, so that a run can be repeated; LAYOUTFS_SEED=n takes another. */
export const seed = Number(process.env.LAYOUTFS_SEED ?? 20_240_229);

if (!Number.isSafeInteger(seed)) throw new Error(`LAYOUTFS_SEED=${process.env.LAYOUTFS_SEED} is not a whole number`);

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
