import { OP } from '../fuse/protocol.ts';
import { ROOT_INO } from '../namespace/inode.ts';
import { E } from '../system/errno.ts';
import type { Directs } from './directs.ts';
import { type Detour, forward } from './forwarding.ts';
import { nodeId, nodeOf } from './nodes.ts';
import type { ControlPorts, Request } from './ports.ts';

/** Where the name begins in the requests that make one. */
const NEW_NAME: ReadonlyMap<number, number> = new Map([
  [OP.CREATE, 16],
  [OP.MKNOD, 16],
  [OP.MKDIR, 8],
  [OP.SYMLINK, 0],
]);
/** fuse_setattr_in.valid: the bit that changes the size. */
const SETATTR_SIZE = 8;
const RENAME_HEAD = { [OP.RENAME]: 8, [OP.RENAME2]: 16 };

/**
 * Names under `.layout/direct` are those of the volume, and so are attributes, extended attributes and links: what
 * changes them there is done to the volume. A new file is opened as itself, without a lease: it has no blocks yet that
 * could stay where they are.
 */
export class Tree {
  private readonly ports: ControlPorts;
  private readonly directs: Directs;

  constructor(ports: ControlPorts, directs: Directs) {
    this.ports = ports;
    this.directs = directs;
  }

  /** LOOKUP of what has no blocks to lease: it is shown as itself. */
  lookup(request: Request, parent: number): void {
    forward(this.ports, request, { ino: parent });
  }

  /** Does the request if it is about the tree; false when it is not, and nothing has happened. */
  handle(request: Request): boolean {
    const node = nodeOf(request.nodeid);
    const ino = node?.area === 'tree' ? node.number : node?.area === 'direct' ? this.directs.inoOf(request.nodeid) : 0;
    if (ino === 0) return false;
    const detour = node?.area === 'tree' ? this.ofName(request, ino) : undefined;
    const found = detour ?? this.ofInode(request, ino);
    if (found === undefined) return false;
    if (typeof found === 'number') request.error(found);
    else forward(this.ports, request, found);
    return true;
  }

  private ofName(request: Request, parent: number): Detour | number | undefined {
    const { opcode } = request;
    const newName = NEW_NAME.get(opcode);
    if (newName !== undefined) {
      const name = Buffer.from(request.name(newName));
      const asDirectory = (ino: number): number => this.directs.directory(request.nodeid, name, ino);
      return { ino: parent, names: [{ parent, name }], ...(opcode === OP.MKDIR ? { asDirectory } : {}) };
    }
    switch (opcode) {
      case OP.UNLINK:
      case OP.RMDIR: {
        const name = Buffer.from(request.name(0));
        return { ino: parent, names: [{ parent, name }], changed: this.ports.dentries.lookup(parent, name) };
      }
      case OP.RENAME:
      case OP.RENAME2: {
        const target = nodeOf(request.u64(0));
        if (target?.area !== 'tree') return E.XDEV;
        const first = request.name(RENAME_HEAD[opcode] as number);
        const from = { parent, name: Buffer.from(first) };
        const to = { parent: target.number, name: Buffer.from(request.nextName(first)) };
        const changed = this.ports.dentries.lookup(to.parent, to.name);
        return { ino: parent, target: target.number, names: [from, to], changed };
      }
      case OP.FSYNCDIR:
        return { ino: parent };
      default:
        return undefined;
    }
  }

  private ofInode(request: Request, ino: number): Detour | undefined {
    switch (request.opcode) {
      case OP.STATFS:
        return { ino: ROOT_INO };
      case OP.GETXATTR:
      case OP.LISTXATTR:
        return { ino };
      case OP.SETXATTR:
      case OP.REMOVEXATTR:
        return { ino, changed: ino };
      case OP.SETATTR:
        if ((request.u32(0) & SETATTR_SIZE) !== 0) return undefined;
        return {
          ino,
          changed: ino,
          shownAs: ino === nodeOf(request.nodeid)?.number ? request.nodeid : nodeId('direct', ino),
        };
      default:
        return undefined;
    }
  }
}
