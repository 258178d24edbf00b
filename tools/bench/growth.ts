import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { extentsOf } from './ageing.ts';
import { build } from './build.ts';
import { isolate, URGENT } from './isolate.ts';
import { type Plan, runLoad } from './measure.ts';
import { type Mounted, make, mount } from './peers/layoutfs.ts';
import type { Fact, Growth } from './results.ts';
import { median } from './statistics.ts';
import type { Undo } from './undo.ts';

/** The large end of each growth. */
const MANY = 1_000_000;
const FEW = 1000;
const LARGE_VOLUME = 16 * 2 ** 30;
const ROUNDS = 5;
/** Milliseconds of one measurement. */
const DURATION = 250;
const LONGEST_BUILD = 1_200_000;
/** The kernel asks for every name, each time: else it would answer most of the lookups itself. */
const UNCACHED = ['entry_timeout=0', 'attr_timeout=0', 'negative_timeout=0'];

/** Where something is done: arguments of grow.c, and the server that does it. */
interface Place {
  args: readonly string[];
  pid: number;
}

/** Bar of performance.md, MiB: with 1 M files and 1 M extents. */
const RSS = 300;
const LEASES = 100_000;
/** A filesystem in memory: there a sync costs nothing. */
const MEMORY = '/dev/shm';

/** A program that prints what load.c prints, and the server that it asks. */
interface Measured {
  words: readonly string[];
  pid: number;
}

/** What the growth rows find, row by row. */
export class Growths {
  readonly rows: Growth[] = [];
  readonly facts: Fact[] = [];
  private readonly plan: Plan;
  private readonly folder: string;
  private readonly undo: Undo;
  private readonly grow = build('grow');

  constructor(plan: Plan, folder: string, undo: Undo) {
    this.plan = plan;
    this.folder = folder;
    this.undo = undo;
  }

  /** 1 -> 1 M extents in a file. */
  async extents(): Promise<void> {
    const image = this.image('extents');
    let at = await this.mount(image, []);
    const large = join(at.dir, 'large');
    const small = join(at.dir, 'small');
    await this.build('make-extents', [large, '-n', String(MANY)]);
    await this.build('make-extents', [small, '-n', '1024', '-k', '0']);
    this.memory('a file of 1 M extents being made', at.pid, 'peak');
    const rows = [
      ['read-extent', '4 KiB read, O_DIRECT'],
      ['write-extent', '4 KiB overwrite, O_DIRECT'],
      ['punch-extent', 'a block punched out and written again'],
      ['seek-extent', 'lseek SEEK_HOLE'],
      ['shrink-extent', 'the last block cut off and written again'],
      ['open-close', 'open + close'],
    ] as const;
    const measured = async (title: string, mode: string): Promise<void> => {
      await this.compare(
        `${title}, 1 -> 1 M extents`,
        { words: [this.grow, mode, small, '-n', '1024', '-k', '0'], pid: at.pid },
        { words: [this.grow, mode, large, '-n', String(MANY)], pid: at.pid },
      );
    };
    for (const [mode, title] of rows) await measured(title, mode);
    this.memory('1 M extents in a file', at.pid);
    await at.stop();
    at = await this.mount(image, [], 'mount of a volume with 1 M extents in a file, after a clean stop');
    await at.stop();
  }

  /** A directory of 1 k and one of 1 M entries. */
  async entries(): Promise<void> {
    const image = this.image('entries');
    const at = await this.mount(image, UNCACHED);
    const small = ['-n', String(FEW), '-k', String(FEW)];
    const large = ['-n', String(MANY), '-k', String(MANY)];
    const dirs = [join(at.dir, 'small'), join(at.dir, 'large')] as const;
    await this.build('make-files', [dirs[0], ...small]);
    await this.build('make-files', [dirs[1], ...large]);
    this.memory('a directory of 1 M entries being made', at.pid, 'peak');
    await this.onNames(
      'entries in the directory',
      { args: [dirs[0], ...small], pid: at.pid },
      { args: [dirs[1], ...large], pid: at.pid },
    );
    const { operations, nanoseconds } = await this.build('readdir-all', [dirs[1], ...large]);
    this.fact(
      'readdir of a directory of 1 M entries, whole',
      nanoseconds / 1e9,
      's',
      undefined,
      `${operations} entries`,
    );
    await at.stop();
  }

