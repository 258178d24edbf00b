/**
 * Generated schedules, replayed step by step on a real mount and in the world of the engine's own tests: whatever the world
 * grants, refuses, recalls or keeps waiting, the mount must too, with the same errno, the same states and the same files.
 * Time passes in steps, by the verb inject, so long that it does not matter how long the steps themselves take: deadlines, fences,
 * patience, renewals and tombstones come in one as in the other. Sometimes the daemon is killed with all holders.
 */
import { afterEach, expect, it } from 'vitest';
import { errnoName } from '../../src/system/errno.ts';
import { describeMounted, type MountedVolume, mountVolume, until } from '../harness/index.ts';
import { generator } from '../harness/random.ts';
import { seed } from '../harness/seed.ts';
import { type Told, World } from '../lease/world.ts';
import { Actor, type Outcome } from './actor.ts';
import type { Extent } from './holder.ts';

/** `npm run soak:schedules` replays many. */
const SCHEDULES = Number(process.env.LAYOUTFS_SCHEDULES ?? 5);
const STEPS = 40;
const SECRET = 'open sesame';
const BLOCK = 4096;
const BLOCKS = 8;
const FILES = 2;
/** Two holders who change files too, and a third party who only does that. */
const ACTORS = 3;
const HOLDERS = 2;
const KINDS = [
  { kind: 'direct' },
  { kind: 'direct' },
  { kind: 'direct', coherent: true },
  { kind: 'direct', unbreakable: true },
  { kind: 'layout' },
  { kind: 'layout', mode: 'rw' },
  { kind: 'layout', coherent: false },
  { kind: 'exclusive' },
] as const;

/** Seconds that pass at once: more than any time below that is to pass with it, by far less than the others. */
const STEP = 1100;
/** What waits first runs out of time (`patience`), or whom it waits for does (`break`). Seconds, and the same in the world. */
const TIMES = {
  'holders run out of time': { break: 1000, break_max: 2000, patience: 10_000, named_period: 500, grace: 500 },
  'breakers run out of patience': { break: 3000, break_max: 3600, patience: 1000, named_period: 500, grace: 500 },
} as const;
type Times = (typeof TIMES)[keyof typeof TIMES];

interface Taken {
  /** Of a named lease. */
  name: string | undefined;
  id: number;
  twin: number;
  holder: number;
  path: string;
  direct: boolean;
  places: string[];
}

interface Running {
  what: string;
  ino: number;
  told: Told;
  outcome: Promise<Outcome>;
  answer?: Outcome;
}

let volume: MountedVolume | undefined;
let actors: Actor[] = [];

class Replay {
  readonly world: World;
  /** What was done, for whoever looks at a failure. */
  readonly log: string[] = [];
  waits = 0;
  passed = 0;
  lost = 0;
  crashes = 0;
  private readonly paths = new Map<number, string>();
  private leases: Taken[] = [];
  private running: Running[] = [];
  private readonly roll: (n: number) => number;

  constructor(number: number, times: Times) {
    this.world = new World({
      breakMs: times.break * 1000,
      maximumBreakMs: times.break_max * 1000,
      patienceMs: times.patience * 1000,
      renewMs: times.named_period * 1000,
      graceMs: times.grace * 1000,
    });
    const random = generator(seed + number);
    this.roll = (n) => Math.floor(random() * n);
    for (let i = 1; i <= FILES; i++) this.paths.set(i, `r${number}-${i}`);
  }

  async begin(): Promise<void> {
    for (const [ino, path] of this.paths) {
      this.world.create(ino, BLOCKS);
      await this.third.do('write', path, 0, BLOCKS * BLOCK, 'p');
    }
  }

  private get third(): Actor {
    return actors[ACTORS - 1] as Actor;
  }

  async step(): Promise<void> {
    const choice = this.roll(22);
    if (choice < 6) await this.get();
    else if (choice < 10) await this.giveBack();
    else if (choice < 20) await this.operate();
    else if (choice < 21 || this.roll(3) > 0) await this.pass();
    else await this.crash();
    await this.compare();
  }

