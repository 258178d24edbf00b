/**
 * A world for the lease engine: a block map, processes and a device small enough to check every block after every step. It does
 * what the operations' guard does: judge, begin, judge again in the call that resumes, change the map.
 */
import type {
  Access,
  Actor,
  Change,
  GetRequest,
  GetResult,
  Granted,
  Holder,
  ReturnResult,
  Waiter,
} from '../../src/lease/api.ts';
import type { LeaseEvent } from '../../src/lease/events.ts';
import { Leases } from '../../src/lease/leases.ts';
import { MemoryStore } from '../../src/lease/memory-store.ts';
import type { FenceSubject, LeaseOptions, Mapper, Ports } from '../../src/lease/ports.ts';
import type { RowName } from '../../src/lease/rows.ts';
import type { Store } from '../../src/lease/store.ts';
import { VirtualClock } from '../../src/system/clock.ts';
import { BLOCK, Disk } from './disk.ts';

export { BLOCK } from './disk.ts';

/** A return's answer with the fields of either outcome, for expectations. */
export type Returned = { ok: boolean; errno?: number } & Partial<Omit<Extract<ReturnResult, { ok: true }>, 'ok'>>;

export interface Told {
  errno: number | undefined;
}

export interface Ask {
  result: GetResult | undefined;
  cancel(errno: number): void;
}

const ALL: Access = { read: true, write: true, owner: true };

export class World extends Disk {
  clock = new VirtualClock();
  store: MemoryStore;
  events: { session: number; event: LeaseEvent }[] = [];
  dead = new Set<number>();
  killed: { pid: number; signal: number }[] = [];
  /** Processes that map the device blocks of a lease. */
  maps = new Map<number, Set<number>>();
  closedWindows: number[] = [];
  reaped: number[] = [];
  logs: string[] = [];
  flushes = 0;
  flushErrno = 0;
  slowFlush = false;
  pendingFlushes: (() => void)[] = [];
  relocateErrno = 0;
  mapperErrno = 0;
  windowErrno = 0;
  /** How long it takes until no mapping of a window is left. */
  windowDelayMs = 0;
  epoch = 1;
  randoms = 0;
  leases: Leases;
  options: Partial<LeaseOptions>;
  fenceCommand: Ports['fenceCommand'];

  constructor(options: Partial<LeaseOptions> = {}, deviceBlocks = 256, store: Store = new MemoryStore()) {
    super(deviceBlocks);
    // Tests that look into the store use the one in memory.
    this.store = store as MemoryStore;
    this.options = options;
    this.leases = this.engine();
    this.leases.recover(this.epoch);
  }

  private engine(): Leases {
    const world = this;
    const ports: Ports = {
      clock: this.clock,
      store: this.store,
      random: (bytes) => Buffer.alloc(bytes, ++this.randoms),
      notify: (session, event) => void this.events.push({ session, event: { ...event } }),
      log: (level, message) => void this.logs.push(`${level}: ${message}`),
      space: { release: (start, length) => this.release(start, length) },
      windows: {
        close: (lease, _ino, _offset, _end, done) => {
          this.closedWindows.push(lease);
          if (this.windowDelayMs === 0) done(this.windowErrno);
          else this.clock.setTimeout(() => done(this.windowErrno), this.windowDelayMs);
        },
      },
      processes: {
        alive: (pid) => !this.dead.has(pid),
        watch: () => undefined,
        kill: (pid, _start, signal) => {
          this.killed.push({ pid, signal });
          if (signal === 9) this.die(pid, false);
          return 0;
        },
        identify: (tid) => ({ tgid: tid, start: tid * 10, command: `p${tid}` }),
        mappers: (subjects, _isHolder, done) => done(this.mapperErrno || this.mappers(subjects)),
      },
      map: {
        facts: (ino, offset, end) => this.facts(ino, offset, end),
        gen: (ino) => this.files.get(ino)?.gen ?? 0,
        sealed: (ino) => this.files.get(ino)?.sealed ?? 0,
        setSealed: (ino, value) => {
          this.file(ino).sealed = value;
        },
        extents: (ino, offset, end) => this.extents(ino, offset, end),
        relocate: (ino, offset, end, done) => done(this.relocateErrno || this.move(ino, offset, end)),
        flushInvalidate: (_ino, done) => {
          this.flushes++;
          if (this.slowFlush) this.pendingFlushes.push(() => done(this.flushErrno));
          else done(this.flushErrno);
        },
        reap: (ino) => {
          this.reaped.push(ino);
          const file = this.files.get(ino);
          if (file && !file.linked) this.destroy(file);
        },
      },
      get fenceCommand() {
        return world.fenceCommand;
      },
    };
    return new Leases(ports, this.options);
  }

