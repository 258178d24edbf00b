import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { describeMounted, ended, type MountedVolume, mountVolume, sleep, until } from '../harness/index.ts';
import { type Extent, Holder } from './holder.ts';

const MIB = 2 ** 20;
const SIZE = 256 * MIB;
const PAGES = SIZE / 4096;

let volume: MountedVolume | undefined;

afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

/** A mount with a file of 256 MiB, allocated and zeroed. */
async function withFile(options = '', size = '1g'): Promise<{ volume: MountedVolume; holder: Holder }> {
  volume = await mountVolume({ size, options, deadline: 110_000 });
  await volume.bash(': > data');
  const holder = await Holder.open(volume);
  await holder.must({ verb: 'prepare', path: '/data', offset: 0, length: SIZE, extend: true });
  return { volume, holder };
}

const sizeOf = async (on: MountedVolume): Promise<number> => Number(await on.bash('stat -c %s data'));

/** The extents cover the file without a gap, on blocks, and lie inside the device without overlap. */
function expectWholeMap(extents: Extent[], deviceSize: number): void {
  let at = 0;
  for (const extent of extents) {
    expect(extent).toMatchObject({ offset: at, state: 'written' });
    expect(extent.device % 4096).toBe(0);
    expect(extent.device).toBeGreaterThan(0);
    expect(extent.device + extent.length).toBeLessThanOrEqual(deviceSize);
    at += extent.length;
  }
  expect(at).toBe(SIZE);
  const sorted = [...extents].sort((a, b) => a.device - b.device);
  sorted.slice(1).forEach((extent, i) => {
    const before = sorted[i] as Extent;
    expect(extent.device).toBeGreaterThanOrEqual(before.device + before.length);
  });
}

/** How many pages of the file, read through the mount by another process, are as the holder's store left them. */
async function pagesReadBack(on: MountedVolume, round: number, count = PAGES): Promise<number> {
  const script = `
    const fs = require('node:fs'), fd = fs.openSync('data', 'r'), b = Buffer.alloc(1 << 20);
    let right = 0, page = 0;
    for (let n; (n = fs.readSync(fd, b, 0, b.length, null)) > 0; ) for (let at = 0; at < n; at += 4096, page++)
      if (b.readBigUInt64LE(at) === ((BigInt(page) << 20n) | ${round}n) && b[at + 4095] === ((page + ${round}) & 255)) right++;
    console.log(right, page);`;
  const { stdout, stderr } = await on.run(process.execPath, ['-e', script], { timeout: 60_000 });
  const [right, pages] = stdout.split(' ').map(Number);
  expect(pages, stderr).toBe(count);
  return right as number;
}

