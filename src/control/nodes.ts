/**
 * Node ids of the hidden directory: from 2^52 on, in areas of 2^48 numbers each. Files of the volume are below.
 * The id of a device window is what /proc/PID/maps names, so "who still maps lease 7" is a search for one number.
 */
export const CONTROL_BASE = 2 ** 52;
const AREA = 2 ** 48;

/** Entries with a fixed place, in the order readdir tells them. */
export const FIXED = [
  '.',
  'ctl',
  'events',
  'leases',
  'quarantine',
  'waiters',
  'stats',
  'version',
  'lease',
  'device',
  'direct',
] as const;
export type FixedName = (typeof FIXED)[number];

/**
 * Areas: fixed entries; windows by lease id; directories of `.layout/direct` by ino; and by a running number what each
 * look-up gives anew: `ctl`, and files of `.layout/direct`. Those have no two opens on one inode, so that a session
 * never waits for the inode lock of another one's write, and a revoked direct mapping shares no page with a live one.
 */
const AREAS = ['fixed', 'lease', 'device', 'tree', 'session', 'direct'] as const;
export type AreaName = (typeof AREAS)[number];

export function isControlNode(nodeid: number): boolean {
  return nodeid >= CONTROL_BASE;
}

export function nodeId(area: AreaName, number: number): number {
  return CONTROL_BASE + AREAS.indexOf(area) * AREA + number;
}

/** What a node id of the hidden directory stands for; undefined for ids that were never given out. */
export function nodeOf(nodeid: number): { area: AreaName; number: number } | undefined {
  const from = nodeid - CONTROL_BASE;
  const area = AREAS[Math.floor(from / AREA)];
  return from >= 0 && area !== undefined ? { area, number: from % AREA } : undefined;
}

export function fixedId(name: FixedName): number {
  return nodeId('fixed', FIXED.indexOf(name));
}

/** The inode number of a lease's device window. */
export function deviceWindowIno(lease: number): number {
  return nodeId('device', lease);
}

export const CONTROL_ROOT = fixedId('.');
