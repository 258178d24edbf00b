import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { describeMounted, ended, type MountedVolume, mountVolume, sleep, until } from '../harness/index.ts';
import { Actor } from './actor.ts';
import { Holder } from './holder.ts';

const MIB = 2 ** 20;
const SIZE = 16 * MIB;

let volume: MountedVolume | undefined;
afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

async function withFile(options = '', size = '256m'): Promise<{ volume: MountedVolume; holder: Holder }> {
  volume = await mountVolume({ size, options, deadline: 110_000 });
  await volume.bash(': > data');
  const holder = await Holder.open(volume);
  await holder.must({ verb: 'prepare', path: '/data', offset: 0, length: SIZE, extend: true });
  return { volume, holder };
}

/** A direct lease whose holder maps the backing file and has stored round 1. */
async function mapped(holder: Holder, fields: Record<string, unknown> = {}): Promise<number> {
  const { id, extents, device } = await holder.take('/data', fields);
  await holder.ask('map', { path: device, extents });
  await holder.ask('store', { round: 1 });
  return id;
}

describeMounted('a holder that does not answer', ['truncate', 'python3'], () => {
  it('on_expire=kill: is killed by pid and start time, and the change goes on with nothing left in quarantine', async () => {
    const { volume, holder } = await withFile('break=1');
    await mapped(holder, { on_expire: 'kill' });
    await volume.bash('truncate -s 0 data');
    expect(await ended(holder.child, 10_000)).toBe('SIGKILL');
    const observer = new Actor(volume);
    await until(
      'the quarantine is empty',
      20_000,
      async () => (await observer.verb({ verb: 'quarantine' })).bytes === 0,
    );
  }, 60_000);

  it('expired=hold and fence_cmd: the change waits for exit status 0, asked again with back-off', async () => {
    volume = await mountVolume({ size: '64m' });
    const { root, image } = volume;
    await volume.unmount();
    const script = join(root, 'fence.sh');
    writeFileSync(script, `echo "$1 $2 $LAYOUTFS_BLOCKS" >> ${root}/asked; test -e ${root}/go\n`);
    await volume.remount(`break=1,fence_retry=1,expired=hold,fence_cmd=sh ${script}`);
    const holder = await Holder.open(volume);
    await volume.bash(': > data');
    await holder.must({ verb: 'prepare', path: '/data', offset: 0, length: MIB, extend: true });
    const { id } = await holder.take('/data');
    const truncate = volume.start('truncate', ['-s', '0', join(volume.dir, 'data')]);
    const asked = (): string[] => {
      try {
        return readFileSync(join(root, 'asked'), 'utf8').trim().split('\n');
      } catch {
        return [];
      }
    };
    await until('two attempts', 20_000, () => asked().length >= 2);
    expect(truncate.exitCode, 'held').toBeNull();
    expect(asked()[0]).toMatch(new RegExp(`^${id} ${image} \\d+\\+\\d+`));
    writeFileSync(join(root, 'go'), '');
    expect(await ended(truncate, 20_000)).toBe(0);
  }, 90_000);

  it('ENOSPC first tries fences again: space in quarantine is had when its holder is gone', async () => {
    const { volume, holder } = await withFile('break=1,fence_retry=180,fence_retry_max=180', '32m');
    await mapped(holder, { on_expire: 'none' });
    await volume.bash('truncate -s 0 data');
    const full = await volume.run('sh', ['-c', 'head -c 24M /dev/zero > other']);
    expect(full.stderr).toContain('No space left');
    // Its session is inherited by nobody; that the holder is gone is found by the look before ENOSPC.
    await holder.kill();
    await sleep(1100);
    await volume.bash('head -c 24M /dev/zero > other; sync other');
  }, 90_000);
});