  private mappers(subjects: readonly FenceSubject[]): Map<number, Mapper[]> {
    const found = new Map<number, Mapper[]>();
    for (const subject of subjects) {
      // As the real look-up: by the device blocks it is told of. Who is told of none finds nobody.
      const looked = subject.reach.length > 0 ? (this.maps.get(subject.id) ?? []) : [];
      const pids = [...looked].filter((pid) => !this.dead.has(pid));
      found.set(
        subject.id,
        pids.map((pid) => ({ pid, command: `p${pid}` })),
      );
    }
    return found;
  }

  // --- holders --------------------------------------------------------------------------------------------------

  /** Process n with session n and start time 10 n. */
  holder(n: number, more: Partial<Holder> = {}): Holder {
    return {
      session: n,
      pid: n,
      tgid: n,
      start: n * 10,
      command: `p${n}`,
      uid: 1000,
      gid: 1000,
      privileged: false,
      ...more,
    };
  }

  root(n = 99): Holder {
    return this.holder(n, { privileged: true, uid: 0 });
  }

  ask(
    n: number,
    ino: number,
    request: Partial<GetRequest> & { kind: GetRequest['kind'] },
    holder: Holder = this.holder(n),
  ): Ask {
    const ask: Ask = { result: undefined, cancel: () => {} };
    const waiting = this.leases.get(
      { ino, path: Buffer.from(`/f${ino}`), access: ALL, ...request },
      holder,
      (result) => {
        if (ask.result) throw new Error('answered twice');
        ask.result = result;
      },
    );
    if (waiting) ask.cancel = (errno) => waiting.cancel(errno);
    else if (!ask.result) throw new Error('neither answered nor waiting');
    return ask;
  }

  /** A lease that must be granted at once. */
  take(n: number, ino: number, request: Partial<GetRequest> & { kind: GetRequest['kind'] }, holder?: Holder): Granted {
    const { result } = this.ask(n, ino, request, holder);
    if (!result?.ok) throw new Error(`not granted: ${JSON.stringify(result)}`);
    return result;
  }

  /** As after `map`: the holder knows the device blocks, and maps them. */
  expose(id: number, n: number): void {
    this.leases.told(id);
    this.maps.set(id, new Set([...(this.maps.get(id) ?? []), n]));
  }

  giveBack(n: number, id: number, seq?: number, more: { offset?: number; length?: number; cascade?: boolean } = {}) {
    const told: { result: ReturnResult | undefined } = { result: undefined };
    this.leases.return_({ id, seq }, this.holder(n), more, (result) => {
      told.result = result;
    });
    if (told.result?.ok && told.result.state === 'RELEASED') this.maps.delete(id);
    return told.result as Returned;
  }

  die(n: number, closes = true): void {
    this.dead.add(n);
    for (const pids of this.maps.values()) pids.delete(n);
    if (closes) this.leases.sessionClosed(n);
  }

  /**
   * kill -9 of the daemon and a new mount: the store and the maps stay, everything else is gone. `adopted`: the mount is the same, and
   * another daemon serves it.
   */
  crash(adopted = false): void {
    const clock = new VirtualClock(1_000_000_000 + Math.floor(this.clock.monotonic() / 1000));
    this.clock = clock;
    this.leases = this.engine();
    if (!adopted) this.epoch++;
    this.leases.recover(this.epoch, adopted);
  }

  // --- operations -----------------------------------------------------------------------------------------------

  actor(n: number, fh = 0): Actor {
    return { uid: 1000, gid: 1000, pid: n, fh };
  }

  judge(n: number, ino: number, row: RowName, offset = 0, length = Number.POSITIVE_INFINITY, fh = 0) {
    return this.leases.judge(ino, [{ row, offset, length }], this.actor(n, fh), row, false);
  }