describeMounted('a direct lease', ['truncate'], () => {
  for (const through of ['the device window', 'the backing file'] as const) {
    it(`lets its holder map the blocks through ${through}; readers see what it stores`, async () => {
      const { volume, holder } = await withFile();
      const { id, extents, device } = await holder.take('/data');
      expect(device).toBe(volume.image);
      expectWholeMap(extents, 2 ** 30);

      const path = through === 'the backing file' ? device : join(volume.dir, '.layout', 'device', String(id));
      await holder.ask('map', { path, extents });
      expect(await holder.ask('store', { round: 1 })).toMatchObject({ pages: PAGES });
      // Leased: a reader who opens the file now sees the stores at once, without a commit.
      expect(await pagesReadBack(volume, 1)).toBe(PAGES);

      await holder.ask('store', { round: 2 });
      await holder.must({ verb: 'commit', id, offset: 0, length: SIZE });
      expect(await pagesReadBack(volume, 2)).toBe(PAGES);
      await holder.ask('unmap');
      await holder.must({ verb: 'return', id });
      await holder.kill();
      await volume.unmount();
      await volume.remount();
      expect(await pagesReadBack(volume, 2)).toBe(PAGES);
    }, 120_000);
  }

  it('refuses an append with "Text file busy" and changes nothing', async () => {
    const { volume, holder } = await withFile();
    const { id, extents } = await holder.take('/data');
    const append = await volume.run('bash', ['-c', 'printf more >> data']);
    expect(append.code).not.toBe(0);
    expect(append.stderr).toContain('Text file busy');
    expect(await sizeOf(volume)).toBe(SIZE);
    expect(await holder.must({ verb: 'map', id })).toMatchObject({ extents });
    expect(holder.events).toEqual([]);

    await holder.must({ verb: 'return', id });
    await volume.bash('printf more >> data');
    expect(await sizeOf(volume)).toBe(SIZE + 4);
  }, 60_000);

  it('makes a truncate wait: the holder hears who and why, returns, and the truncate completes', async () => {
    const { volume, holder } = await withFile();
    const { id, extents } = await holder.take('/data');
    await holder.ask('map', { path: join(volume.dir, '.layout', 'device', String(id)), extents });
    await holder.ask('store', { round: 7 });

    const truncate = volume.start('truncate', ['-s', String(SIZE / 2), join(volume.dir, 'data')]);
    const recall = await holder.event('recall');
    expect(recall).toMatchObject({ lease: id, reason: 'truncate', target: 'none' });
    expect(recall.breaker).toMatchObject({ pid: truncate.pid, command: 'truncate' });
    expect(recall.deadline_ms).toBeGreaterThan(40_000);
    expect(recall.deadline_ms).toBeLessThanOrEqual(45_000);

    await sleep(300);
    expect(truncate.exitCode, 'the truncate waits').toBeNull();
    expect(await sizeOf(volume)).toBe(SIZE);
    expect(await holder.must({ verb: 'map', id })).toMatchObject({ extents });
    expect(
      holder.events.filter(({ event }) => event === 'recall'),
      'one recall per lease and seq',
    ).toEqual([]);

    await holder.ask('unmap');
    const returned = performance.now();
    await holder.must({ verb: 'return', id, seq: recall.seq });
    expect(await ended(truncate, 5000)).toBe(0);
    expect(performance.now() - returned).toBeLessThan(3000);
    expect(await sizeOf(volume)).toBe(SIZE / 2);
    expect(await pagesReadBack(volume, 7, PAGES / 2)).toBe(PAGES / 2);
  }, 60_000);

  it('makes a non-blocking open with O_TRUNC fail with EAGAIN, with the recall begun', async () => {
    const { volume, holder } = await withFile();
    const { id } = await holder.take('/data');
    const script = `
      const fs = require('node:fs'), { O_WRONLY, O_TRUNC, O_NONBLOCK } = fs.constants;
      try { fs.openSync('data', O_WRONLY | O_TRUNC | O_NONBLOCK); console.log('done'); } catch (error) { console.log(error.code); }`;
    const { stdout } = await volume.run(process.execPath, ['-e', script]);
    expect(stdout.trim()).toBe('EAGAIN');
    expect(await holder.event('recall')).toMatchObject({ lease: id });
    expect(await sizeOf(volume)).toBe(SIZE);
  }, 60_000);

  it('makes a non-blocking write fail with EAGAIN; ftruncate through the same descriptor waits all the same', async () => {
    volume = await mountVolume();
    await volume.bash('head -c 8192 /dev/zero > data; truncate -s 1M data; sync data');
    const holder = await Holder.open(volume);
    const { id } = await holder.must({ verb: 'get', path: '/data', kind: 'layout', mode: 'ro' });
    const script = `
      const fs = require('node:fs'), { O_WRONLY, O_NONBLOCK } = fs.constants;
      const fd = fs.openSync(process.argv[1], O_WRONLY | O_NONBLOCK);
      try { fs.writeSync(fd, 'x', 65536); console.log('written'); } catch (error) { console.log(error.code); }
      fs.ftruncateSync(fd, 0);
      console.log('truncated');`;
    const child = volume.start(process.execPath, ['-e', script, join(volume.dir, 'data')]);
    let said = '';
    child.stdout!.on('data', (part: Buffer) => {
      said += part;
    });
    const recall = await holder.event('recall');
    expect(recall).toMatchObject({ lease: id, breaker: { pid: child.pid } });
    await until('the write is refused', 20_000, () => said.includes('\n'));
    await sleep(300);
    expect(said).toBe('EAGAIN\n');
    await holder.must({ verb: 'return', id });
    expect(await ended(child, 20_000)).toBe(0);
    expect(said).toBe('EAGAIN\ntruncated\n');
    expect(await sizeOf(volume)).toBe(0);
  }, 60_000);

  it('of a holder that never answers: the truncate goes on after the break time; its blocks go to nobody', async () => {
    const { volume, holder } = await withFile('break=2', '600m');
    const { extents, device } = await holder.take('/data');
    await holder.ask('map', { path: device, extents });
    await holder.ask('store', { round: 3 });

    const begun = performance.now();
    await volume.bash('truncate -s 0 data');
    const took = performance.now() - begun;
    expect(took).toBeGreaterThan(1900);
    expect(took).toBeLessThan(15_000);
    expect(await sizeOf(volume)).toBe(0);

    // Fill all the space that is left, while the holder keeps storing into what it mapped.
    await volume.bash('head -c 700m /dev/urandom > full 2>/dev/null || true; sync full; sha256sum full > $ROOT/sum');
    await holder.ask('store', { round: 4 });
    await volume.bash('sha256sum -c --quiet $ROOT/sum');
    await holder.kill();
    await volume.unmount();
    const fsck = await volume.layoutfs(['fsck', volume.image]);
    expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
  }, 100_000);

  it('keeps freed blocks in quarantine as long as the late holder maps them, and no longer', async () => {
    const { volume, holder } = await withFile('break=1,on_expire=none');
    const before = await holder.must({ verb: 'quarantine' });
    expect(before.bytes).toBe(0);
    const { id, extents, device } = await holder.take('/data');
    await holder.ask('map', { path: device, extents });
    await volume.bash('truncate -s 0 data');

    const observer = await Holder.open(volume);
    expect(await observer.must({ verb: 'quarantine' })).toMatchObject({ bytes: SIZE });
    // Nobody can move them: whoever wants the place empty is told so.
    const [first] = extents as [Extent];
    const drained = await observer.must({ verb: 'drain', offset: first.device, length: first.length });
    expect(drained.blockers).toMatchObject([{ lease: id, cause: 'quarantine', holder: { pid: holder.child.pid } }]);
    const used = async (): Promise<number> =>
      Number(await volume.bash("stat -f -c '%b %f %S' . | awk '{ print ($1 - $2) * $3 }'"));
    expect(await used()).toBeGreaterThanOrEqual(SIZE);
    await holder.kill();
    await until(
      'the quarantine is empty',
      20_000,
      async () => (await observer.must({ verb: 'quarantine' })).bytes === 0,
    );
    expect(await used()).toBeLessThan(SIZE);
  }, 60_000);

  it('keeps them for a child that maps the device window, until the kernel tells that its last mapping is gone', async () => {
    const { volume, holder } = await withFile('break=1,on_expire=none,fence_retry=60,fence_retry_max=60');
    const program = `
import ctypes, json, os, sys
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
os.chdir(os.environ['MNT'])
session = os.open('.layout/ctl', os.O_RDWR | os.O_NONBLOCK)
def ask(line):
    os.write(session, (line + '\\n').encode())
    return json.loads(os.read(session, 65536).decode().splitlines()[-1])
lease = ask('{"verb":"get","path":"/data"}')['id']
extent = ask('{"verb":"map","id":%d}' % lease)['extents'][0]
window = os.open('.layout/device/%d' % lease, os.O_RDWR)
area = libc.mmap(None, ctypes.c_size_t(4096), 3, 1, window, ctypes.c_int64(extent['device']))
os.close(window)
if os.fork() == 0:
    os.close(session)
    sys.stdin.readline()
    os._exit(0)
libc.munmap(ctypes.c_void_p(area), ctypes.c_size_t(4096))
os.close(session)
print('mapped', flush=True)
os.wait()
`;
    const child = volume.start('python3', ['-c', program]);
    const said = new Promise((resolve) => child.stdout!.once('data', resolve));
    await said;
    await volume.bash('truncate -s 0 data');
    const held = async (): Promise<boolean> => ((await holder.must({ verb: 'quarantine' })).bytes as number) > 0;
    await until('the blocks are in quarantine', 20_000, held);
    child.stdin!.end();
    // By the FORGET of the window, long before anybody looks again.
    await until('the quarantine is empty', 20_000, async () => !(await held()));
  }, 60_000);

  it('of a holder killed by SIGKILL ends at once: the waiter goes on', async () => {
    const { volume, holder } = await withFile();
    await holder.take('/data');
    const truncate = volume.start('truncate', ['-s', '0', join(volume.dir, 'data')]);
    await holder.event('recall');
    const killed = performance.now();
    await holder.kill();
    expect(await ended(truncate, 10_000)).toBe(0);
    expect(performance.now() - killed).toBeLessThan(5000);
    expect(await sizeOf(volume)).toBe(0);
  }, 60_000);

  it('survives the SIGKILL of the waiter: the daemon is unharmed and the recall goes on', async () => {
    const { volume, holder } = await withFile();
    const { id } = await holder.take('/data');
    const truncate = volume.start('truncate', ['-s', '0', join(volume.dir, 'data')]);
    const recall = await holder.event('recall');
    truncate.kill('SIGKILL');
    expect(await ended(truncate, 5000)).toBe('SIGKILL');

    const { leases } = (await holder.must({ verb: 'ls', id })) as unknown as { leases: { state: string }[] };
    expect(leases).toMatchObject([{ state: 'recalled' }]);
    await holder.must({ verb: 'return', id, seq: recall.seq });
    expect(await sizeOf(volume), 'nobody truncates any more').toBe(SIZE);
    await volume.bash('echo alive > other; cat other');
    await holder.take('/data');
  }, 60_000);

  it('is durable before its reply: it is in the table of the metadata, for an outside reader', async () => {
    const { volume, holder } = await withFile();
    const { id } = await holder.take('/data');
    const { default: Database } = await import('better-sqlite3');
    const db = new Database(`${volume.image}.meta`, { readonly: true });
    try {
      expect(db.prepare('select kind, state from lease where id = ?').get(id)).toMatchObject({ kind: 'direct' });
    } finally {
      db.close();
    }
  }, 60_000);
});

