import { expect, test } from 'vitest';
import { runDirect, verify } from '../../tools/soak/run-direct.ts';
import { describeMounted, mountVolume, seed } from '../harness/index.ts';

describeMounted('soak of windows, in short', ['python3'], () => {
  test('no stale read, nothing lost, nobody’s bytes, and an empty quarantine', { timeout: 150_000 }, async () => {
    await using volume = await mountVolume({ size: '256m', options: 'break=1', deadline: 140_000 });
    const counts = JSON.parse(await runDirect(volume, { seconds: 10, seed }));
    expect(counts.committed).toBeGreaterThan(0);
    await volume.unmount();
    const fsck = await volume.layoutfs(['fsck', '-n', volume.image], { timeout: 60_000 });
    expect(fsck.stdout + fsck.stderr).toContain('clean');
    await volume.remount();
    await verify(volume);
  });
});
