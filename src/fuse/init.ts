/**
 * INIT, the first request of a connection: versions and features are agreed on. A feature is used when both sides name
 * its flag; the version number by itself promises only the layout of the structs.
 */
import { readFileSync } from 'node:fs';
import { E } from '../system/errno.ts';
import { INIT_FLAG_BITS, type InitFlag, MAJOR, NEWEST_MINOR, OLDEST_MINOR } from './protocol.ts';
import type { Request } from './request.ts';
import { encode, sizeOf } from './structs.ts';

/** Bytes of a page, the unit of max_pages. */
export const PAGE = 4096;

/** What the filesystem asks of the kernel. */
export interface Wanted {
  /** Features to use where the kernel offers them. MAX_PAGES and INIT_EXT are added by themselves. */
  flags: readonly InitFlag[];
  /** Largest WRITE and READ in bytes; default 1 MiB, at most what sysctl fs.fuse.max_pages_limit allows. */
  maxWrite?: number;
  /** Bytes; default and maximum what the kernel offers. */
  maxReadahead?: number;
  /** Asynchronous requests in flight before the kernel queues them; default 64. */
  maxBackground?: number;
  /** Asynchronous requests in flight before the kernel calls the mount congested; default 3/4 of `maxBackground`. */
  congestionThreshold?: number;
  /** Nanoseconds that times are rounded to; default 1. */
  timeGranularity?: number;
  /** With PASSTHROUGH: how deep filesystems may be stacked, 1 or 2; default 1. */
  maxStackDepth?: number;
  /** With REQUEST_TIMEOUT: seconds after which the kernel gives a request, and the connection, up. */
  requestTimeout?: number;
}

/** What was agreed on; the plain form that a supervisor keeps and hands to the next daemon. */
export interface SavedInfo {
  minor: number;
  /** Names of the flags in use. */
  flags: InitFlag[];
  /** Bytes. */
  maxWrite: number;
  maxPages: number;
  /** Bytes. */
  maxReadahead: number;
}

/** What was agreed on with the kernel. */
export class ConnectionInfo {
  readonly minor: number;
  readonly maxWrite: number;
  readonly maxPages: number;
  readonly maxReadahead: number;
  private readonly names: ReadonlySet<InitFlag>;

  constructor(saved: SavedInfo) {
    this.minor = saved.minor;
    this.maxWrite = saved.maxWrite;
    this.maxPages = saved.maxPages;
    this.maxReadahead = saved.maxReadahead;
    this.names = new Set(saved.flags);
  }

  /** Whether both sides use the feature. */
  has(flag: InitFlag): boolean {
    return this.names.has(flag);
  }

  get flags(): InitFlag[] {
    return [...this.names];
  }

  /** Plain form, to be given back as `saved` to a session on the same connection. */
  toJSON(): SavedInfo {
    const { minor, flags, maxWrite, maxPages, maxReadahead } = this;
    return { minor, flags, maxWrite, maxPages, maxReadahead };
  }
}

/** Largest number of pages that the kernel lets a request have (sysctl fs.fuse.max_pages_limit, Linux 6.13). */
export function maxPagesLimit(): number {
  try {
    return Number(readFileSync('/proc/sys/fs/fuse/max_pages_limit', 'ascii')) || 256;
  } catch {
    return 256;
  }
}

/** Largest request payload in bytes that a session will have to take or give, before the kernel was heard. */
export function payloadLimit(wanted: Wanted): number {
  const bytes = Math.min(wanted.maxWrite ?? 1 << 20, maxPagesLimit() * PAGE);
  return Math.max(PAGE, Math.ceil(bytes / PAGE) * PAGE);
}

/** Whether bit `flag` is in the pair of words. */
function offered(low: number, high: number, flag: InitFlag): boolean {
  const bit = INIT_FLAG_BITS[flag];
  return ((bit < 32 ? low >>> bit : high >>> (bit - 32)) & 1) === 1;
}

/**
 * Answers an INIT request. Returns what was agreed on; or undefined when the kernel speaks a newer major version, is
 * told ours and asks again; or an errno (EPROTO) when it is too old, which ends the connection.
 */
export function negotiate(request: Request, wanted: Wanted): ConnectionInfo | undefined | number {
  const major = request.u32(0);
  const minor = request.u32(4);
  const { out } = request;
  if (major > MAJOR) {
    encode('init_out', out.view, out.start, { major: MAJOR, minor: NEWEST_MINOR });
    request.ok(sizeOf('init_out'));
    return undefined;
  }
  if (major < MAJOR || minor < OLDEST_MINOR) {
    request.error(E.PROTO);
    return E.PROTO;
  }
  const low = request.u32(12);
  const extended = offered(low, 0, 'INIT_EXT') && request.end >= request.body + 20;
  const high = extended ? request.u32(16) : 0;

  const payload = payloadLimit(wanted);
  const automatic: InitFlag[] = ['MAX_PAGES', 'INIT_EXT'];
  const flags = [...new Set([...wanted.flags, ...automatic])].filter((flag) => offered(low, high, flag));
  if (!extended && flags.includes('INIT_EXT')) flags.splice(flags.indexOf('INIT_EXT'), 1);
  const maxPages = flags.includes('MAX_PAGES') ? payload / PAGE : 32;
  const saved: SavedInfo = {
    minor: Math.min(minor, NEWEST_MINOR),
    flags,
    maxWrite: Math.min(payload, maxPages * PAGE),
    maxPages,
    maxReadahead: Math.min(wanted.maxReadahead ?? Number.POSITIVE_INFINITY, request.u32(8)),
  };
  const words = [0, 0];
  for (const flag of flags) words[INIT_FLAG_BITS[flag] >>> 5] |= 1 << (INIT_FLAG_BITS[flag] & 31);
  const background = wanted.maxBackground ?? 64;
  encode('init_out', out.view, out.start, {
    major: MAJOR,
    minor: saved.minor,
    max_readahead: saved.maxReadahead,
    flags: words[0],
    max_background: background,
    congestion_threshold: wanted.congestionThreshold ?? Math.floor((background * 3) / 4),
    max_write: saved.maxWrite,
    time_gran: wanted.timeGranularity ?? 1,
    max_pages: maxPages,
    flags2: words[1],
    max_stack_depth: flags.includes('PASSTHROUGH') ? (wanted.maxStackDepth ?? 1) : 0,
    request_timeout: flags.includes('REQUEST_TIMEOUT') ? (wanted.requestTimeout ?? 0) : 0,
  });
  request.ok(sizeOf('init_out'));
  return new ConnectionInfo(saved);
}