describeMounted('preconditions of a direct lease', [], () => {
  it('refuses holes and unwritten extents, unless prepared or asked for', async () => {
    volume = await mountVolume();
    await volume.bash('truncate -s 1M hole; fallocate -l 1M unwritten; mkdir dir');
    const holder = await Holder.open(volume);
    const get = (path: string, more = {}) => holder.request({ verb: 'get', path, kind: 'direct', ...more });
    expect(await get('/hole')).toMatchObject({ ok: false, errno: 'ENXIO', writeErrno: 'ENXIO' });
    expect(((await get('/hole')) as { hint?: string }).hint).toContain('prepare');
    expect(await get('/unwritten')).toMatchObject({ ok: false, errno: 'ENXIO' });
    expect(await get('/unwritten', { unwritten_ok: true })).toMatchObject({ ok: true, state: 'granted' });
    expect(await get('/dir')).toMatchObject({ ok: false, errno: 'EINVAL' });
    expect(await get('/missing')).toMatchObject({ ok: false, errno: 'ENOENT' });
    expect(await get('/hole', { offset: 4 * MIB, length: 4096 })).toMatchObject({ ok: false, errno: 'EINVAL' });
    await holder.must({ verb: 'prepare', path: '/hole' });
    expect(await get('/hole')).toMatchObject({ ok: true });
  }, 60_000);
});
