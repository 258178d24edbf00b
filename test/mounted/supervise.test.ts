import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import SQLite from 'better-sqlite3';
import { afterEach, expect, it } from 'vitest';
import { DAEMON_ENVIRONMENT } from '../../src/mount/inheritance.ts';
import { connectionOf } from '../harness/clean-up.ts';
import { describeMounted, type MountedVolume, mountVolume, run, until, whyNoOrdinaryUser } from '../harness/index.ts';
import { identify } from '../harness/registry.ts';
import { killDaemon, standBy } from './supervision.ts';

const NOBODY = 65534;

let volume: MountedVolume | undefined;

afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

/** Our processes that name the image in their command line: daemon, supervisor and spare. */
function processesOf({ image }: MountedVolume): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return words.includes(image) && words.includes('-f') && identify(pid) !== undefined;
      } catch {
        return false;
      }
    });
}

async function gone(mounted: MountedVolume): Promise<void> {
  await until('daemon, supervisor and spare are gone', 60_000, () => processesOf(mounted).length === 0);
  expect(connectionOf(mounted.dir)).toBeUndefined();
}

async function consistent(mounted: MountedVolume): Promise<void> {
  const fsck = await mounted.layoutfs(['fsck', mounted.image]);
  expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
}

interface Status {
  daemon: number;
  supervisor: number | null;
}

async function statusOf(mounted: MountedVolume): Promise<Status> {
  return JSON.parse((await mounted.layoutfs(['status', mounted.dir, '--json'])).stdout) as Status;
}

describeMounted('a mount and its supervisor', [], () => {
  it('every mount in the background has one; umount ends all of its processes', async () => {
    volume = await mountVolume();
    await volume.unmount();
    const { image, dir } = volume;
    const log = join(volume.root, 'log');
    expect((await volume.layoutfs(['mount', image, dir, '-o', `log=${log}`])).code).toBe(0);
    await volume.bash('echo kept > file');
    const status = await statusOf(volume);
    expect(status.supervisor).toEqual(expect.any(Number));
    expect(identify(status.daemon)).toBeDefined();
    expect(status.daemon).not.toBe(status.supervisor);
    const environment = readFileSync(`/proc/${status.daemon}/environ`, 'utf8').split('\0');
    for (const [name, value] of Object.entries(DAEMON_ENVIRONMENT)) {
      expect(environment).toContain(`${name}=${process.env[name] ?? value}`);
    }
    process.kill(status.daemon, 'SIGKILL');
    expect(await volume.bash('cat file')).toBe('kept\n');
    // The supervisor says so when the next daemon has begun to serve.
    await until('the take-over is in the log', 60_000, () =>
      /was killed by SIGKILL[\s\S]*has taken the mount over; it stood still for/.test(readFileSync(log, 'utf8')),
    );
    await until('a spare daemon stands by', 60_000, () =>
      /taken the mount over[\s\S]* stands by/.test(readFileSync(log, 'utf8')),
    );
    expect(processesOf(volume)).toHaveLength(3);
    const umount = await volume.layoutfs(['umount', dir], { timeout: 60_000 });
    expect(umount.code, umount.stderr).toBe(0);
    await gone(volume);
    await consistent(volume);
  }, 180_000);

  it('nosupervise is one process, which cannot be replaced', async () => {
    volume = await mountVolume();
    expect(processesOf(volume)).toEqual([volume.daemonPid]);
    expect((await statusOf(volume)).supervisor).toBeNull();
    const upgrade = await volume.layoutfs(['upgrade', volume.dir]);
    expect(upgrade.code).not.toBe(0);
    expect(upgrade.stderr).toContain('has no supervisor');
    await volume.unmount();
  }, 120_000);

  it('umount(8), also lazily and by force, and SIGTERM to either process leave nothing behind', async () => {
    volume = await mountVolume({ supervised: true });
    const mounted = volume;
    const { dir } = volume;
    const ways: [string, (open: () => number) => Promise<void>][] = [
      ['umount', async () => void (await run('umount', [dir]))],
      ['SIGTERM to the daemon', async () => void process.kill(mounted.daemonPid, 'SIGTERM')],
      ['SIGTERM to the supervisor', async () => void process.kill(mounted.supervisorPid, 'SIGTERM')],
      [
        'umount -l',
        async (open) => {
          const fd = open();
          await run('umount', ['-l', dir]);
          expect(connectionOf(dir)).toBeUndefined();
          await killDaemon(mounted);
          writeFileSync(fd, 'served until it is closed');
          closeSync(fd);
        },
      ],
      [
        'umount -f',
        async (open) => {
          const fd = open();
          await run('umount', ['-c', '-f', '-l', dir]);
          expect(() => readFileSync(fd)).toThrow(/ENOTCONN|ECONNABORTED/);
          closeSync(fd);
        },
      ],
    ];
    for (const [at, [name, end]] of ways.entries()) {
      if (at > 0) await volume.remount();
      await volume.bash(`echo ${at} > file${at}`);
      const over = volume.dead();
      await end(() => openSync(join(dir, `file${at}`), 'r+'));
      await over.catch((error) => Promise.reject(new Error(`${name}: ${error}`)));
      await gone(volume);
    }
    await consistent(volume);
    await volume.remount();
    expect(await volume.bash('cat file*')).toBe('0\n1\n2\nserved until it is closed4\n');
    await volume.unmount();
  }, 300_000);

  it('without its supervisor the daemon serves on, and umount still ends it', async () => {
    volume = await mountVolume({ supervised: true });
    const { dir, supervisorPid, daemonPid } = volume;
    const mounted = volume;
    await until('a spare daemon stands by', 60_000, () => mounted.messages().includes(' stands by'));
    const over = volume.dead();
    over.catch(() => {});
    process.kill(supervisorPid, 'SIGKILL');
    await until('the spare has ended', 30_000, () => processesOf(mounted).every((pid) => pid === daemonPid));
    await volume.bash('echo on > file; cat file');
    const upgrade = await volume.layoutfs(['upgrade', dir]);
    expect(upgrade.stderr).toContain('has no supervisor');
    expect(await statusOf(volume)).toMatchObject({ daemon: daemonPid, supervisor: null });
    const umount = await volume.layoutfs(['umount', dir], { timeout: 60_000 });
    expect(umount.code, umount.stderr).toBe(0);
    await gone(volume);
    await consistent(volume);
    await over.catch(() => {});
  }, 180_000);

  it('a mount for reading only, an upgrade in it, and a death', async () => {
    volume = await mountVolume({ supervised: true });
    await volume.bash('echo kept > file');
    await volume.unmount();
    await volume.remount('ro');
    await standBy(volume);
    const upgrade = await volume.layoutfs(['upgrade', volume.dir], { timeout: 90_000 });
    expect(upgrade.code, upgrade.stderr).toBe(0);
    expect(await volume.bash('cat file')).toBe('kept\n');
    await killDaemon(volume);
    expect(await volume.bash('cat file; ! echo more > file')).toBe('kept\n');
    await volume.unmount();
    await gone(volume);
  }, 180_000);
});

