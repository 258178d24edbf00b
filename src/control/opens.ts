import { FOPEN } from '../fuse/protocol.ts';
import { putOpen } from '../fuse/replies.ts';
import { O } from '../system/constants.ts';
import { E } from '../system/errno.ts';
import { Allowances } from './allowances.ts';
import { inSessionOf } from './callers.ts';
import { isLive, PassthroughWindow } from './deviceWindow.ts';
import type { Directs } from './directs.ts';
import { EventStream } from './events.ts';
import type { ReplyOf } from './grammar/verbs.ts';
import { GuardedWindow } from './guardedWindow.ts';
import type { Handle } from './handle.ts';
import { FIRST_HANDLE, NUMBER } from './handle.ts';
import { ioctl } from './ioctl.ts';
import { type HandleState, outboxJournal } from './journal.ts';
import { FIXED, type FixedName, nodeId, nodeOf } from './nodes.ts';
import type { Outcome } from './outcome.ts';
import type { Caller, ControlPorts, Inode, LeaseEvent, LeaseView, Request } from './ports.ts';
import { DevicePlace, ServedDeviceWindow } from './servedDevice.ts';
import { ControlSession, type Perform } from './session.ts';
import { leasesText, quarantineText, statsText, versionText, waitersText } from './tables.ts';
import { TextFile } from './textFile.ts';
import { getOn } from './verbs/lease.ts';
import { openedToWrite } from './verbs/shared.ts';
import { visibleTo } from './visibility.ts';
import { partsOf, WindowRange } from './windowrange.ts';
import type { Windows } from './windows.ts';