  /** A volume of 1 k and one of 1 M files, a thousand in a directory. */
  async files(): Promise<void> {
    const few = this.image('few');
    const many = this.image('many');
    const small = ['-n', String(FEW), '-k', '1000'];
    const large = ['-n', String(MANY), '-k', '1000'];
    let a = await this.mount(few, UNCACHED);
    await this.build('make-files', [join(a.dir, 'files'), ...small]);
    let b = await this.mount(many, []);
    await this.build('make-files', [join(b.dir, 'files'), ...large]);
    this.memory('1 M files being made', b.pid, 'peak');
    await runLoad(['find'], [b.dir, '-size', '+1'], LONGEST_BUILD);
    this.memory('1 M files, all of them seen by find', b.pid);
    await b.stop();
    b = await this.mount(many, UNCACHED, 'mount of 1 M files, after a clean stop', 2000);
    await this.onNames(
      'files in the volume',
      { args: [join(a.dir, 'files'), ...small], pid: a.pid },
      { args: [join(b.dir, 'files'), ...large], pid: b.pid },
    );
    this.memory('1 M files, after these operations', b.pid);
    // Killed in the midst of changes: there is a redo log to be read.
    const load = this.build('unlink-create', [join(b.dir, 'files'), ...large, '-d', '60000']).catch(() => undefined);
    await new Promise((done) => setTimeout(done, 3000));
    await b.kill();
    await load;
    b = await this.mount(many, [], 'mount of 1 M files, after kill -9 under load', 2000);
    await b.stop();
    await a.stop();
    a = await this.mount(few, [], 'mount of 1 k files, after a clean stop (for comparison)');
    await a.stop();
  }

  /** A file written in order: how many extents it has. */
  async sequential(): Promise<void> {
    const gib = 10;
    const image = this.image('sequential', (gib + 1) * 2 ** 30);
    const { bavail, bsize } = statfsSync(this.folder);
    if (bavail * bsize < (gib + 4) * 2 ** 30) throw new Error(`less than ${gib + 4} GiB free in ${this.folder}`);
    const at = await this.mount(image, []);
    const file = join(at.dir, 'file');
    const { nanoseconds } = await this.build('make-large', [file, '-n', String(gib * 1024)]);
    const note = `${((gib * 2 ** 30) / nanoseconds).toFixed(2)} GB/s with its fsync`;
    await at.stop();
    this.fact(`extents of a ${gib} GiB file that was written in order`, extentsOf(image).extents, '', 16, note);
    rmSync(image);
  }