describeMounted('errors=exit under a supervisor', [], () => {
  it('ends the mount: nobody takes over what cannot be written', async () => {
    volume = await mountVolume({ supervised: true, options: 'errors=exit' });
    const mounted = volume;
    await volume.bash('echo kept > file; sync file');
    // Somebody else writes to the metadata, and does not come to an end.
    const intruder = new SQLite(`${volume.image}.meta`, { timeout: 10_000 });
    intruder.exec('BEGIN IMMEDIATE');
    const refused = await volume.run('bash', ['-c', 'echo lost > other; sync other'], { timeout: 60_000 });
    expect(refused.code).not.toBe(0);
    await expect(volume.dead()).rejects.toThrow('the daemon ended with 1');
    intruder.close();
    expect(mounted.messages()).not.toContain('has taken the mount over');
    expect(processesOf(volume)).toEqual([]);
    await run('umount', ['-l', volume.dir]);
    await volume.remount('');
    expect(await volume.bash('cat file')).toBe('kept\n');
    await volume.unmount();
  }, 180_000);
});

describeMounted(
  'a supervised mount by an ordinary user',
  ['fusermount3'],
  () => {
    it('goes on when its daemon dies, and is upgraded', async () => {
      volume = await mountVolume({ supervised: true, uid: NOBODY });
      await volume.bash('echo kept > file');
      await standBy(volume);
      await killDaemon(volume);
      expect(await volume.bash('cat file')).toBe('kept\n');
      const upgrade = await volume.layoutfs(['upgrade', volume.dir], { timeout: 90_000 });
      expect(upgrade.code, upgrade.stderr).toBe(0);
      expect(await volume.bash('cat file; echo more > file2')).toBe('kept\n');
      await volume.unmount();
      await gone(volume);
      await consistent(volume);
    }, 180_000);
  },
  whyNoOrdinaryUser(),
);
