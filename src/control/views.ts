import { isLive } from './deviceWindow.ts';
import { escapeBytes } from './grammar/bytes.ts';
import type { ControlPorts, Inode } from './ports.ts';
import { leaseItem } from './verbs/ask.ts';
import { listExtents } from './verbs/extents.ts';

/** Lines at most: the value of an attribute is 64 KiB. */
const MAX_LINES = 500;

/** The read-only attributes `user.layout.*` of regular files. */
const VIEWS: Record<string, (ports: ControlPorts, inode: Inode) => string> = {
  'user.layout.extents': (ports, inode) => {
    const { extents, next } = listExtents(ports, inode, 0, Number.POSITIVE_INFINITY, MAX_LINES);
    const lines = extents.map(({ offset, device, length, state }) => `${offset} ${device ?? '-'} ${length} ${state}\n`);
    return lines.join('') + (next === null ? '' : `${next} …\n`);
  },
  'user.layout.lease': ({ leases }, inode) =>
    leases
      .list({ ino: inode.ino })
      .filter(({ state }) => isLive(state))
      .slice(0, MAX_LINES)
      .map(leaseItem)
      .map(({ id, kind, mode, state, offset, length, holder }) => {
        const command = escapeBytes(Buffer.from(holder.command));
        return `${id} ${kind} ${mode} ${state} ${offset}-${length === null ? '' : offset + length} ${holder.pid} ${command}\n`;
      })
      .join(''),
  'user.layout.generation': (_ports, inode) => `${inode.gen}`,
  'user.layout.sealed': (_ports, inode) => `${inode.sealed === 0 ? 0 : 1}`,
};

/** The value of `user.layout.NAME`, undefined when there is no such view or the file has none. */
export function view(ports: ControlPorts, inode: Inode, name: Buffer): Buffer | undefined {
  const key = name.toString('latin1');
  if (!inode.isRegular || !Object.hasOwn(VIEWS, key)) return undefined;
  return Buffer.from(VIEWS[key]?.(ports, inode) ?? '', 'utf8');
}
