import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { IOCTL_TYPE, IOCTLS, IoctlArgument } from '../../src/control/ioctlStructs.ts';
import { checkout, describeMounted, ended, type MountedVolume, mountVolume, sleep, until } from '../harness/index.ts';
import { type Extent, Holder } from './holder.ts';
import { killDaemon, standBy } from './supervision.ts';

/** How often the daemon is killed in each test; `npm run soak:restart` says more. */
const ROUNDS = Number(process.env.LAYOUTFS_RESTART_ROUNDS ?? 3);
const NOBODY = 65_534;
const PAGES = 64;
const PAGE = 4096;
const programs = join(checkout, 'test', 'mounted', 'programs');

let volume: MountedVolume | undefined;

afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

interface Output {
  text: string;
  errors: string;
}

function listen(child: ReturnType<MountedVolume['start']>): Output {
  const output = { text: '', errors: '' };
  child.stdout!.on('data', (part: Buffer) => {
    output.text += part;
  });
  child.stderr!.on('data', (part: Buffer) => {
    output.errors += part;
  });
  return output;
}

async function clean(mounted: MountedVolume): Promise<void> {
  await mounted.unmount();
  const fsck = await mounted.layoutfs(['fsck', mounted.image]);
  expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
}

describeMounted('across a take-over', ['python3'], () => {
  it(
    'windows go on: guarded, direct and on the device, kills in the midst of stores',
    async () => {
      volume = await mountVolume({ supervised: true, deadline: 240_000 + ROUNDS * 30_000 });
      const mounted = volume;
      const stop = join(volume.root, 'stop');
      await volume.bash(
        `for f in guarded direct raw; do head -c ${PAGES * PAGE} /dev/urandom > $f; done; sync guarded`,
      );
      const holder = await Holder.open(volume);
      const { id } = await holder.take('/guarded', { kind: 'exclusive' });
      const raw = await holder.take('/raw');
      const device = join(volume.dir, '.layout', 'device', String(raw.id));
      const writers = [`.layout/lease/${id}`, '.layout/direct/direct'].map((path) =>
        mounted.start('python3', [join(programs, 'window-writer.py'), join(mounted.dir, path), String(PAGES), stop]),
      );
      const outputs = writers.map(listen);
      const progress = (): number[] => outputs.map(({ text }) => text.length);
      const further = (than: number[]): Promise<void> =>
        until('both windows are written to', 60_000, () => {
          for (const [at, { errors }] of outputs.entries())
            if (errors !== '') throw new Error(`writer ${at}: ${errors}`);
          return progress().every((length, at) => length > (than[at] as number) + 1);
        });
      await holder.ask('map', { path: device, extents: raw.extents });
      await further(progress());
      for (let round = 1; round <= ROUNDS; round++) {
        await standBy(mounted);
        await holder.ask('store', { round });
        await killDaemon(mounted);
        expect(await holder.ask('verify', { round })).toMatchObject({ right: PAGES });
        // The same inode of the kernel once more, while the first mapping of it is there.
        const again = await Holder.open(volume);
        await again.ask('map', { path: device, extents: raw.extents });
        expect(await again.ask('verify', { round })).toMatchObject({ right: PAGES });
        await again.kill();
        await further(progress());
      }
      writeFileSync(stop, '');
      for (const [at, name] of ['guarded', 'direct'].entries()) {
        const code = await ended(writers[at] as (typeof writers)[0], 60_000);
        expect(code, outputs[at]?.errors).toBe(0);
        const sum = createHash('sha256')
          .update(readFileSync(join(volume.dir, name)))
          .digest('hex');
        expect(outputs[at]?.text.trim().split('\n').at(-1), name).toBe(sum);
      }
      expect(holder.events, 'nobody recalled anything').toEqual([]);
      await holder.ask('unmap');
      await holder.must({ verb: 'return', id: raw.id });
      await holder.must({ verb: 'return', id });
      await holder.kill();
      await clean(volume);
    },
    240_000 + ROUNDS * 30_000,
  );

  it('a window whose lease is recalled while no daemon lives is closed by the next one', async () => {
    volume = await mountVolume({ supervised: true, options: 'break=60,patience=60' });
    await volume.bash(`head -c ${PAGES * PAGE} /dev/zero > file`);
    const holder = await Holder.open(volume);
    const { id } = await holder.take('/file');
    const extents: Extent[] = [{ offset: 0, device: 0, length: PAGES * PAGE, state: 'written' }];
    await holder.ask('map', { path: join(volume.dir, '.layout', 'lease', String(id)), extents });
    await holder.ask('store', { round: 1 });
    await standBy(volume);
    const before = volume.daemonPid;
    process.kill(before, 'SIGKILL');
    const truncate = volume.bash('truncate -s 0 file', { timeout: 60_000 });
    await until('another daemon serves', 60_000, () => volume?.daemonPid !== before);
    await holder.event('recall', 60_000);
    // What it stored is there until it lets go.
    expect(await holder.ask('verify', { round: 1 })).toMatchObject({ right: PAGES });
    await holder.must({ verb: 'return', id });
    await truncate;
    expect((await volume.bash('stat -c %s file')).trim()).toBe('0');
    await holder.kill();
    await clean(volume);
  }, 180_000);

  it('what was stored through a device window that is closed again can be committed to the next daemon', async () => {
    volume = await mountVolume({ supervised: true });
    await volume.bash(`chmod 755 "$ROOT" . && install -d -o ${NOBODY} open`);
    // A holder who could not store into blocks by himself: root does it for him.
    const holder = volume.start(process.execPath, [
      '-e',
      `const fs = require('node:fs');
      process.setgroups([]);
      process.setgid(${NOBODY});
      process.setuid(${NOBODY});
      fs.writeFileSync(process.env.MNT + '/open/file', '');
      const ctl = fs.openSync(process.env.MNT + '/.layout/ctl', 'r+');
      const reply = Buffer.alloc(4096);
      const ask = (line) => {
        fs.writeSync(ctl, line + '\\n');
        console.log(reply.toString('latin1', 0, fs.readSync(ctl, reply)).trim());
      };
      ask('get path=/open/file kind=layout mode=rw');
      ask('alloc id=1 range=0-64k');
      ask('map id=1');
      process.stdin.once('data', () => {
        ask('return id=1 range=16k-32k');
        process.stdin.once('data', () => {
          ask('commit id=1 range=0-16k');
          ask('commit id=2 range=32k-64k');
          process.exit();
        });
      });`,
    ]);
    const output = listen(holder);
    await until('blocks are allocated', 30_000, () => output.text.split('\n').length > 3 || output.errors !== '');
    expect(output.errors).toBe('');
    const store = `
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
view = mmap.mmap(fd, 1 << 30, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
at = int(sys.argv[2])
view[at:at + 65536] = b's' * 65536`;
    const device = / device=(\d+) /.exec(output.text)?.[1];
    await volume.run('python3', ['-c', store, join(volume.dir, '.layout/device/1'), device as string]);
    holder.stdin!.write('\n');
    await until('a part is returned', 30_000, () => output.text.includes('rest=2'));
    await standBy(volume);
    await killDaemon(volume);
    holder.stdin!.end('\n');
    expect(await ended(holder, 30_000), output.text + output.errors).toBe(0);
    expect(output.text).toMatch(/(^|\n)ok id=1 .*\nok id=2 .*\n$/);
    // What nobody has committed was never written.
    expect((await volume.bash('tr -d s < open/file | wc -c; stat -c %s open/file')).trim()).toBe('16384\n65536');
    await clean(volume);
  }, 180_000);

  it('what was arranged with one daemon holds with the next', async () => {
    volume = await mountVolume({ supervised: true });
    const { dir } = volume;
    await volume.bash(
      'printf head > log; head -c 8192 /dev/zero > own; head -c 8192 /dev/zero > known; head -c 32768 /dev/zero > parts',
    );
    const holder = await Holder.open(volume);
    const grow = await holder.must({ verb: 'get', path: '/log', kind: 'layout', mode: 'rw' });
    const own = await holder.must({ verb: 'get', path: '/own', kind: 'exclusive' });
    const whole = await holder.must({ verb: 'get', path: '/parts', kind: 'direct', mode: 'rw' });
    const window = openSync(join(dir, `.layout/lease/${whole.id}`), 'r+');
    const { rest } = await holder.must({ verb: 'return', id: whole.id, offset: 2 * PAGE, length: PAGE });
    // What the window shows of each block: stored, or why not.
    const store = (block: number): string => {
      try {
        return String(writeSync(window, 'x', block * PAGE));
      } catch (error) {
        return (error as NodeJS.ErrnoException).code as string;
      }
    };
    const { id: known } = await holder.take('/known', { kind: 'layout', mode: 'ro', coherent: false });
    const { BIND } = IOCTLS;
    const argument = new IoctlArgument(BIND, Buffer.alloc(0));
    argument.set({ size: BIND.size, id: own.id as number, token: own.token as string });
    // Another process, which stores for the holder, and one that appends to a file whose end it does not know.
    const program = `
import fcntl, os, sys
log = os.open('log', os.O_WRONLY | os.O_APPEND)
own = os.open('own', os.O_RDWR)
fcntl.ioctl(own, int(sys.argv[1]), bytearray.fromhex(sys.argv[2]))
print('ready', flush=True)
sys.stdin.readline()
print(os.write(log, b'tail'), os.pwrite(own, b'own', 16384))`;
    const command = 2 ** 31 + 2 ** 30 + BIND.size * 2 ** 16 + IOCTL_TYPE * 2 ** 8 + BIND.number;
    const words = [String(command), argument.bytes.toString('hex')];
    const writer = volume.start('sh', ['-c', 'cd "$0" && exec python3 -c "$@"', dir, program, ...words]);
    const wrote = listen(writer);
    await until('it is bound', 30_000, () => wrote.text === 'ready\n' || wrote.errors !== '');
    await holder.must({ verb: 'alloc', id: grow.id, offset: 0, length: 16 * PAGE });
    await holder.must({ verb: 'return', id: grow.id });
    await standBy(volume);
    await killDaemon(volume);
    writer.stdin!.end('\n');
    expect(await ended(writer, 30_000), wrote.errors).toBe(0);
    expect(wrote.text).toBe('ready\n4 3\n');
    expect([0, 2, 5].map(store)).toEqual(['1', 'EIO', '1']);
    await holder.must({ verb: 'return', id: whole.id });
    expect([0, 2, 5].map(store)).toEqual(['EIO', 'EIO', '1']);
    await holder.must({ verb: 'return', id: rest });
    expect([0, 2, 5].map(store)).toEqual(['EIO', 'EIO', 'EIO']);
    closeSync(window);
    const log = readFileSync(join(dir, 'log'), 'latin1');
    expect(log.length).toBe(16 * PAGE + 4);
    expect(log.slice(0, 4) + log.slice(-4)).toBe('headtail');
    await volume.bash('printf x >> known');
    expect(await holder.event('gen')).toMatchObject({ lease: known });
    await holder.kill();
    await clean(volume);
  }, 180_000);

  it('a verb that has changed a file is not done again, though the kernel still keeps old pages', async () => {
    volume = await mountVolume({ supervised: true, options: 'break=60,patience=60' });
    const mounted = volume;
    const jams = ['jam1', 'jam2', 'jam3', 'jam4'];
    const blocks = ['1', '2', '3', '4', '5', '6', '7', '8'];
    writeFileSync(join(volume.dir, 'file'), blocks.map((digit) => digit.repeat(PAGE)).join(''));
    for (const path of jams) writeFileSync(join(volume.dir, path), Buffer.alloc(PAGE));
    const cut = `
import mmap, os, sys, threading
shifted, *files = [os.open(path, os.O_RDWR) for path in sys.argv[1:]]
views = [mmap.mmap(fd, 4096) for fd in files]
print(len(views), flush=True)
sys.stdin.readline()
for view in views: view[0] = 1
for fd in files: threading.Thread(target=os.ftruncate, args=(fd, 4095)).start()`;
    // Opened before there are leases: it stores into pages of the file.
    const writer = volume.start('python3', ['-c', cut, ...['file', ...jams].map((path) => join(mounted.dir, path))]);
    const wrote = listen(writer);
    await until('the files are open', 30_000, () => wrote.text === '4\n' || wrote.errors !== '');
    const holder = await Holder.open(volume);
    const lease = { verb: 'get', path: '/file', kind: 'direct', mode: 'ro' };
    const { id } = await holder.must(lease);
    const held = [];
    for (const path of jams) held.push(await holder.must({ verb: 'get', path: `/${path}`, kind: 'layout' }));
    const session = await Holder.open(volume);
    const shift = session.ask(
      'request',
      { line: { verb: 'collapse', path: '/file', range: '4k-8k', wait: 60 } },
      60_000,
    );
    expect(await holder.event('recall')).toMatchObject({ lease: id });
    const again = await Holder.open(volume);
    const back = again.ask('request', { line: { ...lease, after_recall: true, wait: 60 } }, 60_000);
    await until('it waits', 30_000, async () => /^\d+ +get /m.test(await mounted.bash('cat .layout/waiters')));
    // Truncations that wait keep dirty pages; who asks the kernel to drop those waits for them: all of the daemon's threads for that.
    writer.stdin!.end('\n');
    for (const _ of jams) await holder.event('recall');
    const others = await Holder.open(volume);
    for (const path of jams) await others.must({ verb: 'map', path: `/${path}` });
    const print = 'import os; print(os.getxattr("file", "user.layout.generation"))';
    const generation = async (): Promise<string> => (await mounted.run('python3', ['-c', print])).stdout;
    const before = await generation();
    await holder.must({ verb: 'return', id });
    await until('the file is shorter', 30_000, async () => (await generation()) !== before);
    await standBy(volume);
    await killDaemon(volume);
    for (const { id: jam } of held) await holder.must({ verb: 'return', id: jam });
    expect(await ended(writer, 30_000), wrote.errors).toBe(0);
    expect((await shift).reply).toMatchObject({ ok: true, size: 7 * PAGE });
    expect((await back).reply).toMatchObject({ ok: true, state: 'granted' });
    expect(await others.must({ verb: 'ls', path: '/file' }), 'granted once').toMatchObject({ count: 1 });
    const left = readFileSync(join(volume.dir, 'file'), 'latin1');
    expect(left.length / PAGE).toBe(7);
    expect(left.match(/(.)\1*/g)?.map((run) => run[0])).toEqual(['1', '3', '4', '5', '6', '7', '8']);
    await Promise.all([holder, session, others, again].map((one) => one.kill()));
    await clean(volume);
  }, 180_000);

  it(
    'streams of events tell each event once, in order, to whoever reads, polls, or reads parts of lines',
    async () => {
      volume = await mountVolume({
        supervised: true,
        options: 'break=60,patience=60',
        deadline: 240_000 + ROUNDS * 30_000,
      });
      const mounted = volume;
      await volume.bash('for i in 1 2 3; do head -c 1M /dev/zero > f$i; done');
      const readers = ['block', 'poll', 'bytes'].map((mode) =>
        mounted.start('python3', [join(programs, 'stream-reader.py'), join(mounted.dir, '.layout', 'events'), mode]),
      );
      const outputs = readers.map(listen);
      await until('the streams are open', 60_000, () => outputs.every(({ errors }) => errors === 'open\n'));
      const holder = await Holder.open(volume);
      const taken: number[] = [];
      let over = false;
      // Leases come and go all the time, some of them by a recall.
      const busy = (async () => {
        for (let i = 0; !over; i++) {
          const name = `f${1 + (i % 3)}`;
          const { id } = await holder.must({ verb: 'get', path: `/${name}`, kind: 'direct' });
          taken.push(id as number);
          if (i % 2 === 0) {
            const broken = mounted.bash(`truncate -s ${1_000_000 - 16 * i} ${name}`, { timeout: 60_000 });
            broken.catch(() => {}); // seen where it is awaited
            expect((await holder.event('recall', 60_000)).lease).toBe(id);
            await holder.must({ verb: 'return', id });
            await broken;
          } else await holder.must({ verb: 'return', id });
        }
      })();
      let failure: unknown;
      busy.catch((error) => {
        failure = error;
      });
      for (let round = 0; round < ROUNDS; round++) {
        await standBy(mounted);
        await sleep(50 + 70 * (round % 4));
        await killDaemon(mounted);
        const known = taken.length;
        await until('leases are taken again', 60_000, () => {
          if (failure) throw failure;
          return taken.length > known + 1;
        });
      }
      over = true;
      await busy;
      const events = ({ text }: Output): { event: string; lease: number; seq: number }[] =>
        text
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line));
      await until('all streams have told the last lease', 60_000, () =>
        outputs.every((output) => {
          const last = events(output).findLast(({ lease }) => lease === taken.at(-1));
          return last !== undefined && last.event !== 'granted' && last.event !== 'recall';
        }),
      );
      const [first, ...others] = outputs.map(({ text }) => text);
      for (const other of others) expect(other).toBe(first);
      const told = events(outputs[0] as Output);
      const recalls = told.filter(({ event }) => event === 'recall').map(({ lease }) => lease);
      expect(recalls, 'each recall once, in order').toEqual(taken.filter((_, i) => i % 2 === 0));
      await holder.kill();
      for (const reader of readers) reader.kill('SIGKILL');
      for (const reader of readers) await ended(reader, 10_000);
      await clean(volume);
    },
    240_000 + ROUNDS * 30_000,
  );
});