  /** 1 and 100 k leases; on a filesystem in memory, for they are durable before they are told. */
  async leases(): Promise<void> {
    if (!existsSync(MEMORY)) throw new Error(`${MEMORY} is missing`);
    const folder = mkdtempSync(join(MEMORY, 'layoutfs-bench-'));
    this.undo.add(() => rmSync(folder, { recursive: true, force: true }));
    const lease = build('lease');
    const holders: ChildProcess[] = [];
    const places: { dir: string; pid: number }[] = [];
    for (const count of [1, LEASES]) {
      const image = join(folder, `${count}`);
      make(image, 4 * 2 ** 30);
      const at = await this.mount(image, []);
      places.push(at);
      const leased = join(at.dir, 'leased');
      // All of it written: a direct lease has no holes, and lets others write in place.
      await this.build('make-large', [leased, '-n', String(Math.ceil(LEASES / 2 / 256))]);
      await this.build('make-extents', [join(at.dir, 'free'), '-n', '1024', '-k', '0']);
      await this.build('make-files', [join(at.dir, 'files'), '-n', '1000', '-k', '1000']);
      writeFileSync(join(at.dir, 'other'), '');
      await this.build('make-beside', [leased, '-n', String(LEASES / 2)]);
      this.plan.say(`  taking ${count} leases`);
      const holder = spawn(lease, ['hold', join(at.dir, '.layout/ctl'), '/leased', leased, String(count)], {
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      holders.push(holder);
      this.undo.add(() => holder.kill());
      const said = await firstLine(holder);
      const seconds = Number(said.split(' ')[1]) / 1e9;
      if (count > 1) this.fact('100 k leases taken, nothing synced', count / seconds, '/s');
    }
    const [few, many] = places as [(typeof places)[number], (typeof places)[number]];
    const both = (title: string, words: (dir: string) => string[]): Promise<void> =>
      this.compare(
        `${title}, 1 -> 100 k leases`,
        { words: words(few.dir), pid: few.pid },
        { words: words(many.dir), pid: many.pid },
      );
    const grow =
      (mode: string, file: string, ...more: string[]) =>
      (dir: string) => [this.grow, mode, join(dir, file), ...more];
    const pairs = (file: string) => (dir: string) => [
      lease,
      'pairs',
      join(dir, '.layout/ctl'),
      `/${file}`,
      join(dir, file),
      String(DURATION),
    ];
    await both('get + return on a file without leases', pairs('other'));
    await both('4 KiB overwrite of a file without leases', grow('write-extent', 'free', '-n', '1024', '-k', '0'));
    await both(
      '4 KiB overwrite of the file with half of them',
      grow('write-extent', 'leased', '-n', String(LEASES / 2), '-k', '0'),
    );
    await both('a file unlinked and created again', grow('unlink-create', 'files', '-n', '1000', '-k', '1000'));
    this.memory('100 k leases', many.pid, undefined, Number.POSITIVE_INFINITY);
    const pair = this.rows.find((row) => row.title.startsWith('get + return on a file without'));
    if (pair)
      this.fact(
        'get + return on one session, not synced to disk',
        1e6 / median(pair.small),
        'pairs/s',
        undefined,
        undefined,
        10_000,
      );
    for (const holder of holders) {
      const before = performance.now();
      const ended = new Promise((done) => holder.once('close', done));
      holder.stdin?.end();
      await ended;
      if (holder === holders[1])
        this.fact('end of a session with 100 k leases', (performance.now() - before) / 1000, 's');
    }
  }

  private async onNames(what: string, small: Place, large: Place): Promise<void> {
    const rows = [
      ['lookup', 'stat of a random file, nothing cached in the kernel'],
      ['lookup-nothing', 'lookup of a random name that is not there'],
      ['unlink-create', 'a random file unlinked and created again'],
      ['rename', 'rename of a random file'],
      ['mkdir', 'mkdir + rmdir'],
      ['link', 'link + unlink of a random file'],
      ['readdir', 'readdir, after a change of the directory, an entry'],
    ] as const;
    for (const [mode, title] of rows) {
      const place = ({ args, pid }: Place): Measured => ({ words: [this.grow, mode, ...args], pid });
      await this.compare(`${title}, 1 k -> 1 M ${what}`, place(small), place(large));
    }
  }

  /** Small and large in turn; the first round counts for nothing. */
  private async compare(title: string, small: Measured, large: Measured): Promise<void> {
    this.plan.say(`  ${title}`);
    const row: Growth = { title, small: [], large: [], cpu: [0, 0] };
    const spent = [
      { ticks: 0, operations: 0 },
      { ticks: 0, operations: 0 },
    ];
    for (let round = -1; round < Math.min(ROUNDS, this.plan.rounds); round++) {
      for (const [end, place] of [small, large].entries()) {
        const of =
          place.words[0] === this.grow ? ['-p', String(place.pid), '-d', String(DURATION), '-s', `${round + 7}`] : [];
        const result = await runLoad([...this.plan.prefix, ...place.words], of, 120_000);
        if (round < 0) continue;
        (end === 0 ? row.small : row.large).push(result.nanoseconds / result.operations / 1000);
        const sum = spent[end] as (typeof spent)[number];
        sum.ticks += result.ticks;
        sum.operations += result.operations;
      }
    }
    row.cpu = [perOperation(spent[0]), perOperation(spent[1])];
    this.rows.push(row);
  }

  private build(mode: string, args: readonly string[]): ReturnType<typeof runLoad> {
    this.plan.say(`  ${mode} ${args.slice(1).join(' ')}`);
    return runLoad([...this.plan.prefix, this.grow], [mode, ...args], LONGEST_BUILD);
  }

  private image(name: string, size = LARGE_VOLUME): string {
    const image = join(this.folder, name);
    make(image, size);
    return image;
  }

  /** `told`: the time it took is a figure with this name; `bar`: at most so many ms. */
  private async mount(image: string, options: string[], told?: string, bar?: number): Promise<Mounted> {
    const urgent = this.plan.prefix.length > 0 ? URGENT : [];
    // One process: what it costs, and what a kill leaves, is that of the daemon alone.
    const at = await mount(image, `${image}-mnt`, this.undo, ['nosupervise', ...options], urgent);
    if (told !== undefined) this.fact(told, at.mountMs / 1000, 's', bar === undefined ? undefined : bar / 1000);
    if (this.plan.prefix.length > 0) isolate({ pid: at.pid, threads: [at.pid] });
    return at;
  }

  private memory(title: string, pid: number, which?: 'peak', bar = RSS): void {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = Number(new RegExp(`^${which === 'peak' ? 'VmHWM' : 'VmRSS'}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
    this.fact(
      `RSS, ${title}${which === 'peak' ? ', at most' : ''}`,
      kib / 1024,
      'MiB',
      Number.isFinite(bar) ? bar : undefined,
    );
  }

  private fact(title: string, value: number, unit: string, atMost?: number, note?: string, atLeast?: number): void {
    this.facts.push({ title, value, unit, atMost, atLeast, note });
    this.plan.say(`  ${title}: ${value} ${unit} ${note ?? ''}`);
  }
}

function perOperation({ ticks, operations } = { ticks: 0, operations: 0 }): number {
  return operations === 0 ? 0 : (ticks * 10_000) / operations;
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((done, fail) => {
    let said = '';
    let errors = '';
    child.stderr?.on('data', (bytes) => {
      errors += bytes;
    });
    child.stdout?.on('data', (bytes) => {
      said += bytes;
      if (said.includes('\n')) done(said.split('\n')[0] as string);
    });
    child.once('close', () => fail(new Error(errors.trim() || 'ended early')));
  });
}