  /** An operation as the guard runs it; `change` alters the map. Blocks, not bytes. */
  operate(
    n: number,
    ino: number,
    changes: Change[],
    change: () => void,
    nonblocking = false,
  ): Told & { waiter?: Waiter } {
    const told: Told & { waiter?: Waiter } = { errno: undefined };
    const actor = this.actor(n);
    const attempt = (): void => {
      if (!this.leases.has(ino)) return finish(0);
      const verdict = this.leases.judge(ino, changes, actor, changes[0].row, nonblocking);
      if (verdict.go) return finish(0);
      if (!verdict.wait) return finish(verdict.errno);
      told.waiter = this.leases.begin(
        ino,
        changes,
        actor,
        changes[0].row,
        (errno) => (errno === 0 ? attempt() : finish(errno)),
        {
          nonblocking,
          previous: told.waiter,
        },
      );
    };
    const finish = (errno: number): void => {
      if (told.errno !== undefined) throw new Error('finished twice');
      if (errno === 0) {
        change();
        const file = this.files.get(ino);
        if (file) file.gen++;
      }
      told.errno = errno;
    };
    attempt();
    return told;
  }

  shrink(n: number, ino: number, size: number, nonblocking = false) {
    return this.operate(
      n,
      ino,
      [{ row: 'shrink', offset: size * BLOCK, length: Number.POSITIVE_INFINITY }],
      () => {
        const file = this.file(ino);
        for (const block of [...file.blocks.keys()]) if (block >= size) this.drop(file, block);
        file.size = Math.min(size, file.size);
      },
      nonblocking,
    );
  }

  punch(n: number, ino: number, from: number, count: number, nonblocking = false) {
    return this.operate(
      n,
      ino,
      [{ row: 'punch', offset: from * BLOCK, length: count * BLOCK }],
      () => {
        const file = this.file(ino);
        for (let block = from; block < from + count; block++) this.drop(file, block);
      },
      nonblocking,
    );
  }

  append(n: number, ino: number, nonblocking = false) {
    const { size } = this.file(ino);
    return this.operate(
      n,
      ino,
      [{ row: 'write-append', offset: size * BLOCK, length: BLOCK }],
      () => {
        const file = this.file(ino);
        if (this.fill(file, file.size)) file.size++;
      },
      nonblocking,
    );
  }

  fallocate(n: number, ino: number, from: number, count: number) {
    return this.operate(n, ino, [{ row: 'fallocate', offset: from * BLOCK, length: count * BLOCK }], () => {
      const file = this.file(ino);
      for (let block = from; block < from + count; block++) {
        if (!file.blocks.has(block) && block < file.size) this.fill(file, block, true);
      }
    });
  }

  /** Inserts holes: the blocks behind move up. */
  insert(n: number, ino: number, at: number, count: number) {
    return this.operate(
      n,
      ino,
      [{ row: 'collapse-insert', offset: at * BLOCK, length: Number.POSITIVE_INFINITY }],
      () => {
        const file = this.file(ino);
        const moved = [...file.blocks].map(([block, entry]) => [block >= at ? block + count : block, entry] as const);
        file.blocks = new Map(moved);
        file.size += count;
      },
    );
  }

  unlink(n: number, ino: number) {
    return this.operate(n, ino, [{ row: 'last-unlink', offset: 0, length: Number.POSITIVE_INFINITY }], () => {
      const file = this.file(ino);
      file.linked = false;
      if (!this.leases.holdsInode(ino)) this.destroy(file);
    });
  }

  // --- what the tests look at -----------------------------------------------------------------------------------

  eventsOf(session: number, name?: string): LeaseEvent[] {
    return this.events
      .filter((e) => e.session === session && (name === undefined || e.event.event === name))
      .map((e) => e.event);
  }

  state(id: number): string {
    return this.leases.find(id)?.state ?? 'gone';
  }

  quarantined(): number[] {
    return this.leases
      .quarantineList()
      .flatMap((row) => Array.from({ length: row.length }, (_, i) => row.deviceBlock + i));
  }

  /** Blocks add up: every used block is in one file or in quarantine, and in one only (I12). */
  checkSpace(): void {
    const owners = new Map<number, string>();
    const claim = (block: number, owner: string) => {
      const other = owners.get(block);
      if (other) throw new Error(`block ${block} belongs to ${other} and ${owner}`);
      owners.set(block, owner);
      if (!this.used.has(block)) throw new Error(`block ${block} of ${owner} is free`);
    };
    for (const file of this.files.values())
      for (const entry of file.blocks.values()) claim(entry.device, `file ${file.ino}`);
    for (const block of this.quarantined()) claim(block, 'quarantine');
    if (owners.size !== this.used.size) throw new Error(`${this.used.size - owners.size} blocks are lost`);
  }
}
