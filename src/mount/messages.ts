import { writeSync } from 'node:fs';
import type { LeaseEvent } from '../lease/events.ts';
import { Log, type Tell } from '../system/log.ts';
import { defaultMountOptions, type MountOptions, OPTIONS } from './options.ts';

/** The log of a mount, on stderr: a terminal, or the file that whoever started the daemon has opened there. */
export function logOf({ logLevel, logFormat }: Pick<MountOptions, 'logLevel' | 'logFormat'>): Log {
  return new Log({ level: logLevel, format: logFormat, write: toStderr });
}

/** Nobody reads any more, or the disk is full: a filesystem does not end for want of a place for its messages. */
function toStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // there is nobody to be told
  }
}

/** The options that are not the default, as they would be written after `-o`. */
export function describeOptions(options: MountOptions, without: readonly string[] = []): string {
  const defaults = defaultMountOptions();
  const words = OPTIONS.filter(({ name, field, type, sets = true }) => {
    if (options[field] === defaults[field] || name === 'debug' || name === 'trace' || without.includes(name))
      return false;
    return type !== 'flag' || options[field] === sets;
  }).map(({ name, field, type }) =>
    type === 'flag'
      ? name
      : `${name}=${String(options[field] ?? 'none')
          .replace(/[\\,]/g, '\\$&')
          .replace('Infinity', 'inf')}`,
  );
  return words.join(',');
}

/** Writes what happens to leases: for level debug. `layoutfs events` has the same with all its fields. */
export function leaseEvents(tell: Tell): (event: LeaseEvent) => void {
  return ({ event, lease, seq, ino, path, kind, reason, breaker, method, result }) =>
    tell('debug', event, {
      lease,
      seq,
      ino,
      path: path.toString('utf8'),
      kind,
      reason,
      breaker: breaker?.pid,
      operation: breaker?.operation,
      method,
      result,
    });
}
