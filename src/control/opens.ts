import { FOPEN } from '../fuse/protocol.ts';
import { putOpen } from '../fuse/replies.ts';
import { O } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import { isLive, PassthroughWindow, ServedDeviceWindow } from './deviceWindow.ts';
import type { Directs } from './directs.ts';
import { EventStream } from './events.ts';
import { GuardedWindow } from './guardedWindow.ts';
import type { Handle } from './handle.ts';
import { FIRST_HANDLE } from './handle.ts';
import { ioctl } from './ioctl.ts';
import { FIXED, type FixedName, nodeOf } from './nodes.ts';
import type { Caller, ControlPorts, Inode, LeaseEvent, Request } from './ports.ts';
import { ControlSession, type Perform } from './session.ts';
import { leasesText, quarantineText, statsText, versionText, waitersText } from './tables.ts';
import { TextFile } from './textFile.ts';
import { getOn } from './verbs/lease.ts';
import { visibleTo } from './visibility.ts';
import { WindowRange } from './windowrange.ts';
import type { Windows } from './windows.ts';

const STREAM = FOPEN.DIRECT_IO | FOPEN.STREAM | FOPEN.PARALLEL_DIRECT_WRITES | FOPEN.NOFLUSH;
const TEXT = FOPEN.DIRECT_IO | FOPEN.NOFLUSH;

/** Sessions of one user who is no administrator. */
const DEFAULT_SESSIONS = 1024;

const isWrite = (flags: number): boolean => (flags & O.ACCMODE) !== O.RDONLY;

/** OPEN of what is in the hidden directory, and the table of what is open. */
export class Opens {
  readonly handles = new Map<number, Handle>();
  readonly sessions = new Map<number, ControlSession>();
  readonly streams = new Set<EventStream>();
  private readonly ports: ControlPorts;
  private readonly windows: Windows;
  private readonly directs: Directs;
  private readonly perform: Perform;
  private readonly sessionsOf = new Map<number, number>();
  private next = FIRST_HANDLE;
  private nextSession = 1;
  /** Of the device, for all device windows: 0 not asked for yet. */
  private backing = 0;

  constructor(ports: ControlPorts, windows: Windows, directs: Directs, perform: Perform) {
    this.ports = ports;
    this.windows = windows;
    this.directs = directs;
    this.perform = perform;
  }

  open(request: Request): void {
    const node = nodeOf(request.nodeid);
    const flags = request.u32(0);
    const caller = this.ports.callers.of(request.uid, request.gid, request.pid);
    switch (node?.area) {
      case 'session':
        return this.openSession(request, caller);
      case 'fixed':
        return this.openFixed(request, FIXED[node.number], caller, flags);
      case 'lease':
        return this.openGuarded(request, node.number, caller, flags);
      case 'device':
        return this.openDevice(request, node.number, caller, flags);
      case 'direct':
        return this.openDirect(request, caller, flags);
      default:
        return request.error(E.ISDIR);
    }
  }

  release(handle: number): void {
    const open = this.handles.get(handle);
    this.handles.delete(handle);
    open?.release();
  }

  /** An event for a session (0: none) and for all streams. */
  tell(event: LeaseEvent): void {
    for (const stream of this.streams) stream.tell(event);
  }

  private add(handle: Handle, number = this.next++): number {
    this.handles.set(number, handle);
    return number;
  }

  private reply(request: Request, handle: number, flags: number, backing = 0): void {
    request.ok(putOpen(request.out.view, request.out.start, handle, flags, backing));
  }

  private openSession(request: Request, caller: Caller): void {
    const open = this.sessionsOf.get(caller.uid) ?? 0;
    if (!caller.privileged && open >= (this.ports.options.sessionsPerUid ?? DEFAULT_SESSIONS))
      return request.error(E.MFILE);
    this.sessionsOf.set(caller.uid, open + 1);
    const id = this.nextSession++;
    const session = new ControlSession({
      id,
      notifier: this.ports.notifier,
      asker: (asking) => ({ session: id, caller: this.asking(asking, caller), handle: 0 }),
      perform: this.perform,
      ioctl: (asking, asker) => ioctl({ ports: this.ports, windows: this.windows, asker }, asking, undefined),
      onRelease: () => this.closeSession(id, caller.uid),
    });
    this.sessions.set(id, session);
    this.reply(request, this.add(session), STREAM);
  }

  /** Who writes a line: mostly the opener, whose facts are known; else /proc is asked (fork, a passed descriptor). */
  private asking(request: Request, opener: Caller): Caller {
    const same = request.pid === opener.pid && request.uid === opener.uid && request.gid === opener.gid;
    return same ? opener : this.ports.callers.of(request.uid, request.gid, request.pid);
  }

  private closeSession(id: number, uid: number): void {
    this.sessions.delete(id);
    const left = (this.sessionsOf.get(uid) ?? 1) - 1;
    if (left === 0) this.sessionsOf.delete(uid);
    else this.sessionsOf.set(uid, left);
    this.ports.leases.sessionClosed(id);
  }

  private openFixed(request: Request, name: FixedName | undefined, caller: Caller, flags: number): void {
    if (isWrite(flags)) return request.error(E.ACCES);
    if (name === 'events') return this.openEvents(request, caller);
    const text = this.textOf(name, caller);
    if (text === undefined) return request.error(E.ISDIR);
    this.reply(request, this.add(new TextFile(text)), TEXT);
  }