  private async get(): Promise<void> {
    const holder = this.roll(HOLDERS);
    const ino = 1 + this.roll(FILES);
    const path = this.paths.get(ino) as string;
    const wanted = KINDS[this.roll(KINDS.length)] as (typeof KINDS)[number];
    const from = this.roll(BLOCKS);
    const range = this.roll(3) === 0 ? { offset: from * BLOCK, length: (1 + this.roll(BLOCKS - from)) * BLOCK } : {};
    const name = this.roll(4) === 0 ? `${path}-${this.log.length}` : undefined;
    const bind = name === undefined ? {} : ({ bind: 'named', name, secret: SECRET } as const);
    const asked = { ...wanted, ...range, ...bind };
    const what = `holder ${holder}: get ${JSON.stringify({ path, ...asked })}`;
    const twin = this.world.ask(holder + 1, ino, asked, this.world.root(holder + 1)).result;
    const reply = await (actors[holder] as Actor).hold({ verb: 'get', path: `/${path}`, ...asked });
    this.log.push(`${what}: ${reply.errno ?? reply.id}`);
    expect(reply.errno ?? 'granted', what).toBe(twin?.ok ? 'granted' : errnoName(twin?.errno ?? 0));
    if (!twin?.ok) return;
    const taken: Taken = {
      name,
      id: reply.id as number,
      twin: twin.id,
      holder,
      path,
      direct: wanted.kind === 'direct',
      places: [],
    };
    if (taken.direct) {
      taken.places = await this.places(taken);
      // Whoever was told the extents reaches the device.
      this.world.leases.told(taken.twin);
    }
    this.leases.push(taken);
  }

  /** Where each block is, whatever the pieces that the map is told in. */
  private async places({ holder, id }: Taken): Promise<string[]> {
    const { extents } = await (actors[holder] as Actor).must({ verb: 'map', id });
    return (extents as Extent[]).flatMap(({ offset, device, length }) =>
      Array.from({ length: length / BLOCK }, (_, i) => `${offset / BLOCK + i}@${device / BLOCK + i}`),
    );
  }

  private async giveBack(): Promise<void> {
    if (this.leases.length === 0) return;
    await this.end(this.leases.splice(this.roll(this.leases.length), 1)[0] as Taken);
  }

  private async end(lease: Taken): Promise<void> {
    this.log.push(`holder ${lease.holder}: return ${lease.id}`);
    expect(this.world.giveBack(lease.holder + 1, lease.twin)?.ok).toBe(true);
    await (actors[lease.holder] as Actor).must({ verb: 'return', id: lease.id });
  }

  private async pass(): Promise<void> {
    this.log.push(`${STEP} s pass`);
    this.passed++;
    this.world.clock.advance(STEP * 1000);
    await this.third.verb({ verb: 'inject', fault: 'clock-step', by: STEP });
  }

  /** All processes and the daemon are killed; who has a name comes back for his lease. */
  private async crash(): Promise<void> {
    this.log.push('crash');
    this.crashes++;
    this.running = [];
    this.world.crash();
    await restart();
    for (const lease of this.leases) {
      const { name, holder } = lease;
      if (name === undefined) continue;
      const twin = this.world.leases.reclaim(name, SECRET, this.world.root(holder + 1));
      const reply = await (actors[holder] as Actor).hold({ verb: 'reclaim', name, secret: SECRET });
      this.log.push(`holder ${holder}: reclaim ${lease.id}: ${reply.errno ?? 'granted'}`);
      expect(reply.errno ?? 'granted', `reclaim of ${name}`).toBe(twin.ok ? 'granted' : errnoName(twin.errno));
    }
  }

