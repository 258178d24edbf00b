import { OP } from '../fuse/protocol.ts';
import { Request, type RequestOwner } from '../fuse/request.ts';
import { put64 } from '../fuse/structs.ts';
import type { ControlPorts } from './ports.ts';

/** Positions in fuse_entry_out and fuse_attr_out, the payloads that are changed on their way. */
const ENTRY = { NODEID: 0, ENTRY_VALID: 16, ATTR_VALID: 24, ATTR: 40 };
const ATTR_OUT = { VALID: 0, ATTR: 16 };

/** Operations whose reply begins with an entry. */
const WITH_ENTRY: ReadonlySet<number> = new Set([
  OP.LOOKUP,
  OP.CREATE,
  OP.MKNOD,
  OP.MKDIR,
  OP.SYMLINK,
  OP.LINK,
  OP.TMPFILE,
]);

/** What is different about a request that is done in another one's place. */
export interface Detour {
  /** Inode of the volume that it is about. */
  ino: number;
  /** For RENAME: the directory that the name goes to. */
  target?: number;
  /** Names in directories of the volume that are something else afterwards: the kernel forgets what it knew of them. */
  names?: readonly { parent: number; name: Buffer }[];
  /** An inode of the volume whose attributes change behind the kernel's back; 0 for none. */
  changed?: number;
  /** Node id for a new directory of this inode number, which the kernel shall know by that alone. */
  asDirectory?: (ino: number) => number;
  /** Inode number that attributes in the reply shall show. */
  shownAs?: number;
}

/**
 * Does a request on a node of `.layout/direct` as if it named an inode of the volume, and answers it with that reply.
 * The kernel keeps no name under `.layout/direct`, since nothing would tell it when the volume changes; and it hears
 * what changed in the directory itself before the caller goes on.
 */
export function forward(ports: ControlPorts, request: Request, detour: Detour): void {
  const outer = request.park();
  const bytes = Buffer.allocUnsafeSlow(outer.messageEnd);
  outer.bytes.copy(bytes, 0, 0, outer.messageEnd);
  const inner = new Request(new Detoured(ports, outer, detour), bytes, true);
  inner.load(outer.messageEnd);
  inner.nodeid = detour.ino;
  if (detour.target !== undefined) put64(inner.view, inner.body, detour.target);
  outer.onInterrupt = () => inner.interrupt();
  ports.operate(inner);
}

/** Takes the reply of the request that was done and gives it to the one that the kernel waits for. */
class Detoured implements RequestOwner {
  readonly out: Request['out'];
  private readonly ports: ControlPorts;
  private readonly outer: Request;
  private readonly detour: Detour;

  constructor(ports: ControlPorts, outer: Request, detour: Detour) {
    this.ports = ports;
    this.outer = outer;
    this.detour = detour;
    this.out = outer.out;
  }

  /** Never called: the request that is done owns its bytes already. */
  parked(): void {}

  reply(request: Request, error: number, length: number): void {
    request.none(); // throws when it was answered before
    const { outer, detour, out } = this;
    outer.onInterrupt = undefined;
    if (error !== 0) return outer.error(error);
    this.amend(request.opcode);
    const { names = [], changed = 0 } = detour;
    if (names.length === 0 && changed === 0) return outer.ok(length);
    const payload = Buffer.from(out.bytes.subarray(out.start, out.start + length));
    const { notifier } = this.ports;
    const told = names.map(({ parent, name }) => notifier.invalEntry(parent, name));
    // Of the directory the entry's end touches the times alone: its links have changed too.
    for (const { parent } of names) told.push(notifier.invalInode(parent, -1, 0));
    if (changed !== 0) told.push(notifier.invalInode(changed, -1, 0));
    Promise.all(told).then(() => {
      payload.copy(out.bytes, out.start);
      outer.ok(length);
    });
  }

  private amend(opcode: number): void {
    const { detour, out } = this;
    const { view, start } = out;
    if (WITH_ENTRY.has(opcode)) {
      put64(view, start + ENTRY.ENTRY_VALID, 0);
      if (detour.asDirectory === undefined) return;
      const ino = Number(view.getBigUint64(start + ENTRY.NODEID, true));
      const node = detour.asDirectory(ino);
      this.ports.inodes.forget(ino, 1);
      put64(view, start + ENTRY.NODEID, node);
      put64(view, start + ENTRY.ATTR_VALID, 0);
      put64(view, start + ENTRY.ATTR, node);
    } else if (opcode === OP.SETATTR) {
      put64(view, start + ATTR_OUT.VALID, 0);
      if (detour.shownAs !== undefined) put64(view, start + ATTR_OUT.ATTR, detour.shownAs);
    }
  }
}