describeMounted('the daemon killed', ['truncate', 'python3'], () => {
  it('while holders map the device: nothing they map is reused until they are gone', async () => {
    const { volume, holder } = await withFile('grace=1', '64m');
    await mapped(holder);
    await volume.kill();
    await volume.remount();
    const observer = new Actor(volume);
    const { leases } = (await observer.verb({ verb: 'ls' })) as unknown as { leases: { state: string }[] };
    expect(leases).toMatchObject([{ state: 'orphaned' }]);
    // The orphan protects its blocks; unlink and fill everything else.
    await volume.bash(
      'rm data; head -c 80M /dev/urandom > full 2>/dev/null || true; sync full; sha256sum full > $ROOT/sum',
    );
    await holder.ask('store', { round: 2 });
    expect(await holder.ask('verify', { round: 2 })).toMatchObject({ right: SIZE / 4096 });
    await volume.bash('sha256sum -c --quiet $ROOT/sum');
    const used = async (): Promise<number> =>
      Number(await volume.bash("stat -f -c '%b %f %S' . | awk '{ print ($1 - $2) * $3 }'"));
    const before = await used();
    await holder.kill();
    await until('the blocks are free', 30_000, async () => (await used()) <= before - SIZE);
    await observer.end();
    await volume.unmount();
    const fsck = await volume.layoutfs(['fsck', volume.image]);
    expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
  }, 100_000);
});

