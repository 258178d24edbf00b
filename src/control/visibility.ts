import { resolveFor } from './paths.ts';
import type { Caller, ControlPorts } from './ports.ts';

/**
 * What of leases somebody may see: leases of his own, and those on files that he may stat, that is, whose path he can
 * walk (leases.md section 2). Paths of a listing are walked once each.
 */
export function visibleTo(
  ports: ControlPorts,
  caller: Caller,
): (of: { ino: number; path: Uint8Array; uid?: number }) => boolean {
  if (caller.privileged) return () => true;
  const seen = new Map<string, boolean>();
  return ({ ino, path, uid }) => {
    if (uid === caller.uid) return true;
    const key = `${ino} ${Buffer.from(path).toString('latin1')}`;
    const known = seen.get(key);
    if (known !== undefined) return known;
    const inode = resolveFor(ports, path, caller);
    const visible = typeof inode !== 'number' && inode.ino === ino;
    seen.set(key, visible);
    return visible;
  };
}