  /** One at a time on a file: the kernel's own lock would keep the others from the daemon. */
  private async operate(): Promise<void> {
    const by = this.roll(ACTORS);
    // In the world, process 0 is the kernel's writeback.
    const process = by + 1;
    const ino = 1 + this.roll(FILES);
    if (this.running.some((each) => each.ino === ino)) return;
    const path = this.paths.get(ino) as string;
    const file = this.world.file(ino);
    const actor = actors[by] as Actor;
    const block = this.roll(Math.max(1, file.size));
    const mapped = file.blocks.has(block);
    const { world } = this;
    let told: Told;
    let act: () => Promise<Outcome>;
    let what: string;
    switch (this.roll(6)) {
      case 0:
        if (block >= file.size) return;
        what = `truncate to ${block}`;
        told = world.shrink(process, ino, block);
        act = () => actor.outcome('truncate', path, block * BLOCK);
        break;
      case 1:
        if (!mapped) return;
        what = `punch ${block}`;
        told = world.punch(process, ino, block, 1);
        act = () => actor.outcome('fallocate', path, 3, block * BLOCK, BLOCK);
        break;
      case 2: {
        if (file.size >= 2 * BLOCKS) return;
        const at = file.size;
        what = `append at ${at}`;
        told = world.append(process, ino);
        act = () => actor.outcome('write', path, at * BLOCK, BLOCK, 'a');
        break;
      }
      case 3: {
        if (file.size >= 2 * BLOCKS) return;
        const size = file.size + 1;
        what = `truncate to ${size}, more`;
        const grow = { row: 'grow', offset: file.size * BLOCK, length: BLOCK } as const;
        told = world.operate(process, ino, [grow], () => {
          file.size = size;
        });
        act = () => actor.outcome('truncate', path, size * BLOCK);
        break;
      }
      case 4:
        if (mapped || block >= file.size) return;
        what = `write into the hole at ${block}`;
        told = world.operate(process, ino, [{ row: 'write-hole', offset: block * BLOCK, length: BLOCK }], () => {
          world.fill(file, block);
        });
        act = () => actor.outcome('write', path, block * BLOCK, BLOCK, 'h');
        break;
      default:
        if (!mapped) return;
        what = `write over ${block}`;
        told = world.operate(process, ino, [{ row: 'write-in-place', offset: block * BLOCK, length: BLOCK }], () => {});
        act = () => actor.outcome('write', path, block * BLOCK, BLOCK, 'p');
    }
    what = `actor ${by}: ${path}: ${what}`;
    this.log.push(what);
    const one: Running = { what, ino, told, outcome: act() };
    one.outcome.then(
      (answer) => {
        one.answer = answer;
      },
      () => {}, // seen where it is awaited
    );
    this.running.push(one);
    if (told.errno === undefined) this.waits++;
  }

  /** Whatever the world has answered the mount answers, with the same errno; whatever waits there waits on the mount. */
  private async compare(): Promise<void> {
    for (const one of this.running.filter(({ told }) => told.errno !== undefined)) {
      const { errno } = await one.outcome;
      expect(errno ?? 'done', one.what).toBe(one.told.errno === 0 ? 'done' : errnoName(one.told.errno as number));
    }
    this.running = this.running.filter(({ told }) => told.errno === undefined);
    const waiting = (): Promise<number> =>
      this.third.do<string>('read', '.layout/waiters', 0, 65_536).then((text) => text.trim().split('\n').length - 1);
    let seen = -1;
    const same = async (): Promise<boolean> => {
      seen = await waiting();
      return seen === this.running.length;
    };
    await until(`${this.running.length} wait`, 10_000, same).catch((error: Error) => {
      throw new Error(`${error.message}; on the mount ${seen} wait: ${this.running.map(({ what }) => what)}`);
    });
    for (const one of this.running) expect(one.answer, `${one.what} should wait`).toBeUndefined();

    // Fences and looks for orphans take their time on the mount.
    const over = (lease: Taken): boolean => ['gone', 'REVOKED'].includes(this.world.state(lease.twin));
    this.lost += this.leases.filter(over).length;
    this.leases = this.leases.filter((lease) => !over(lease));
    const wanted = this.leases.map(({ id, twin }) => `${id} ${this.world.state(twin)}`).sort();
    let listed: string[] = [];
    await until('the leases are as in the world', 20_000, async () => {
      const { leases } = (await this.third.verb({ verb: 'ls' })) as unknown as {
        leases: { id: number; state: string }[];
      };
      listed = leases.map(({ id, state }) => `${id} ${state.toUpperCase()}`).sort();
      return listed.join() === wanted.join();
    }).catch((error: Error) => {
      throw new Error(`${error.message}; on the mount ${listed}, wanted ${wanted}`);
    });
    // I2: the map of a direct range is what it was, from the grant to the end.
    for (const lease of this.leases) {
      if (!lease.direct || !['GRANTED', 'RECALLED'].includes(this.world.state(lease.twin))) continue;
      expect(await this.places(lease), `I2: lease ${lease.id}`).toEqual(lease.places);
    }
    for (const [ino, path] of this.paths) {
      const file = this.world.file(ino);
      expect(await this.third.do('stat_size', path), `size of ${path}`).toBe(file.size * BLOCK);
      if (this.running.some((one) => one.ino === ino)) continue;
      const { runs } = await this.third.look(path);
      const holes = runs.map((byte, block) => (byte === '\0') !== file.blocks.has(block));
      expect(holes.indexOf(false), `a block of ${path}: ${JSON.stringify(runs)}`).toBe(-1);
    }
  }

