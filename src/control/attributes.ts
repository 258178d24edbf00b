import type { AttrSource } from '../fuse/replies.ts';
import { type Inode, S } from '../namespace/inode.ts';
import { isLive } from './deviceWindow.ts';
import type { Directs } from './directs.ts';
import { FIXED, type FixedName, fixedId, nodeId, nodeOf } from './nodes.ts';
import type { ControlPorts } from './ports.ts';

/**
 * The size that `ctl` shows. Writes inside of a file's size may run in parallel in the kernel; beyond it each takes the inode
 * lock alone, and one that waits would keep out the `return` it waits for.
 */
const CTL_SIZE = 1 << 20;

const MODES: Record<FixedName, number> = {
  '.': S.IFDIR | 0o555,
  ctl: S.IFREG | 0o666,
  events: S.IFREG | 0o444,
  leases: S.IFREG | 0o444,
  quarantine: S.IFREG | 0o444,
  waiters: S.IFREG | 0o444,
  stats: S.IFREG | 0o444,
  version: S.IFREG | 0o444,
  lease: S.IFDIR | 0o555,
  device: S.IFDIR | 0o555,
  direct: S.IFDIR | 0o555,
};

/** Attributes of nodes of the hidden directory. */
export class Attributes {
  private readonly ports: ControlPorts;
  private readonly directs: Directs;
  /** When the daemon began, in seconds: the time stamps of what is no file. */
  private readonly since: number;

  constructor(ports: ControlPorts, directs: Directs) {
    this.ports = ports;
    this.directs = directs;
    const now = { seconds: 0, nanoseconds: 0 };
    ports.clock.realtime(now);
    this.since = now.seconds;
  }

  /** undefined: there is no such node, or not any more. */
  of(nodeid: number): AttrSource | undefined {
    const node = nodeOf(nodeid);
    if (node === undefined) return undefined;
    switch (node.area) {
      case 'fixed': {
        const name = FIXED[node.number];
        if (name === undefined) return undefined;
        return this.plain(nodeid, MODES[name], this.ports.options.uid ?? 0, name === 'ctl' ? CTL_SIZE : 0);
      }
      case 'session':
        return this.plain(fixedId('ctl'), MODES.ctl, this.ports.options.uid ?? 0, CTL_SIZE);
      case 'lease':
      case 'device':
        return this.window(nodeid, node.area, node.number);
      case 'tree':
        return mirror(this.ports.inodes.get(node.number), nodeid, this.ports.device.blockSize);
      case 'direct': {
        const ino = this.directs.inoOf(nodeid);
        // The number that stat(2) tells is the same for every look-up, as programs compare it.
        return mirror(this.ports.inodes.get(ino), nodeId('direct', ino), this.ports.device.blockSize);
      }
    }
  }

  private window(nodeid: number, area: 'lease' | 'device', id: number): AttrSource | undefined {
    const { leases, inodes, device, options } = this.ports;
    const lease = leases.find(id);
    if (!lease || !isLive(lease.state)) return undefined;
    if (area === 'device') return this.plain(nodeid, S.IFREG | 0o600, options.uid ?? 0, device.size);
    const size = Math.min(lease.offset + lease.length, inodes.get(lease.ino)?.size ?? 0);
    return this.plain(nodeid, S.IFREG | (lease.mode === 'rw' ? 0o600 : 0o400), lease.holder.uid, size);
  }

  private plain(ino: number, mode: number, uid: number, size: number): AttrSource {
    const isDirectory = (mode & S.IFMT) === S.IFDIR;
    const since = { atimeS: this.since, atimeNs: 0, mtimeS: this.since, mtimeNs: 0, ctimeS: this.since, ctimeNs: 0 };
    return { ino, mode, nlink: isDirectory ? 2 : 1, uid, gid: 0, rdev: 0, size, blocks512: 0, ...since };
  }
}

/** A file's own attributes under another number: `.layout/direct` shows directories and regular files only. */
function mirror(inode: Inode | undefined, ino: number, blockSize: number): AttrSource | undefined {
  if (!inode || !(inode.isDirectory || inode.isRegular)) return undefined;
  const { mode, nlink, uid, gid, size, blocks, atimeS, atimeNs, mtimeS, mtimeNs, ctimeS, ctimeNs } = inode;
  const times = { atimeS, atimeNs, mtimeS, mtimeNs, ctimeS, ctimeNs };
  return { ino, mode, nlink, uid, gid, rdev: 0, size, blocks512: blocks * (blockSize / 512), ...times };
}
