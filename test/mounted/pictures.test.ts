import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';

interface MapAnswer {
  blockSize: number;
  spans: { start: number; length: number; state: string; what: string; lease?: number }[];
  totals: Record<string, number>;
  files: number;
}

describeMounted('layoutfs map, top and lease graph', [], () => {
  vi.setConfig({ testTimeout: 60_000 });
  let volume: MountedVolume;
  let holder: ReturnType<MountedVolume['start']>;
  const layoutfs = async (...args: string[]) => {
    const { code, stdout, stderr } = await volume.layoutfs(args);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    return stdout;
  };

  beforeAll(async () => {
    volume = await mountVolume({ size: '64m', options: 'commit=0.05' });
    await volume.bash('for f in plain leased sealed; do head -c 1M /dev/urandom > $f; done; sync -f plain');
    await layoutfs('seal', join(volume.dir, 'sealed'));
    const script = `exec 3<> "$MNT/.layout/ctl"; echo 'get path=/leased kind=direct range=0-512k' >&3; read -r line <&3; echo "$line"; exec sleep 100`;
    holder = volume.start('bash', ['-c', script]);
    await new Promise((resolve) => holder.stdout!.once('data', resolve));
    await volume.bash('touch x; sync x');
  });
  afterAll(() => volume?.dispose());

  it('map shows what is used, leased and sealed, to the block, of the mount and of the image', async () => {
    const map = JSON.parse(await layoutfs('map', volume.dir, '--json')) as MapAnswer;
    expect(map.totals).toMatchObject({ leased: 128, sealed: 256, used: 256 + 128, quarantined: 0 });
    expect(map.files).toBe(3);
    expect(new Set(map.spans.filter((s) => s.state === 'leased').map((s) => `${s.what} ${s.lease}`))).toEqual(
      new Set(['/leased 1']),
    );
    const extents = JSON.parse(await layoutfs('lease', 'map', join(volume.dir, 'leased'), '--json')) as {
      extents: { device: number }[];
    };
    expect(map.spans.find((s) => s.state === 'leased')!.start * map.blockSize).toBe(extents.extents[0]!.device);
    expect(JSON.parse(await layoutfs('map', volume.image, '--json'))).toEqual(map);
  });

  it('map draws, and writes files that need nothing else', async () => {
    const text = await layoutfs('map', volume.dir, '--rows', '6');
    expect(text.split('\n')[0]).toHaveLength(80);
    expect(text).toMatch(/^L leased +512K/m);
    const files = ['map.svg', 'map.html', 'graph.svg'].map((name) => join(volume.root, name)) as [
      string,
      string,
      string,
    ];
    await layoutfs('map', volume.dir, '--svg', files[0], '--html', files[1]);
    await layoutfs('lease', 'graph', volume.dir, '--svg', files[2]);
    for (const file of files) {
      expect(existsSync(file)).toBe(true);
      expect(readFileSync(file, 'utf8').replaceAll('http://www.w3.org/', '')).not.toMatch(/https?:|src=|@import|<link/);
    }
  });

  it('graph and top show who waits for whom', async () => {
    const waiter = volume.start('truncate', ['-s', '0', join(volume.dir, 'leased')]);
    await vi.waitFor(async () => expect(await layoutfs('lease', 'graph', volume.dir)).toContain('(truncate)'), 20_000);
    const graph = await layoutfs('lease', 'graph', volume.dir);
    expect(graph).toMatch(/^\/leased\n└─ lease 1: direct rw, recalled, bytes 0-524288, held by \d+ \((bash|sleep)\)/);
    expect(graph).toContain(`   └─ ${waiter.pid} (truncate)`);
    const top = await layoutfs('top', volume.dir, '--once', '--interval', '0.1');
    expect(top).toMatch(/1 leases, 1 waiting/);
    expect(top).toMatch(new RegExp(`${waiter.pid} \\(truncate\\) .* lease 1`));
    const view = JSON.parse(await layoutfs('top', volume.dir, '--json', '--interval', '0.1')) as Record<
      string,
      unknown
    >;
    expect(view).toMatchObject({ recalls: 1, parked: 1, waiters: [{ leases: [1] }] });
    holder.kill('SIGKILL');
    await new Promise((resolve) => waiter.once('exit', resolve));
    expect(await layoutfs('lease', 'graph', volume.dir)).toBe('no leases\n');
  });
});