  async finish(): Promise<void> {
    while (this.leases.length > 0) {
      await this.end(this.leases.shift() as Taken);
      await this.compare();
    }
    expect(
      this.running.map(({ what }) => what),
      'still waiting',
    ).toEqual([]);
    this.world.checkSpace();
  }
}

/** The daemon and all processes die, and come again. The daemon first: a holder's end would let go whoever waits for him. */
async function restart(): Promise<void> {
  const mounted = volume as MountedVolume;
  await mounted.kill();
  await Promise.all(actors.map((actor) => actor.end()));
  await mounted.remount();
  actors = Array.from({ length: ACTORS }, () => new Actor(mounted));
}

describeMounted('generated schedules on a mount', ['python3'], () => {
  const limit = 100_000 + SCHEDULES * 20_000;
  afterEach(async () => {
    await volume?.dispose();
    volume = undefined;
  });

  it.each(Object.keys(TIMES) as (keyof typeof TIMES)[])(
    `${SCHEDULES} schedules from seed ${seed}, where %s: the mount does what the engine's world does`,
    async (which) => {
      const times = TIMES[which];
      const words = Object.entries(times).map(([name, seconds]) => `${name}=${seconds}`);
      volume = await mountVolume({ size: '1g', options: ['inject', ...words].join(','), deadline: limit });
      actors = Array.from({ length: ACTORS }, () => new Actor(volume as MountedVolume));
      const sum = { waits: 0, passed: 0, lost: 0, crashes: 0 };
      const first = Object.keys(TIMES).indexOf(which) * SCHEDULES;
      for (let n = first; n < first + SCHEDULES; n++) {
        const replay = new Replay(n, times);
        try {
          await replay.begin();
          for (let i = 0; i < STEPS; i++) await replay.step();
          await replay.finish();
        } catch (error) {
          throw new Error(
            `schedule ${n}, LAYOUTFS_SEED=${seed}: ${(error as Error).message}\n${replay.log.join('\n')}`,
            { cause: error },
          );
        }
        for (const each of ['waits', 'passed', 'lost', 'crashes'] as const) sum[each] += replay[each];
      }
      console.log(
        `${sum.waits} operations waited, ${sum.passed} times ${STEP} s, ${sum.lost} leases lost, ${sum.crashes} crashes`,
      );
      expect(sum.waits, 'operations that waited').toBeGreaterThan(SCHEDULES / 2);
      expect(sum.passed).toBeGreaterThan(SCHEDULES / 4);
      await Promise.all(actors.map((actor) => actor.end()));
      await volume.unmount();
      const fsck = await volume.layoutfs(['fsck', volume.image]);
      expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
    },
    limit,
  );
});
