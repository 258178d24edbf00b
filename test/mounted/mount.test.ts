import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { deviceOfMount, type MountDevice } from '../../src/mount/mountinfo.ts';
import {
  check,
  describeMounted,
  ended,
  layoutfs,
  type MountedVolume,
  mounts,
  mountVolume,
  run,
  until,
} from '../harness/index.ts';
import { identify } from '../harness/registry.ts';

let volume: MountedVolume | undefined;

afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

const mountLine = (dir: string) => mounts().find((line) => line.dir === dir);

describeMounted('mount and umount', ['setfattr', 'getfattr'], () => {
  it('keeps what was written over an unmount', async () => {
    volume = await mountVolume();
    await volume.bash(
      'mkdir -p a/b && echo hello > a/b/c && ln a/b/c a/hard && ln -s b/c a/soft && setfattr -n user.x -v y a/b/c',
    );
    await volume.unmount();
    expect(mountLine(volume.dir)).toBeUndefined();
    await volume.remount();
    expect(await volume.bash('cat a/soft; stat -c %h a/hard; getfattr --only-values -n user.x a/b/c')).toBe(
      'hello\n2\ny',
    );
  });

  it('names the image as its source and fuse.layoutfs as its type', async () => {
    volume = await mountVolume();
    expect(mountLine(volume.dir)).toMatchObject({ type: 'fuse.layoutfs', source: volume.image });
  });

  it('tells the kernel how much of it may be dirty, and how far to read ahead', async () => {
    const told = ({ dir }: MountedVolume): string[] => {
      const { major, minor } = deviceOfMount(dir) as MountDevice;
      return ['strict_limit', 'max_ratio', 'read_ahead_kb'].map((name) =>
        readFileSync(`/sys/class/bdi/${major}:${minor}/${name}`, 'utf8').trim(),
      );
    };
    volume = await mountVolume({ options: 'notrust_writeback' });
    expect(told(volume)).toEqual(['1', '1', '128']);
    await volume.unmount();
    await volume.remount('read_ahead_kb=512');
    expect(told(volume)).toEqual(['0', '100', '512']);
  });

  it('honours -o ro', async () => {
    volume = await mountVolume();
    await volume.bash('echo x > file');
    await volume.unmount();
    await volume.remount('ro');
    const refused = await volume.run('bash', ['-c', 'echo y > file']);
    expect(refused.stderr).toContain('Read-only file system');
    expect(await volume.bash('cat file')).toBe('x\n');
  });

  it('renames or removes the control directory by -o ctl=', async () => {
    volume = await mountVolume({ options: 'ctl=.control' });
    await volume.bash('test -e .control/ctl && ! test -e .layout');
    await volume.unmount();
    await volume.remount('ctl=none');
    await volume.bash('! test -e .control && ! test -e .layout && mkdir .layout');
  });

  it('refuses a second mount, a mkfs and a repair of a mounted volume, and names the owner', async () => {
    volume = await mountVolume();
    const other = join(volume.root, 'other');
    await check('mkdir', [other]);
    for (const args of [
      ['mount', volume.image, other],
      ['mkfs', volume.image, '--size', '1g', '--force'],
      ['fsck', '-y', volume.image],
    ]) {
      const refused = await volume.layoutfs(args);
      expect(refused.code, args.join(' ')).not.toBe(0);
      expect(refused.stderr + refused.stdout).toContain(String(volume.daemonPid));
    }
    await volume.bash('echo fine > file');
  });

  it('tells who keeps it busy, and unmounts when they are gone', async () => {
    volume = await mountVolume();
    const child = volume.start('bash', ['-c', 'cd "$MNT"; echo in; exec sleep 100']);
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    const busy = await volume.layoutfs(['umount', volume.dir]);
    expect(busy.code).toBe(5);
    expect(busy.stderr).toContain(`${child.pid} (sleep)`);
    child.kill();
    await ended(child, 5000);
    await volume.unmount();
  });

  it('is freed by umount --abort when its daemon does not answer: who waits gets ENOTCONN or ECONNABORTED', async () => {
    volume = await mountVolume();
    process.kill(volume.daemonPid, 'SIGSTOP');
    try {
      const child = volume.start('bash', ['-c', 'echo in; exec stat "$MNT/nothing"']);
      let said = '';
      child.stderr!.on('data', (part: Buffer) => {
        said += part;
      });
      await new Promise((resolve) => child.stdout!.once('data', resolve));
      const status = await volume.layoutfs(['status', volume.dir]);
      expect(status.stdout).toContain('does not answer');
      const aborted = await volume.layoutfs(['umount', '--abort', '--lazy', volume.dir]);
      expect(aborted.code, aborted.stderr).toBe(0);
      expect(await ended(child, 10_000)).toBe(1);
      expect(said).toMatch(/not connected|connection abort/);
      expect(mountLine(volume.dir)).toBeUndefined();
    } finally {
      process.kill(volume.daemonPid, 'SIGCONT');
    }
    await until('the daemon is gone', 20_000, () => identify(volume!.daemonPid) === undefined);
    expect((await volume.layoutfs(['fsck', volume.image])).code).toBe(0);
  });

  it('ends cleanly on SIGTERM and SIGINT of the daemon, as Ctrl-C in the foreground', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      volume = await mountVolume();
      await volume.bash('echo kept > file');
      process.kill(volume.daemonPid, signal);
      await until('the mount is gone', 20_000, () => mountLine(volume!.dir) === undefined);
      await until('the daemon is gone', 20_000, () => identify(volume!.daemonPid) === undefined);
      expect((await volume.layoutfs(['fsck', volume.image])).code).toBe(0);
      await volume.remount();
      expect(await volume.bash('cat file')).toBe('kept\n');
      await volume.dispose();
    }
  });
});

