export { FOREIGN_MOUNTS_AWAY } from './alone.ts';
export { type MountLine, mounts } from './clean-up.ts';
export { checkout, layoutfs, type MountedVolume, mountVolume, type VolumeOptions } from './mount.ts';
export { describeMounted, hasTool, whyNoMounts, whyNoOrdinaryUser, whyNoOtherUser } from './needs.ts';
export { generator } from './random.ts';
export { bash, check, ended, type Result, RunError, type RunOptions, run, sleep, until, within } from './run.ts';
export { seed } from './seed.ts';
