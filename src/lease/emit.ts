import type { Core } from './core.ts';
import type { EventName, LeaseEvent } from './events.ts';
import type { Lease } from './lease.ts';

/** Tells the holder's session (or only the filesystem's stream) what happened to a lease. */
export function emit(
  core: Core,
  lease: Lease,
  event: EventName,
  reason: string,
  more: Partial<LeaseEvent> = {},
  to: 'holder' | 'stream' = 'holder',
): void {
  core.ports.notify(to === 'holder' ? lease.holder.session : 0, {
    event,
    lease: lease.id,
    seq: lease.seq,
    ino: lease.ino,
    path: lease.path,
    offset: lease.offset,
    length: lease.length,
    kind: kindText(lease),
    reason,
    ...more,
  });
}

/** "direct unbreakable", "layout rw": as a request would name it. */
export function kindText(lease: Lease): string {
  const { kind, mode, unbreakable } = lease.terms;
  if (kind === 'layout') return `layout ${mode}`;
  return kind === 'direct' && unbreakable ? 'direct unbreakable' : kind;
}
