import { mkdtempSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { check, describeMounted, type MountedVolume, mountVolume, run } from '../harness/index.ts';

vi.setConfig({ testTimeout: 120_000 });

let volume: MountedVolume | undefined;
let filled: string | undefined;

afterEach(async () => {
  if (volume) await run('umount', ['-l', volume.dir]);
  await volume?.dispose();
  volume = undefined;
  if (filled !== undefined) {
    await run('umount', ['-l', filled]);
    rmdirSync(filled);
  }
  filled = undefined;
});

describeMounted('what the host runs out of', [], () => {
  it('space, under the sparse device and the metadata: ENOSPC, nothing lost, and room again helps', async () => {
    volume = await mountVolume({ size: '16m', deadline: 110_000 });
    await volume.unmount();
    // The same volume, larger than the host's file system that it is on.
    filled = mkdtempSync(join(tmpdir(), 'layoutfs-small-'));
    await check('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', filled]);
    const image = join(filled, 'v.img');
    expect((await volume.layoutfs(['mkfs', image, '--size', '1g'])).code).toBe(0);
    const mounted = await volume.layoutfs(['mount', image, volume.dir]);
    expect(mounted.code, mounted.stderr).toBe(0);
    await volume.bash('mkdir kept; echo kept > kept/file; sync kept/file kept');
    const full = await volume.run('dd', ['if=/dev/zero', 'of=big', 'bs=1M', 'count=200', 'oflag=dsync']);
    expect(full.code).not.toBe(0);
    expect(full.stderr).toMatch(/No space left|Read-only|Input\/output/);
    // Names until the metadata has no room either, or there are many.
    await volume.run('bash', ['-c', 'for i in $(seq 3000); do : > n$i || break; done; sync .'], { timeout: 60_000 });
    expect(await volume.bash('cat kept/file')).toBe('kept\n');
    expect((await volume.layoutfs(['umount', volume.dir], { timeout: 60_000 })).code).toBe(0);
    await check('mount', ['-o', 'remount,size=200m', filled]);
    const again = await volume.layoutfs(['mount', image, volume.dir]);
    expect(again.code, again.stderr).toBe(0);
    expect(await volume.bash('cat kept/file; rm -f big n*; echo new > kept/new; sync kept/new; cat kept/new')).toBe(
      'kept\nnew\n',
    );
    expect((await volume.layoutfs(['umount', volume.dir], { timeout: 60_000 })).code).toBe(0);
    const fsck = await volume.layoutfs(['fsck', image]);
    expect(fsck.code, fsck.stdout).toBe(0);
  });

  it('space: the last write is as long as there is room, the next one ENOSPC (write(2))', async () => {
    volume = await mountVolume({ size: '16m' });
    const script = `
import mmap, os
def fill(flags):
    fd, done, free = os.open('big', os.O_CREAT | os.O_WRONLY | flags), 0, os.statvfs('.').f_bavail * 4096
    data = mmap.mmap(-1, 1000 * 4096)
    try:
        while True: done += os.write(fd, data)
    except OSError as error: print(os.strerror(error.errno), os.fstat(fd).st_size - done, end=' ')
    print(free - done, os.statvfs('.').f_bfree) if flags == 0 else print()
    os.close(fd)
    os.unlink('big')
fill(0)
fill(os.O_DIRECT)
source, fd, done = os.open('source', os.O_CREAT | os.O_RDWR), os.open('big', os.O_CREAT | os.O_RDWR), 0
os.write(source, b'x' * 3000001)
free = os.statvfs('.').f_bavail * 4096
try:
    while True: done += os.copy_file_range(source, fd, 3000000, 1, done)
except OSError as error: print(os.strerror(error.errno), os.fstat(fd).st_size - done, free - done)
`;
    // All or nothing with O_DIRECT: a short write would be EIO, see operations/write.ts.
    const { stdout } = await volume.run('python3', ['-c', script]);
    expect(stdout).toBe('No space left on device 0 0 0\nNo space left on device 0 \nNo space left on device 0 0\n');
    await volume.unmount();
  });

  it('descriptors: files need none, and whoever needs one is told', async () => {
    volume = await mountVolume({ size: '64m' });
    await volume.bash('echo first > first');
    const { daemonPid } = volume;
    const open = readdirSync(`/proc/${daemonPid}/fd`).length;
    await check('prlimit', ['--pid', String(daemonPid), `--nofile=${open}:`]);
    expect(
      await volume.bash(
        'for i in $(seq 50); do echo $i > f$i; done; sync f7; cat f7 first; mv f1 g; rm f2; ls | wc -l',
      ),
    ).toBe('7\nfirst\n50\n');
    // The control directory may have to look into /proc: it answers, one way or the other.
    const asked = await volume.run('bash', ['-c', 'echo "why path=/first" > .layout/ctl']);
    expect([0, 1]).toContain(asked.code);
    await check('prlimit', ['--pid', String(daemonPid), '--nofile=1024:']);
    await volume.bash('echo "prepare path=/first" > .layout/ctl');
    expect(readdirSync(`/proc/${daemonPid}/fd`).length).toBeLessThan(open + 10);
    expect(statSync(volume.image).mode & 0o777).toBe(0o600);
    await volume.unmount();
  });
});
