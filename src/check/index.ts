export { check } from './check.ts';
export { renderReport } from './render.ts';
export type { CheckMode, CheckOptions, CheckReport, Problem, Progress } from './report.ts';
export { FSCK_EXIT } from './report.ts';
