import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { checkout, describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';

let volume: MountedVolume | undefined;

afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

/** Holds the metadata locked, longer than a daemon waits for it, until it is killed. */
const LOCKER = `const db = new (require('better-sqlite3'))(process.env.IMG + '.meta'); db.exec('BEGIN IMMEDIATE');
  console.log('locked'); setInterval(() => {}, 1000);`;

async function locked(mounted: MountedVolume): Promise<{ release: () => Promise<unknown> }> {
  const locker = mounted.start(process.execPath, ['-e', LOCKER], { NODE_PATH: `${checkout}/node_modules` });
  await once(locker.stdout!, 'data');
  return {
    release: () => {
      locker.kill('SIGKILL');
      return once(locker, 'exit');
    },
  };
}

// errors=exit: supervise.test.ts.
describeMounted('metadata that can not be written any more', [], () => {
  it('errors=remount-ro: the mount reads on, and the next one has everything', async () => {
    volume = await mountVolume({ size: '64m', deadline: 280_000 });
    await volume.bash('echo kept > kept; sync kept');
    const { release } = await locked(volume);
    expect((await volume.run('sh', ['-c', 'mkdir new'], { timeout: 100_000 })).code).not.toBe(0);
    expect((await volume.run('sh', ['-c', 'mkdir newer'])).stderr).toMatch(/Read-only/);
    expect(await volume.bash('cat kept')).toBe('kept\n');
    expect(volume.messages()).toMatch(/locked/);
    await release();
    await volume.kill();
    await volume.remount();
    expect(await volume.bash('cat kept; mkdir new; ls')).toBe('kept\nkept\nnew\n');
    await volume.unmount();
  }, 300_000);
});