const STREAM = FOPEN.DIRECT_IO | FOPEN.STREAM | FOPEN.PARALLEL_DIRECT_WRITES | FOPEN.NOFLUSH;
const TEXT = FOPEN.DIRECT_IO | FOPEN.NOFLUSH;

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
  private readonly allowances: Allowances;
  private readonly numbers: Float64Array;
  private readonly known: { readonly size: number };

  constructor(
    ports: ControlPorts,
    windows: Windows,
    directs: Directs,
    known: { readonly size: number },
    perform: Perform,
  ) {
    this.known = known;
    this.ports = ports;
    this.windows = windows;
    this.directs = directs;
    this.perform = perform;
    this.allowances = new Allowances(ports.options.sessionsPerUid);
    this.numbers = ports.numbers ?? new Float64Array(8);
    if (this.numbers[NUMBER.HANDLE] === 0) this.numbers[NUMBER.HANDLE] = FIRST_HANDLE;
  }

  private get next(): number {
    return this.numbers[NUMBER.HANDLE]++;
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
    if (open) this.ports.journal?.drop(handle);
    if (open?.deviceOf !== undefined) this.windows.keepBared(open.deviceOf, handle);
    open?.release();
  }

  /** An event for a session (0: none) and for all streams. */
  tell(event: LeaseEvent): void {
    for (const stream of this.streams) stream.tell(event);
  }

  private add(handle: Handle, number = this.next): number {
    this.handles.set(number, handle);
    return number;
  }

  private reply(request: Request, handle: number, flags: number, backing = 0): void {
    request.ok(putOpen(request.out.view, request.out.start, handle, flags, backing));
  }

  private openSession(request: Request, caller: Caller): void {
    if (this.allowances.isUsedUp(caller)) return request.error(E.MFILE);
    const id = ++this.numbers[NUMBER.SESSION];
    const handle = this.next;
    this.addSession(handle, id, caller).keep();
    this.reply(request, handle, STREAM);
  }

  private addSession(handle: number, id: number, caller: Caller): ControlSession {
    const { journal } = this.ports;
    this.allowances.of(caller.uid).files++;
    const session = new ControlSession({
      id,
      notifier: this.ports.notifier,
      asker: (asking) => ({ session: id, caller: this.asking(asking, caller), handle: 0 }),
      perform: this.perform,
      ioctl: (asking, asker) => ioctl({ ports: this.ports, windows: this.windows, asker }, asking, undefined),
      onRelease: () => this.closeSession(id, caller.uid),
      allowance: caller.privileged ? undefined : this.allowances.of(caller.uid),
      journal: journal && outboxJournal(journal, handle, (kernelHandle) => session.polled(kernelHandle)),
      save: journal && ((state) => journal.put(handle, { kind: 'session', id, caller, ...state })),
    });
    this.sessions.set(id, session);
    this.add(session, handle);
    return session;
  }

  /** Who writes a line: mostly the opener, whose facts are known; else /proc is asked (fork, a passed descriptor). */
  private asking(request: Request, opener: Caller): Caller {
    const same = request.pid === opener.pid && request.uid === opener.uid && request.gid === opener.gid;
    return same ? opener : inSessionOf(opener, this.ports.callers.of(request.uid, request.gid, request.pid));
  }

  private closeSession(id: number, uid: number): void {
    this.sessions.delete(id);
    this.allowances.closed(uid);
    this.ports.leases.sessionClosed(id);
  }

  private openFixed(request: Request, name: FixedName | undefined, caller: Caller, flags: number): void {
    if (isWrite(flags)) return request.error(E.ACCES);
    if (this.allowances.isUsedUp(caller)) return request.error(E.MFILE);
    if (name === 'events') return this.openEvents(request, caller);
    const text = this.textOf(name, caller);
    if (text === undefined) return request.error(E.ISDIR);
    const handle = this.addText(text, caller.uid, this.next);
    this.ports.journal?.put(handle, { kind: 'text', name: name as string, caller });
    this.reply(request, handle, TEXT);
  }

  private addText(text: string, uid: number, handle: number): number {
    const allowance = this.allowances.of(uid);
    allowance.files++;
    allowance.bytes += text.length;
    const release = (): void => {
      allowance.bytes -= text.length;
      this.allowances.closed(uid);
    };
    return this.add(new TextFile(text, release), handle);
  }

  private openEvents(request: Request, caller: Caller): void {
    const handle = this.next;
    this.addStream(handle, caller);
    this.ports.journal?.put(handle, { kind: 'events', caller, kernelHandle: 0 });
    this.reply(request, handle, STREAM);
  }

  private addStream(handle: number, caller: Caller): EventStream {
    const { journal, notifier } = this.ports;
    // A stream outlives renames and rights: what it may see is asked anew for each event.
    const isVisible = ({ ino, path }: LeaseEvent): boolean => visibleTo(this.ports, caller)({ ino, path });
    const polled = (kernelHandle: number): void => journal?.put(handle, { kind: 'events', caller, kernelHandle });
    const kept = journal && outboxJournal(journal, handle, polled);
    const stream: EventStream = new EventStream(
      notifier,
      isVisible,
      () => {
        this.streams.delete(stream);
        this.allowances.closed(caller.uid);
      },
      kept,
    );
    this.allowances.of(caller.uid).files++;
    this.streams.add(stream);
    this.add(stream, handle);
    return stream;
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
        return statsText(this.ports, this.sessions.size, this.known.size);
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
    if (isWrite(flags)) openedToWrite(this.ports, inode, caller);
    const handle = this.next;
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
    this.keepGuarded(handle, node, range.lease, inode.ino);
    this.add(new GuardedWindow(this.windows, { handle, node, range, inode, onRelease }), handle);
  }

  private keepGuarded(handle: number, node: number, lease: number, ino: number): void {
    const path = this.directs.pathOf(node)?.toString('base64');
    this.ports.journal?.put(handle, { kind: 'guarded', node, lease, ino, path });
  }

  private openDevice(request: Request, id: number, caller: Caller, flags: number): void {
    const { inodes, leases, passthrough } = this.ports;
    const lease = leases.find(id);
    if (!lease || !isLive(lease.state)) return request.error(E.NOENT);
    if (!caller.privileged) return request.error(E.PERM);
    if (isWrite(flags) && lease.mode !== 'rw') return request.error(E.ACCES);
    if ((flags & O.TRUNC) !== 0) return request.error(E.INVAL);
    const backing = passthrough.available() === true ? passthrough.open() : 0;
    const served = backing <= 0;
    const inode = inodes.get(lease.ino);
    if (!inode) return request.error(E.NOENT);
    const handle = this.next;
    const writable = lease.mode === 'rw';
    this.ports.journal?.put(handle, { kind: 'device', lease: id, ino: lease.ino, served, writable });
    if (served) {
      this.addServed(handle, request.nodeid, new WindowRange(lease), inode);
      this.reply(request, handle, this.windowFlags());
    } else {
      this.addPassthrough(handle, id);
      this.reply(request, handle, FOPEN.PASSTHROUGH | FOPEN.NOFLUSH, backing);
    }
  }

  private addPassthrough(handle: number, lease: number): void {
    const { leases } = this.ports;
    leases.windowOpened(lease, 'device');
    this.windows.bare(lease);
    this.add(new PassthroughWindow(lease, () => leases.windowClosed(lease, 'device')), handle);
  }

  private addServed(handle: number, node: number, range: WindowRange, inode: Inode): DevicePlace {
    const { inodes } = this.ports;
    const place = new DevicePlace(this.ports, range, inode);
    range.place = place;
    const onRelease = (): void => {
      this.windows.released(range, node);
      inodes.closed(inode);
    };
    inodes.opened(inode);
    this.windows.opened(range, node);
    this.windows.bare(range.lease);
    const { writable } = range;
    this.add(new ServedDeviceWindow(this.windows, { node, range, place, inode, writable, onRelease }), handle);
    return place;
  }

  /** `.layout/direct/<path>`: the open takes a direct lease that lives as long as the open file and its mappings. */
  private openDirect(request: Request, caller: Caller, flags: number): void {
    const { inodes, leases } = this.ports;
    const inode = inodes.get(this.directs.inoOf(request.nodeid));
    if (!inode) return request.error(E.STALE);
    // The lease that the open takes is what its own truncation would be in conflict with.
    if ((flags & O.TRUNC) !== 0) return request.error(E.DEADLK);
    const node = request.nodeid;
    const handle = this.next;
    const parked = request.park();
    // The lease is granted: the next daemon has to know that it belongs to this open file.
    const settled = (outcome: Outcome): void => {
      if (!('reply' in outcome)) return;
      this.keepGuarded(handle, node, (outcome.reply as ReplyOf<'get'>).id, inode.ino);
      const length = putOpen(parked.out.view, parked.out.start, handle, this.windowFlags());
      this.ports.promise?.(parked, length);
    };
    const asker = { session: 0, caller, handle, settled };
    const context = { ports: this.ports, windows: this.windows, asker };
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
        this.ports.journal?.drop(handle);
        return parked.error(E.AGAIN);
      }
      if (isWrite(flags)) openedToWrite(this.ports, inode, caller);
      this.addGuarded(handle, node, new WindowRange(lease), inode);
      this.reply(parked, handle, this.windowFlags());
    });
    if (waiting) parked.onInterrupt = () => waiting.cancel(E.INTR);
  }

  /** Before the leases are there: sessions and streams of an earlier daemon, so that events find them. */
  restoreSessions(): void {
    const { journal } = this.ports;
    for (const [handle, state] of journal?.handles() ?? []) {
      const lines = journal?.lines(handle) ?? [];
      if (state.kind === 'session') this.addSession(handle, state.id, state.caller).restore(state, lines);
      else if (state.kind === 'events') this.addStream(handle, state.caller).restore(lines, state.kernelHandle);
    }
  }

  /** When the leases are there: what else was open. */
  restoreWindows(): void {
    const { journal, leases } = this.ports;
    const all = leases.list();
    const splits = all.filter(({ splitFrom }) => splitFrom.length > 0);
    for (const [handle, state] of journal?.handles() ?? []) {
      if (state.kind === 'text') {
        this.addText(this.textOf(state.name as FixedName, state.caller) ?? '', state.caller.uid, handle);
      } else if (state.kind === 'guarded') {
        this.restoreGuarded(handle, state, splits);
      } else if (state.kind === 'device') {
        if (state.served) this.restoreServed(handle, state);
        else this.addPassthrough(handle, state.lease);
      } else if (state.kind === 'bared') {
        if (isLive(leases.find(state.lease)?.state ?? '')) this.windows.bare(state.lease, handle);
        else journal?.drop(handle);
      }
    }
    // Closed, and died before the leases heard of it.
    const sessions = new Set(all.map(({ holder }) => holder.session));
    for (const session of sessions) if (session !== 0 && !this.sessions.has(session)) leases.sessionClosed(session);
  }

  private restoreServed(handle: number, state: HandleState & { kind: 'device' }): void {
    const inode = this.ports.inodes.get(state.ino);
    if (!inode) return;
    const lease = this.ports.leases.find(state.lease);
    const range = lease ? new WindowRange(lease) : WindowRange.ended(state.lease, state.ino);
    this.addServed(handle, nodeId('device', state.lease), range, inode).touchAll();
    if (!lease || !isLive(lease.state)) this.windows.ended(state.lease);
  }

  private restoreGuarded(handle: number, state: HandleState & { kind: 'guarded' }, splits: LeaseView[]): void {
    const { leases, inodes } = this.ports;
    const { node, ino, path } = state;
    const inode = inodes.get(ino);
    if (!inode) return;
    if (path !== undefined) this.directs.restore(node, ino, Buffer.from(path, 'base64'));
    const parts = partsOf(state.lease, [leases.find(state.lease) ?? [], splits].flat());
    for (const { id, holder } of parts) leases.bindHandle(handle, { id }, holder);
    const range = WindowRange.over(state.lease, ino, parts);
    this.addGuarded(handle, node, range, inode);
    if (parts.length === 0) this.windows.ended(state.lease);
    else if (splits.length > 0) this.windows.shows(range, node, parts);
  }
}
