import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { describeMounted, type MountedVolume, mountVolume, layoutfs as program, run } from '../harness/index.ts';

// Each command is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 90_000 });

let volume: MountedVolume;

beforeEach(async () => {
  volume = await mountVolume({ size: '64m', deadline: 100_000 });
});

afterEach(() => volume?.dispose());

const cli = (...args: string[]) => volume.layoutfs(args, { timeout: 30_000 });
const sums = () => volume.bash('find . -type f -print0 | sort -z | xargs -0 -r sha256sum');

describeMounted('a volume in use', [], () => {
  it('is checked while it is written to, and the check finds damage', async () => {
    const churn = volume.start('bash', [
      '-c',
      'cd "$MNT"; for i in $(seq 100000); do echo $i > f$((i % 50)) && mv f$((i % 50)) g$((i % 7)) || exit; done',
    ]);
    for (let round = 0; round < 3; round++) {
      const { code, stdout, stderr } = await cli('scrub', volume.dir);
      expect(code, stdout + stderr).toBe(0);
    }
    churn.kill();
    await volume.unmount();
    const edit = 'UPDATE inode SET nlink = 7 WHERE ino = (SELECT max(ino) FROM inode)';
    const script = `new (require('better-sqlite3'))(process.argv[1]).exec(${JSON.stringify(edit)})`;
    await run(process.execPath, ['-e', script, `${volume.image}.meta`], { cwd: process.cwd() });
    await volume.remount();
    const damaged = await cli('scrub', volume.dir, '--json');
    expect(damaged.code).toBe(4);
    expect(JSON.parse(damaged.stdout)).toMatchObject({ counts: { 'link-count': 1 } });
  });

  it('has its metadata copied, and put back', async () => {
    await volume.bash(
      'mkdir -p a/b; head -c 300k /dev/urandom > a/b/file; echo text > note; ln note a/link; sync note a/b/file',
    );
    const before = await sums();
    const copy = join(volume.root, 'copy.meta');
    expect((await cli('backup', volume.dir, copy)).code).toBe(0);
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    expect((await cli('backup', volume.dir, copy)).code).not.toBe(0);
    expect((await cli('restore', copy, volume.image, '--yes')).stderr).toMatch(/in use by process \d+/);
    await volume.bash('rm -rf a; echo later > new');
    await volume.unmount();
    expect((await cli('restore', copy, volume.image)).code).not.toBe(0);
    const restored = await cli('restore', copy, volume.image, '--yes');
    expect(restored.code, restored.stderr).toBe(0);
    expect(existsSync(`${volume.image}.meta.before-restore`)).toBe(true);
    const fsck = await cli('fsck', volume.image);
    expect(fsck.code, fsck.stdout).toBe(0);
    await volume.remount();
    expect(await sums()).toBe(before);
  });

  it('refuses the metadata of another volume', async () => {
    const other = join(volume.root, 'other.img');
    expect((await cli('mkfs', other, '--size', '16m')).code).toBe(0);
    await volume.unmount();
    const refused = await cli('restore', `${other}.meta`, volume.image, '--yes');
    expect([refused.code === 0, refused.stderr]).toEqual([false, expect.stringMatching(/is the metadata of volume/)]);
    await volume.remount();
  });

  it('is frozen, copied as a whole, and thawed; writers wait and lose nothing', async () => {
    await volume.bash('mkdir w other; echo here > other/file');
    const writer = volume.start('bash', [
      '-c',
      'cd "$MNT/w"; for i in $(seq 1000000); do echo $i >> log || exit 1; echo $i > last.new && mv last.new last || exit 1; done',
    ]);
    await volume.bash('until [ -s w/last ]; do sleep 0.05; done');
    const frozen = await cli('freeze', volume.dir, '--timeout', '100');
    expect(frozen.code, frozen.stderr).toBe(0);
    expect((await cli('freeze', volume.dir)).code).not.toBe(0);
    const hash = () => createHash('sha256').update(readFileSync(volume.image)).digest('hex');
    const first = hash();
    // Reading goes on, but in directories that somebody is about to change: the kernel has locked those.
    expect(await volume.bash('ls other; cat other/file')).toBe('file\nhere\n');
    const held = volume.run('sh', ['-c', 'echo x > other/held'], { timeout: 60_000 });
    expect((await cli('seal', join(volume.dir, 'other/file'))).stderr).toMatch(/frozen/);
    const copy = join(volume.root, 'copy.img');
    copyFileSync(volume.image, copy);
    copyFileSync(`${volume.image}.meta`, `${copy}.meta`);
    expect(hash()).toBe(first);
    expect((await cli('thaw', volume.dir)).code).toBe(0);
    expect((await held).code).toBe(0);
    expect((await cli('thaw', volume.dir)).code).not.toBe(0);
    const before = Number(await volume.bash('cat w/last'));
    await volume.bash(`until [ "$(cat w/last)" -gt ${before + 2} ]; do sleep 0.05; done`);
    writer.kill();
    const fsck = await run(process.execPath, [program, 'fsck', copy]);
    expect(fsck.code, fsck.stdout).toBe(0);
    await volume.unmount();
    copyFileSync(copy, volume.image);
    copyFileSync(`${copy}.meta`, `${volume.image}.meta`);
    await volume.remount();
    const last = Number(await volume.bash('cat w/last'));
    const lines = (await volume.bash('cat w/log')).trim().split('\n');
    expect([last, last + 1]).toContain(lines.length);
    expect(lines.at(-1)).toBe(String(lines.length));
  });

  it('thaws by itself when nobody does it', async () => {
    expect((await cli('freeze', volume.dir, '--timeout', '1')).code).toBe(0);
    const began = Date.now();
    await volume.bash('echo x > file', { timeout: 20_000 });
    expect(Date.now() - began).toBeLessThan(15_000);
    expect(volume.messages()).toMatch(/thawed after 1 s/);
  });
});