describeMounted('the commands', [], () => {
  it('mount comes back when the mount is ready, status tells about it, umount when its volume is closed', async () => {
    volume = await mountVolume();
    await volume.unmount();
    const { image, dir } = volume;
    const mounted = await volume.layoutfs(['mount', image, dir, '-o', 'break=7', '--json']);
    expect(mounted.code, mounted.stderr).toBe(0);
    const { pid } = JSON.parse(mounted.stdout) as { pid: number };
    try {
      await volume.bash('echo x > file');
      const status = await volume.layoutfs(['status', dir, '--json']);
      expect(JSON.parse(status.stdout)).toMatchObject({
        dir,
        image,
        answers: true,
        daemon: pid,
        leases: 0,
        space: { size: 2 ** 30 - 2 ** 20 },
      });
    } finally {
      const gone = await volume.layoutfs(['umount', dir]);
      expect(gone.code, gone.stderr).toBe(0);
    }
    expect(identify(pid), 'the daemon has ended').toBeUndefined();
    expect((await volume.layoutfs(['fsck', image])).code).toBe(0);
  });

  it('start makes a volume, mounts it, says what to type next, and ends at Ctrl-C', async () => {
    volume = await mountVolume();
    await volume.unmount();
    const cwd = join(volume.root, 'try');
    await check('mkdir', [cwd]);
    const start = volume.start('sh', ['-c', 'cd "$ROOT/try" && exec "$0" "$@"', process.execPath, layoutfs, 'start']);
    let said = '';
    start.stdout!.on('data', (part: Buffer) => {
      said += part;
    });
    try {
      await until('start says what next', 30_000, () => said.includes('Ctrl-C'));
      expect(said).toContain('lease hold');
      expect(mountLine(join(cwd, 'mnt'))).toBeDefined();
      expect((await run('stat', ['-c', '%s', join(cwd, 'layoutfs.img')])).stdout.trim()).toBe(String(4 * 2 ** 30));
      start.kill('SIGINT');
      expect(await ended(start, 20_000)).toBe(0);
    } finally {
      await run('umount', ['-l', join(cwd, 'mnt')]);
    }
    expect(existsSync(join(cwd, 'layoutfs.img.meta'))).toBe(true);
  });

  it('lease hold runs a command under a lease, ends it at a recall, and ends with its code', async () => {
    volume = await mountVolume();
    await volume.bash('head -c 1M /dev/zero > data; sync data');
    const data = join(volume.dir, 'data');
    const echo = await volume.layoutfs([
      'lease',
      'hold',
      data,
      '--',
      'bash',
      '-c',
      'echo "$LAYOUTFS_LEASE $LAYOUTFS_EXTENTS"; echo x >> "$LAYOUTFS_PATH"; exit 9',
    ]);
    expect(echo.code).toBe(9);
    expect(echo.stderr).toContain('Text file busy');
    expect(JSON.parse(echo.stdout.slice(echo.stdout.indexOf(' ')))).toMatchObject([{ offset: 0, state: 'written' }]);

    const hold = volume.start(process.execPath, [layoutfs, 'lease', 'hold', data, '-v', '--', 'sleep', '100']);
    await new Promise((resolve) => hold.stderr!.once('data', resolve));
    const why = await volume.layoutfs(['why', data, 'shrink', '--json']);
    expect(JSON.parse(why.stdout)).toMatchObject({
      ok: true,
      answer: 'waits',
      blockers: [{ holder: { pid: hold.pid } }],
    });
    await volume.bash('truncate -s 0 data');
    expect(await ended(hold, 10_000)).toBe(128 + 15);
  });
});