  private openEvents(request: Request, caller: Caller): void {
    // A stream outlives renames and rights: what it may see is asked anew for each event.
    const isVisible = ({ ino, path }: LeaseEvent): boolean => visibleTo(this.ports, caller)({ ino, path });
    const stream = new EventStream(this.ports.notifier, isVisible, () => this.streams.delete(stream));
    this.streams.add(stream);
    this.reply(request, this.add(stream), STREAM);
  }

  private textOf(name: FixedName | undefined, caller: Caller): string | undefined {
    switch (name) {
      case 'leases':
        return leasesText(this.ports, caller);
      case 'waiters':
        return waitersText(this.ports, caller);
      case 'quarantine':
        return quarantineText(this.ports);
      case 'stats':
        return statsText(this.ports, this.sessions.size);
      case 'version':
        return versionText(this.ports);
      default:
        return undefined;
    }
  }

  private windowFlags(): number {
    return this.ports.options.directIoMmap() ? FOPEN.DIRECT_IO | FOPEN.NOFLUSH : FOPEN.NOFLUSH;
  }

  private openGuarded(request: Request, id: number, caller: Caller, flags: number): void {
    const { leases, inodes } = this.ports;
    const lease = leases.find(id);
    const inode = lease && inodes.get(lease.ino);
    if (!lease || !inode || !isLive(lease.state)) return request.error(E.NOENT);
    if (!caller.privileged && caller.uid !== lease.holder.uid) return request.error(E.ACCES);
    if (isWrite(flags) && lease.mode !== 'rw') return request.error(E.ACCES);
    if ((flags & O.TRUNC) !== 0) return request.error(E.DEADLK);
    const handle = this.next++;
    const bound = leases.bindHandle(handle, { id }, lease.holder);
    if (!bound.ok) return request.error(bound.errno);
    this.addGuarded(handle, request.nodeid, new WindowRange(lease), inode);
    this.reply(request, handle, this.windowFlags());
  }

  private addGuarded(handle: number, node: number, range: WindowRange, inode: Inode): void {
    const { inodes, leases } = this.ports;
    const onRelease = (): void => {
      this.windows.released(range, node);
      inodes.closed(inode);
      leases.fileClosed(handle);
    };
    inodes.opened(inode);
    this.windows.opened(range, node);
    this.add(new GuardedWindow(this.windows, { handle, node, range, inode, onRelease }), handle);
  }

  private openDevice(request: Request, id: number, caller: Caller, flags: number): void {
    const { leases, passthrough } = this.ports;
    const lease = leases.find(id);
    if (!lease || !isLive(lease.state)) return request.error(E.NOENT);
    if (!caller.privileged) return request.error(E.PERM);
    if (isWrite(flags) && lease.mode !== 'rw') return request.error(E.ACCES);
    if ((flags & O.TRUNC) !== 0) return request.error(E.INVAL);
    const onRelease = (): void => leases.windowClosed(id, 'device');
    if (this.backing <= 0 && passthrough.available() === true) this.backing = passthrough.open();
    leases.windowOpened(id, 'device');
    if (this.backing > 0) {
      this.reply(request, this.add(new PassthroughWindow(onRelease)), FOPEN.PASSTHROUGH | FOPEN.NOFLUSH, this.backing);
      return;
    }
    const served = new ServedDeviceWindow(this.ports, { lease: id, writable: lease.mode === 'rw', onRelease });
    this.reply(request, this.add(served), this.windowFlags());
  }

  /** `.layout/direct/<path>`: the open takes a direct lease that lives as long as the open file and its mappings. */
  private openDirect(request: Request, caller: Caller, flags: number): void {
    const { inodes, leases } = this.ports;
    const inode = inodes.get(this.directs.inoOf(request.nodeid));
    if (!inode) return request.error(E.STALE);
    // The lease that the open takes is what its own truncation would be in conflict with.
    if ((flags & O.TRUNC) !== 0) return request.error(E.DEADLK);
    const node = request.nodeid;
    const handle = this.next++;
    const parked = request.park();
    const context = { ports: this.ports, windows: this.windows, asker: { session: 0, caller, handle } };
    const values = {
      kind: 'direct' as const,
      mode: isWrite(flags) ? ('rw' as const) : ('ro' as const),
      bind: 'file' as const,
      unwritten_ok: true,
      notify: 'none',
    };
    const path = this.directs.pathOf(node) ?? Buffer.from(`inode ${inode.ino}`);
    inodes.opened(inode);
    const waiting = getOn(context, inode, values, path, (outcome) => {
      parked.onInterrupt = undefined;
      inodes.closed(inode);
      if ('failure' in outcome) return parked.error(outcome.failure.errno);
      const lease = leases.find(outcome.reply.id);
      if (!lease || !isLive(lease.state)) {
        leases.fileClosed(handle);
        return parked.error(E.AGAIN);
      }
      this.addGuarded(handle, node, new WindowRange(lease), inode);
      this.reply(parked, handle, this.windowFlags());
    });
    if (waiting) parked.onInterrupt = () => waiting.cancel(E.INTR);
  }
}