describeMounted('leases on a mount', ['truncate', 'python3'], () => {
  it('row 27: unmounting recalls all, waits for the break time at most, and records who did not return', async () => {
    const { volume, holder } = await withFile('break=2');
    await mapped(holder, { bind: 'named', name: 'db', secret: 'open sesame' });
    process.kill(volume.daemonPid, 'SIGTERM');
    const recall = await holder.event('recall');
    expect(recall).toMatchObject({ reason: 'unmount' });
    await holder.ask('unmap');
    await holder.kill();
    await until('the daemon has ended', 20_000, () => {
      try {
        process.kill(volume.daemonPid, 0);
        return readFileSync(`/proc/${volume.daemonPid}/stat`, 'utf8').includes(') Z ');
      } catch {
        return true;
      }
    });
    await volume.remount('grace=60');
    const next = await Holder.open(volume);
    expect(await next.request({ verb: 'reclaim', name: 'db', secret: 'wrong' })).toMatchObject({ errno: 'EACCES' });
    expect(await next.request({ verb: 'reclaim', name: 'db', secret: 'open sesame' })).toMatchObject({
      state: 'granted',
    });
  }, 90_000);

  it('row 28: the device is lost: revoked at once, reason=device; the seal stays', async () => {
    const { volume, holder } = await withFile('inject');
    const { id } = await holder.take('/data', { unbreakable: true });
    await volume.bash('head -c 1M /dev/zero > other; sync other');
    await holder.must({ verb: 'seal', path: '/other' });
    await holder.must({ verb: 'inject', fault: 'device-lost' });
    expect(await holder.event('revoked')).toMatchObject({ lease: id, reason: 'device' });
    const append = await volume.run('bash', ['-c', 'echo x >> other']);
    expect(append.stderr).toContain('Text file busy');
  }, 60_000);

  it('row 28: a device that answers ENODEV is lost, one that answers EIO for a block is not', async () => {
    const { volume, holder } = await withFile('inject');
    await volume.bash('head -c 1M /dev/zero > other; sync other');
    const { id } = await holder.take('/data', { unbreakable: true });
    const read = (): ReturnType<MountedVolume['run']> =>
      volume.run('dd', ['if=other', 'of=/dev/null', 'bs=4096', 'count=1', 'iflag=direct']);
    await holder.must({ verb: 'inject', fault: 'device-error' });
    expect((await read()).stderr).toContain('Input/output error');
    expect(await holder.must({ verb: 'map', id })).toMatchObject({ ok: true });
    await holder.must({ verb: 'inject', fault: 'device-gone' });
    expect((await read()).stderr).toContain('No such device');
    expect(await holder.event('revoked')).toMatchObject({ lease: id, reason: 'device' });
  }, 60_000);

  it('drain moves what may move, with the holder granted again behind the recall, and lists what stays', async () => {
    const { volume, holder } = await withFile();
    const { id, extents } = await holder.take('/data');
    await volume.bash('head -c 1M /dev/zero > pinned; sync pinned');
    const pinned = await holder.take('/pinned', { unbreakable: true });
    const observer = new Actor(volume);
    const draining = observer.verb({ verb: 'drain', offset: 0, length: 128 * MIB, wait: 30 });
    const recall = await holder.event('recall');
    expect(recall).toMatchObject({ lease: id, reason: 'drain' });
    const again = await Holder.open(volume);
    const back = again.request({ verb: 'get', path: '/data', kind: 'direct', after_recall: true, wait: 30 });
    await sleep(100);
    await holder.must({ verb: 'return', id, seq: recall.seq });
    expect(await back).toMatchObject({ ok: true, state: 'granted' });
    const reply = await draining;
    expect(reply).toMatchObject({ ok: true, left: MIB });
    expect(reply.blockers).toMatchObject([{ lease: pinned.id, kind: 'direct unbreakable' }]);
    const { extents: moved } = await again.must({ verb: 'map', id: (await back).id as number });
    expect(moved).not.toEqual(extents);
  }, 60_000);

  it('commit by another layout holder: who covers the end is recalled, the size grows, never shrinks', async () => {
    const { volume, holder } = await withFile();
    const { id } = await holder.must({ verb: 'get', path: '/data', kind: 'layout' });
    const other = await Holder.open(volume);
    const { id: own } = await other.must({ verb: 'get', path: '/data', kind: 'layout', mode: 'rw' });
    await other.must({ verb: 'alloc', id: own, offset: SIZE, length: 4096, keep_size: true });
    const line = { verb: 'commit', id: own, offset: SIZE, length: 4096, size: SIZE + 4096 };
    const commit = other.request(line);
    const recall = await holder.event('recall');
    expect(recall).toMatchObject({ lease: id, reason: 'commit' });
    await holder.must({ verb: 'return', id, seq: recall.seq });
    const { ok, errno } = await commit;
    // A verb without patience: EAGAIN with the recall begun.
    if (!ok) {
      expect(errno).toBe('EAGAIN');
      await other.must(line);
    }
    expect(await volume.bash('stat -c %s data')).toBe(`${SIZE + 4096}\n`);
    await other.request({ verb: 'commit', id: own, size: 4096 });
    expect(await volume.bash('stat -c %s data')).toBe(`${SIZE + 4096}\n`);
  }, 60_000);

  it('explains: events -f, .layout/waiters, why, and a refusal say who, what, how long, and what to do', async () => {
    const { volume, holder } = await withFile();
    const { id } = await holder.take('/data');
    const follow = volume.start(process.execPath, [
      join(import.meta.dirname, '../../bin/layoutfs.mjs'),
      'events',
      '-f',
      volume.dir,
    ]);
    let said = '';
    follow.stdout!.on('data', (part: Buffer) => {
      said += part;
    });
    const opened = (): boolean =>
      readdirSync(`/proc/${follow.pid}/fd`).some((fd) => {
        try {
          return readlinkSync(`/proc/${follow.pid}/fd/${fd}`).endsWith('.layout/events');
        } catch {
          return false;
        }
      });
    await until('the stream is open', 20_000, opened);
    const truncate = volume.start('truncate', ['-s', '0', join(volume.dir, 'data')]);
    await holder.event('recall');
    await until('the event is followed', 10_000, () => said.includes('"event":"recall"'));
    expect(JSON.parse(said.split('\n').find((line) => line.includes('"recall"')) as string)).toMatchObject({
      lease: id,
      reason: 'truncate',
      breaker: { pid: truncate.pid, command: 'truncate' },
    });
    const waiters = await volume.bash('cat .layout/waiters');
    expect(waiters).toMatch(
      new RegExp(`operation +setattr.size +\\d+ +${truncate.pid} +truncate .*s +\\d+\\.\\ds +${id}\n`),
    );
    const why = await volume.layoutfs(['why', join(volume.dir, 'data'), 'shrink']);
    expect(why.stdout).toMatch(/waits/);
    const {
      holder: who,
      age_ms,
      deadline_ms,
      hint,
    } = (await new Actor(volume).verb({
      verb: 'get',
      path: '/data',
      kind: 'exclusive',
    })) as Record<string, unknown>;
    expect(who).toMatchObject({ pid: holder.child.pid });
    expect(age_ms).toBeGreaterThan(0);
    expect(deadline_ms).toBeLessThanOrEqual(45_000);
    expect(hint).toContain('being recalled');
    await holder.must({ verb: 'return', id });
    expect(await ended(truncate, 10_000)).toBe(0);
  }, 60_000);
});
