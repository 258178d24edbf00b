export { type MountLine, mounts } from './clean-up.ts';
export { checkout, layoutfs, type MountedVolume, mountVolume, type VolumeOptions } from './mount.ts';
export { describeMounted, hasTool, whyNoMounts } from './needs.ts';
export { bash, check, ended, type Result, RunError, type RunOptions, run, sleep, until, within } from './run.ts';
export { generator, seed } from './seed.ts';
