import { afterEach, expect, it } from 'vitest';
import { describeMounted, ended, type MountedVolume, mountVolume, until } from '../harness/index.ts';
import { Actor } from './actor.ts';
import { type Extent, Holder } from './holder.ts';

const BLOCK = 4096;
const SIZE = 16 * BLOCK;

let volume: MountedVolume | undefined;
afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

async function withFile(options = ''): Promise<{ volume: MountedVolume; holder: Holder; observer: Actor }> {
  volume = await mountVolume({ size: '64m', options, deadline: 110_000 });
  const observer = new Actor(volume);
  await observer.do('write', 'data', 0, SIZE, 'p');
  return { volume, holder: await Holder.open(volume), observer };
}

async function stateOf(observer: Actor, id: number): Promise<string | undefined> {
  const { leases } = (await observer.verb({ verb: 'ls', all: true })) as unknown as {
    leases: { id: number; state: string }[];
  };
  return leases.find((lease) => lease.id === id)?.state;
}

describeMounted('holders of every sort', ['python3'], () => {
  it('odp: invalidated, acknowledges, keeps its lease; without an acknowledgement it is recalled after 2 s', async () => {
    const { holder, observer } = await withFile();
    const { id } = await holder.take('/data', { odp: true });
    const first = observer.do('truncate', 'data', SIZE / 2);
    const invalidate = await holder.event('invalidate');
    expect(invalidate).toMatchObject({ lease: id, offset: SIZE / 2, deadline_ms: 2000 });
    await holder.must({ verb: 'ack', id, seq: invalidate.seq });
    await first;
    expect(await stateOf(observer, id)).toBe('granted');

    await holder.must({ verb: 'map', id });
    const second = observer.do('truncate', 'data', SIZE / 4);
    const silent = await holder.event('invalidate');
    const recall = await holder.event('recall');
    expect(recall.seen - silent.seen).toBeGreaterThan(1900);
    await holder.must({ verb: 'return', id, seq: recall.seq });
    await second;
    expect((await observer.look('data')).size).toBe(SIZE / 4);
  }, 60_000);

  it('sub-leases: one is revoked without the others; all are recalled before their parent, which waits for them', async () => {
    const { holder, observer } = await withFile();
    const { id: parent } = await holder.take('/data');
    const parts: number[] = [];
    for (const offset of [0, SIZE / 2]) {
      const part = { verb: 'get', path: '/data', kind: 'direct', parent, offset, length: SIZE / 2 };
      parts.push((await holder.must(part)).id as number);
    }
    const [one, other] = parts as [number, number];
    expect(await observer.verb({ verb: 'revoke', id: one })).toMatchObject({ ok: true });
    // The administrator asks first: this one answers.
    const asked = await holder.event('recall');
    expect(asked).toMatchObject({ lease: one });
    await holder.must({ verb: 'return', id: one, seq: asked.seq });
    expect([await stateOf(observer, parent), await stateOf(observer, other)]).toEqual(['granted', 'granted']);

    const truncate = observer.do('truncate', 'data', 0);
    const first = await holder.event('recall');
    expect(first).toMatchObject({ lease: other, reason: 'truncate' });
    expect(await holder.request({ verb: 'return', id: parent })).toMatchObject({ errno: 'EBUSY' });
    const late = { verb: 'get', path: '/data', kind: 'direct', parent, offset: 0, length: BLOCK };
    expect(await holder.request(late)).toMatchObject({ errno: 'ENXIO' });
    await holder.must({ verb: 'return', id: other, seq: first.seq });
    await holder.must({ verb: 'return', id: parent });
    await truncate;
  }, 60_000);

  it('notify=signal: the process that asked for it gets the signal', async () => {
    const { volume, observer } = await withFile();
    const program = `
import os, signal
session = os.open('.layout/ctl', os.O_RDWR | os.O_NONBLOCK)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
os.write(session, b'get path=/data notify=signal:10\\n')
print(os.read(session, 65536).decode().split()[0], flush=True)
print(signal.sigwait({signal.SIGUSR1}).name, flush=True)
os.close(session)
`;
    const child = volume.start('python3', ['-c', `import os; os.chdir(os.environ['MNT'])${program}`]);
    let said = '';
    child.stdout!.on('data', (part: Buffer) => {
      said += part;
    });
    await until('it has the lease', 20_000, () => said.includes('\n'));
    await observer.do('truncate', 'data', 0);
    expect(await ended(child, 10_000)).toBe(0);
    expect(said.split('\n')).toEqual(['ok', 'SIGUSR1', '']);
  }, 60_000);

  it('a named lease given back in the middle: both parts survive the daemon, each by its name', async () => {
    const { volume, holder, observer } = await withFile();
    const secret = 'open sesame';
    const { id } = await holder.take('/data', { bind: 'named', name: 'db', secret, offset: 0, length: SIZE });
    const reply = await holder.must({ verb: 'return', id, offset: 4 * BLOCK, length: BLOCK });
    expect(reply).toMatchObject({ rest_name: `db.${reply.rest}` });
    await Promise.all([holder.kill(), observer.end()]);
    await volume.kill();
    await volume.remount();
    const next = await Holder.open(volume);
    for (const [name, of] of [
      ['db', id],
      [reply.rest_name, reply.rest],
    ])
      expect(await next.must({ verb: 'reclaim', name, secret })).toMatchObject({ id: of, state: 'granted' });
  }, 60_000);

  it('prepare that finds no space while it zeroes tries the fences again, once', async () => {
    const { holder, observer, volume } = await withFile('inject,break=1,fence_retry=180,fence_retry_max=180');
    const { extents, device } = await holder.take('/data', { on_expire: 'none' });
    await holder.ask('map', { path: device, extents });
    await observer.do('truncate', 'data', 0);
    expect((await observer.verb({ verb: 'quarantine' })).bytes).toBe(SIZE);
    await volume.bash(': > other');
    const prepare = { verb: 'prepare', path: '/other', offset: 0, length: 1 << 20, extend: true };
    await observer.verb({ verb: 'inject', fault: 'no-space' });
    expect(await observer.verb(prepare)).toMatchObject({ ok: true });
    await observer.verb({ verb: 'inject', fault: 'no-space', count: 2 });
    await volume.bash(': > another');
    expect(await observer.verb({ ...prepare, path: '/another' })).toMatchObject({ errno: 'ENOSPC' });
  }, 60_000);

  it('bind=process: outlives its session, ends with its process', async () => {
    const { observer, volume } = await withFile();
    const other = new Actor(volume);
    // A session of its own, closed behind the verb.
    const { id } = await other.verb({ verb: 'get', path: '/data', kind: 'direct', bind: 'process' });
    const { id: bound } = await other.verb({ verb: 'get', path: '/data', kind: 'direct' });
    await until('the lease of the descriptor is over', 10_000, async () => {
      const { leases } = (await observer.verb({ verb: 'ls' })) as unknown as { leases: { id: number }[] };
      return !leases.some((lease) => lease.id === bound);
    });
    expect(await stateOf(observer, id as number)).toBe('granted');
    await other.end();
    await until('it is over', 10_000, async () => {
      const { leases } = (await observer.verb({ verb: 'ls' })) as unknown as { leases: unknown[] };
      return leases.length === 0;
    });
  }, 60_000);

  it('preconditions: shared, misaligned and other files', async () => {
    const { holder, observer, volume } = await withFile();
    const get = (path: string, fields: Record<string, unknown> = {}) =>
      holder.request({ verb: 'get', path, kind: 'direct', ...fields });
    await volume.bash('mkdir folder; ln -s data link; : > twin');
    expect(await get('/folder')).toMatchObject({ ok: false, errno: 'EINVAL' });
    expect(await get('/nothing')).toMatchObject({ ok: false, errno: 'ENOENT' });
    expect(await observer.verb({ verb: 'clone', path: '/data', to: '/twin' })).toMatchObject({ ok: true });
    expect(await get('/data')).toMatchObject({ ok: false, errno: 'ENXIO' });
    expect(await get('/twin', { kind: 'frozen' })).toMatchObject({ ok: true });
    // Half of it has blocks of its own now: only that half may be leased.
    await observer.do('write', 'data', 0, SIZE / 2, 'q');
    await observer.do('fsync', 'data');
    expect(await get('/data', { offset: SIZE / 2, length: SIZE / 2 })).toMatchObject({ errno: 'ENXIO' });
    const half = await get('/data', { offset: 0, length: SIZE / 2 });
    expect(half).toMatchObject({ ok: true });
    expect(await get('/data', { offset: BLOCK, length: BLOCK, align: SIZE / 2 })).toMatchObject({ errno: 'EINVAL' });

    // Small files lie one behind the other: of those of two blocks, some begin at an odd one.
    const align = 2 * BLOCK;
    let odd = 0;
    for (let i = 0; i < 8; i++) {
      const path = `small${i}`;
      await observer.do('write', path, 0, i % 2 === 0 ? BLOCK : align, 'x');
      await observer.do('fsync', path);
      if (i % 2 === 0) continue;
      const { extents } = await holder.must({ verb: 'map', path: `/${path}` });
      const [{ device }, second] = extents as [Extent, Extent?];
      const reply = await get(`/${path}`, { align });
      if (device % align === 0 && !second) expect(reply, path).toMatchObject({ ok: true });
      else expect(reply, path).toMatchObject({ ok: false, errno: 'EINVAL' });
      odd += device % align === 0 ? 0 : 1;
      if (reply.ok) continue;
      expect(await observer.verb({ verb: 'prepare', path: `/${path}`, align })).toMatchObject({ ok: true });
      expect(await get(`/${path}`, { align }), 'once prepared').toMatchObject({ ok: true });
    }
    expect(odd).toBeGreaterThan(0);

    // Written and unwritten, and yet one run of the device.
    await observer.do('fallocate', 'mixed', 0, 0, align);
    expect(await observer.verb({ verb: 'prepare', path: '/mixed', align, unwritten: true })).toMatchObject({
      ok: true,
    });
    await observer.do('write', 'mixed', 0, BLOCK, 'x');
    await observer.do('fsync', 'mixed');
    expect((await holder.must({ verb: 'map', path: '/mixed' })).extents).toHaveLength(2);
    expect(await get('/mixed', { align, unwritten_ok: true })).toMatchObject({ ok: true });
  }, 60_000);

  it('the seal survives a kill of the daemon, and a lease of a descriptor does not survive its process', async () => {
    const { holder, observer, volume } = await withFile();
    await observer.do('write', 'sealed', 0, SIZE, 's');
    expect(await observer.verb({ verb: 'seal', path: '/sealed' })).toMatchObject({ ok: true });
    await holder.take('/data');
    await Promise.all([holder.kill(), observer.end()]);
    await volume.kill();
    await volume.remount();
    const after = new Actor(volume);
    expect((await after.outcome('write', 'sealed', SIZE, 1, 'w')).errno).toBe('ETXTBSY');
    await after.do('truncate', 'data', 0);
    expect((await after.verb({ verb: 'ls' })).leases).toEqual([]);
  }, 60_000);
});
