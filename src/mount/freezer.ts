import { isControlNode, nodeOf } from '../control/nodes.ts';
import { OP } from '../fuse/protocol.ts';
import type { Request } from '../fuse/request.ts';
import type { Handler } from '../fuse/session.ts';
import type { Clock, Timer } from '../system/clock.ts';
import { O } from '../system/constants.ts';
import { E } from '../system/errno.ts';

/** Operations that change files. RELEASE and FORGET may remove a file, but write nothing to its blocks: they go on. */
const CHANGING: readonly number[] = [
  OP.SETATTR,
  OP.SYMLINK,
  OP.MKNOD,
  OP.MKDIR,
  OP.UNLINK,
  OP.RMDIR,
  OP.RENAME,
  OP.RENAME2,
  OP.LINK,
  OP.OPEN,
  OP.WRITE,
  OP.SETXATTR,
  OP.REMOVEXATTR,
  OP.CREATE,
  OP.IOCTL,
  OP.FALLOCATE,
  OP.COPY_FILE_RANGE,
  OP.COPY_FILE_RANGE_64,
  OP.TMPFILE,
];

/**
 * Keeps the volume still, so that a copy of its two files (or a snapshot below them) is one state: who wants to change
 * something waits. Ends by itself, because who froze it may have died. What holders of leases store through mappings of
 * the device it cannot stop. A daemon that takes over begins thawed.
 */
export class Freezer {
  private readonly clock: Clock;
  private readonly quiesce: () => number;
  private readonly redispatch: (request: Request) => void;
  private readonly log: (message: string) => void;
  private readonly held = new Set<Request>();
  private timer: Timer | undefined;
  private handlers: (Handler | undefined)[] = [];
  private usual: (Handler | undefined)[] = [];

  /** `quiesce` brings everything to the device and the database file: 0 or errno. */
  constructor(parts: {
    clock: Clock;
    quiesce: () => number;
    redispatch: (request: Request) => void;
    log: (message: string) => void;
  }) {
    this.clock = parts.clock;
    this.quiesce = parts.quiesce;
    this.redispatch = parts.redispatch;
    this.log = parts.log;
  }

  /** The table of handlers in which changing operations are exchanged while frozen: at other times nothing is in the way. */
  attach(handlers: (Handler | undefined)[]): void {
    this.handlers = handlers;
    this.usual = [...handlers];
  }

  get isFrozen(): boolean {
    return this.timer !== undefined;
  }

  /** For at most `ms`: 0, EBUSY when it is frozen already, or why not everything could be written. */
  freeze(ms: number): number {
    if (this.isFrozen) return E.BUSY;
    const errno = this.quiesce();
    if (errno !== 0) return errno;
    for (const opcode of CHANGING) {
      const usual = this.usual[opcode];
      if (usual) this.handlers[opcode] = (request) => (goesOn(request) ? usual(request) : this.hold(request));
    }
    this.timer = this.clock.setTimeout(() => {
      this.log(`thawed after ${ms / 1000} s: nobody did it`);
      this.thaw();
    }, ms);
    return 0;
  }

  /** False when it was not frozen. */
  thaw(): boolean {
    if (!this.isFrozen) return false;
    this.clock.clearTimeout(this.timer);
    this.timer = undefined;
    for (const opcode of CHANGING) this.handlers[opcode] = this.usual[opcode];
    const held = [...this.held];
    this.held.clear();
    for (const request of held) {
      request.onInterrupt = undefined;
      this.redispatch(request);
    }
    return true;
  }

  private hold(request: Request): void {
    const parked = request.park();
    this.held.add(parked);
    parked.onInterrupt = () => {
      if (this.held.delete(parked)) parked.error(E.INTR);
    };
  }
}

/** Control sessions must work, or nobody could thaw; verbs that change something look themselves (Control). */
function goesOn(request: Request): boolean {
  if (request.opcode === OP.OPEN) return (request.u32(0) & O.TRUNC) === 0 && nodeOf(request.nodeid)?.area !== 'direct';
  if (!isControlNode(request.nodeid)) return false;
  const area = nodeOf(request.nodeid)?.area;
  return area === 'session' || area === 'fixed';
}
