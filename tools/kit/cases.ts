import type { Case } from './case.ts';
import { COMPATIBILITY_CASES } from './cases/compatibility.ts';
import { LEASE_CASES } from './cases/lease.ts';
import { RECALL_CASES } from './cases/recall.ts';
import { SURFACE_CASES } from './cases/surface.ts';

export const CASES: readonly Case[] = [...SURFACE_CASES, ...LEASE_CASES, ...COMPATIBILITY_CASES, ...RECALL_CASES];

/** Verbs of the protocol that no case can try: `inject` is for test mounts, `freeze` and `thaw` stop all others. */
export const NOT_TRIED: readonly string[] = ['inject', 'freeze', 'thaw'];
