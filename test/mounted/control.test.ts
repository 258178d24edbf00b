import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkout, describeMounted, type MountedVolume, mountVolume, seed } from '../harness/index.ts';
import { Holder } from './holder.ts';

const LINES = 100_000;

let volume: MountedVolume;

beforeEach(async () => {
  volume = await mountVolume({ deadline: 150_000 });
});

afterEach(() => volume?.dispose());

describeMounted('.layout', [], () => {
  it('is found by name and seen by nobody else', async () => {
    expect(await volume.bash('ls -A')).toBe('');
    await volume.bash('test -d .layout && test -e .layout/ctl && test -e .layout/leases');
    for (const command of [
      'rmdir .layout',
      'mv .layout x',
      'mkdir .layout',
      'rm -f .layout/ctl && test ! -e .layout/ctl',
    ]) {
      expect((await volume.run('bash', ['-c', command])).code, command).not.toBe(0);
    }
    await volume.bash('touch file; rm -rf ./*; test -e .layout/ctl');
  });

  it('lets a shell speak: a refused request fails its echo', async () => {
    await volume.bash('truncate -s 1M hole');
    const refused = await volume.run('bash', ['-c', 'echo "get path=/hole kind=direct" > .layout/ctl']);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('No such device or address');
    await volume.bash('echo "prepare path=/hole" > .layout/ctl; echo "get path=/hole kind=direct" > .layout/ctl');
  });

  it('answers in the form of the request, and carries a tag back', async () => {
    await volume.bash('head -c 64k /dev/zero > data; sync data');
    const { stdout } = await volume.layoutfs([
      'ctl',
      volume.dir,
      'get path=/data kind=direct tag=one',
      '{"verb":"ls","path":"/data","tag":2}',
      'map path=/data',
    ]);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toMatch(/^ok id=\d+ .*tag=one/);
    expect(JSON.parse(lines[1] as string)).toMatchObject({
      ok: true,
      tag: 2,
      count: 1,
      leases: [{ kind: 'direct', state: 'granted' }],
    });
    expect(lines[2]).toMatch(/^ .*state=written/);
    expect(lines.at(-1)).toMatch(/^ok .*block_size=4096/);
  });

  it(`takes ${LINES.toLocaleString('en')} malformed and random lines (seed ${seed}) without harm`, async () => {
    const program = join(checkout, 'test', 'mounted', 'programs', 'control-fuzz.ts');
    const control = join(volume.dir, '.layout', 'ctl');
    const { stdout, stderr } = await volume.run(
      process.execPath,
      ['--import', join(checkout, 'node_modules/tsx/dist/loader.mjs'), program, control, String(LINES), String(seed)],
      {
        timeout: 120_000,
      },
    );
    expect(stdout, stderr).not.toBe('');
    const { errnos, silent, accepted } = JSON.parse(stdout) as {
      errnos: Record<string, number>;
      silent: number;
      accepted: number;
    };
    for (const errno of Object.keys(errnos))
      expect(['EINVAL', 'ENOSYS', 'EMSGSIZE', 'ENOENT', 'ESTALE', 'ENXIO', 'EPERM']).toContain(errno);
    expect(errnos.EINVAL).toBeGreaterThan(LINES / 4);
    expect(errnos.ENOSYS).toBeGreaterThan(100);
    expect(errnos.EMSGSIZE).toBeGreaterThan(0);
    expect(silent, 'every refused line left its reason').toBe(0);
    expect(accepted).toBeLessThan(LINES / 4);

    const holder = await Holder.open(volume);
    expect(await holder.must({ verb: 'ls' })).toMatchObject({ ok: true, count: 0 });
    await volume.bash('echo alive > file; cat file');
  }, 140_000);
});
