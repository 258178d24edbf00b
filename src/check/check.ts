import { blocks } from './blocks.ts';
import { orphans, symlinks, xattrs } from './contents.ts';
import { Cancelled, type Check, Context } from './context.ts';
import { counters } from './counters.ts';
import { extents } from './extents.ts';
import { header } from './header.ts';
import { inodes } from './inodes.ts';
import { leases } from './leases.ts';
import { names } from './names.ts';
import { openForCheck, Unusable } from './open.ts';
import { type CheckOptions, type CheckReport, FSCK_EXIT } from './report.ts';
import { sqlite } from './sqlite.ts';
import { links, tree } from './tree.ts';

/**
 * All checks, in the order in which each may rely on what the ones before it mended: the database, the inodes, what
 * belongs to one inode, the names, the tree they make, and at last who has which block.
 */
const CHECKS: readonly Check[] = [
  sqlite,
  header,
  inodes,
  symlinks,
  xattrs,
  names,
  tree,
  links,
  orphans,
  extents,
  leases,
  blocks,
  counters,
];

/**
 * Checks, and by mode repairs, the volume whose device is `image`, without mounting it.
 * All repairs are one transaction: a run that is cancelled or fails has changed nothing but what a mount would have
 * recovered. A volume of a newer minor version is only read.
 * Never throws for what is wrong with the volume: the report says it.
 */
export async function check(image: string, options: CheckOptions): Promise<CheckReport> {
  const began = performance.now();
  const report = emptyReport(image, options);
  try {
    await checkOpened(image, options, report);
  } catch (error) {
    undo(report);
    if (error instanceof Cancelled) report.cancelled = true;
    else report.refused = (error as Error).message;
  }
  report.seconds = (performance.now() - began) / 1000;
  report.exitCode = exitCode(report);
  return report;
}

function emptyReport(image: string, options: CheckOptions): CheckReport {
  return {
    image,
    uuid: '',
    mode: options.mode,
    problems: [],
    found: 0,
    repaired: 0,
    counts: {},
    totals: { inodes: 0, directories: 0, extents: 0, blocks: 0, used: 0, quarantined: 0 },
    notes: [],
    cancelled: false,
    seconds: 0,
    exitCode: 0,
  };
}

/** The transaction was rolled back: nothing that was mended in it is. */
function undo(report: CheckReport): void {
  for (const problem of report.problems) problem.repaired = false;
  report.repaired = 0;
}

function exitCode(report: CheckReport): number {
  let code: number = FSCK_EXIT.CLEAN;
  if (report.repaired > 0) code |= FSCK_EXIT.CORRECTED;
  if (report.found > report.repaired) code |= FSCK_EXIT.UNCORRECTED;
  if (report.refused !== undefined) code |= FSCK_EXIT.OPERATIONAL;
  if (report.cancelled) code |= FSCK_EXIT.CANCELLED;
  return code;
}

async function checkOpened(image: string, options: CheckOptions, report: CheckReport): Promise<void> {
  if (options.online && options.mode !== 'report')
    throw new Unusable('a volume in use can only be checked, not mended');
  const opened = await openForCheck(image, { write: options.mode !== 'report', online: options.online === true });
  try {
    const write = options.mode !== 'report' && opened.readOnlyBecause === undefined;
    if (options.mode !== 'report' && !write) {
      report.refused = opened.readOnlyBecause;
      report.mode = 'report';
    }
    report.uuid = opened.row.uuid;
    report.notes.push(...opened.notes);
    const context = new Context({
      opened,
      report,
      now: options.now ?? Math.floor(Date.now() / 1000),
      limit: options.limit ?? 1000,
      signal: options.signal,
    });
    opened.db.exec(write ? 'BEGIN IMMEDIATE' : 'BEGIN');
    for (const [index, one] of CHECKS.entries()) {
      const at = { check: one.name, step: index + 1, steps: CHECKS.length };
      context.onRows = (done, total) => options.progress?.({ ...at, done, total });
      context.onRows(0, 0);
      await context.perform(one);
      if (context.stop) break;
    }
    if (write && report.repaired > 0) {
      context.commit();
      opened.db.pragma('wal_checkpoint(TRUNCATE)');
    }
  } finally {
    if (opened.db.inTransaction) opened.db.exec('ROLLBACK');
    opened.close();
  }
}
