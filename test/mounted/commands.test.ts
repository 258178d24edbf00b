import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { describeMounted, ended, layoutfs, type MountedVolume, mountVolume, until } from '../harness/index.ts';

let volume: MountedVolume | undefined;

afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

interface Talker {
  said(): string;
  lines(): Record<string, unknown>[];
  end(ms: number): Promise<number | NodeJS.Signals>;
  interrupt(): void;
}

/** A command that goes on until it is told to end, and what it has said so far. */
function talk(on: MountedVolume, ...args: string[]): Talker {
  const child = on.start(process.execPath, [layoutfs, ...args]);
  let text = '';
  child.stdout!.on('data', (part: Buffer) => {
    text += part;
  });
  const whole = (): string[] => text.split('\n').slice(0, -1);
  return {
    said: () => text,
    lines: () => whole().map((line) => JSON.parse(line) as Record<string, unknown>),
    end: (ms) => ended(child, ms),
    interrupt: () => void child.kill('SIGINT'),
  };
}

describeMounted('lease get', [], () => {
  it('keeps the lease until it is recalled, says by whom, gives it back and ends with 0', async () => {
    volume = await mountVolume();
    await volume.bash('head -c 1M /dev/zero > data; sync data');
    const data = join(volume.dir, 'data');
    const holder = talk(volume, 'lease', 'get', data, '--kind', 'direct', '--json');
    await until('granted', 30_000, () => holder.lines().length > 0);
    expect(holder.lines()[0]).toMatchObject({ ok: true, state: 'granted' });
    const { leases } = JSON.parse((await volume.layoutfs(['lease', 'ls', data, '--json'])).stdout) as {
      leases: { id: number; kind: string }[];
    };
    expect(leases).toMatchObject([{ id: holder.lines()[0]?.id, kind: 'direct' }]);
    await volume.bash('truncate -s 4096 data');
    expect(await holder.end(30_000)).toBe(0);
    expect(holder.lines().find(({ event }) => event === 'recall')).toMatchObject({
      reason: 'truncate',
      breaker: { command: 'truncate' },
    });
    expect(await volume.bash('stat -c %s data')).toBe('4096\n');
  });

  it('gives the lease back at Ctrl-C; a named one outlives the command, and is given back by its id', async () => {
    volume = await mountVolume();
    await volume.bash('head -c 1M /dev/zero > data; sync data');
    const data = join(volume.dir, 'data');
    const count = async (): Promise<number> => {
      const { stdout } = await volume!.layoutfs(['lease', 'ls', data, '--json']);
      return (JSON.parse(stdout) as { leases: unknown[] }).leases.length;
    };
    const holder = talk(volume, 'lease', 'get', data, '--kind', 'direct', '--json');
    await until('granted', 30_000, () => holder.lines().length > 0);
    expect(await count()).toBe(1);
    holder.interrupt();
    expect(await holder.end(30_000)).toBe(0);
    expect(await count()).toBe(0);

    const args = ['--kind', 'direct', '--bind', 'named', '--name', 'pool', '--secret', 'sesame-sesame-16', '--json'];
    const named = await volume.layoutfs(['lease', 'get', data, ...args]);
    expect(named.code, named.stdout + named.stderr).toBe(0);
    expect(await count()).toBe(1);
    const { id, token } = JSON.parse(named.stdout) as { id: number; token: string };
    const stranger = await volume.layoutfs(['lease', 'return', String(id), volume.dir]);
    expect(stranger.code, stranger.stderr).toBe(4);
    const back = await volume.layoutfs(['lease', 'return', String(id), volume.dir, '--token', token]);
    expect(back.code, back.stdout + back.stderr).toBe(0);
    expect(await count()).toBe(0);
  });
});

describeMounted('events', [], () => {
  it('prints what happens to leases until Ctrl-C, or so many events', async () => {
    volume = await mountVolume();
    await volume.bash('head -c 1M /dev/zero > data; sync data');
    const hold = ['lease', 'hold', join(volume.dir, 'data'), '--', 'true'];
    const [endless, one] = [talk(volume, 'events', '-f', volume.dir), talk(volume, 'events', '-n', '1', volume.dir)];
    // Nobody can see when the two have opened the file: leases come and go until both have heard of one.
    await until('both hear', 60_000, async () => {
      expect((await volume!.layoutfs(hold)).code).toBe(0);
      return endless.lines().length >= 2 && one.lines().length >= 1;
    });
    expect(await one.end(30_000)).toBe(0);
    expect(one.lines().length).toBe(1);
    endless.interrupt();
    expect(await endless.end(30_000)).toBe(0);
    const lease = endless.lines().findLast(({ event }) => event === 'released')?.lease;
    expect(endless.lines().filter((line) => line.lease === lease)).toMatchObject([
      { event: 'granted', path: '/data', kind: 'direct' },
      { event: 'released', path: '/data', reason: 'return' },
    ]);
  });
});

describeMounted('paths that are not UTF-8', ['python3'], () => {
  it('are taken from the command line byte by byte', async () => {
    volume = await mountVolume();
    const script = `
import os, subprocess, sys
name = b'not utf-8 \\xff\\xc3\\xa4\\xe2\\x82'
os.mkdir(name)
open(name + b'/data', 'wb').write(b'x' * 8192)
path = os.environb[b'MNT'] + b'/' + name + b'/data'
sys.exit(subprocess.call([sys.argv[1], sys.argv[2], b'prepare', path]) or subprocess.call([sys.argv[1], sys.argv[2], b'lease', b'map', path, b'--json']))`;
    const result = await volume.run('python3', ['-c', script, process.execPath, layoutfs]);
    expect(result.code, result.stdout + result.stderr).toBe(0);
    expect(result.stdout).toContain('8192');
    const other = await volume.run('python3', [
      '-c',
      script.replaceAll('os.mkdir(name)', 'name = name[:-1]').replace(/open.*\n/, ''),
      process.execPath,
      layoutfs,
    ]);
    expect(other.code, 'another name is another file').toBe(3);
  });
});
