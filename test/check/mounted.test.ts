import { describe, expect, test } from 'vitest';
import { check, FSCK_EXIT } from '../../src/check/index.ts';
import { mountVolume } from '../harness/index.ts';

/** Names, links, sparse, punched and shared data, things unlinked while open: something for every check to count. */
const WORK = `
  mkdir -p tree/a/b && cp -a /usr/include/linux/. tree/a/b/
  ln tree/a/b/fs.h hard; ln -s tree/a soft; mkfifo pipe
  truncate -s 1g sparse; dd if=/dev/urandom of=sparse bs=4k count=8 seek=1000 conv=notrunc status=none
  dd if=/dev/urandom of=data bs=1M count=8 status=none; fallocate -p -o 1m -l 2m data; fallocate -n -l 16m data
  cp data copy; setfattr -n user.a -v b data 2>/dev/null || true
  mv tree/a/b/types.h tree/; rm -r tree/a/b/netfilter*; sync data
`;

describe.sequential('fsck on what real mounts leave', () => {
  test('clean after work, online while it goes on, and clean after an unmount', { timeout: 60_000 }, async () => {
    await using volume = await mountVolume();
    await volume.bash(WORK);
    const online = await check(volume.image, { mode: 'report', online: true });
    expect(online.problems).toEqual([]);
    const refused = await check(volume.image, { mode: 'all' });
    expect(refused.exitCode).toBe(FSCK_EXIT.OPERATIONAL);
    expect(refused.refused).toMatch(/process \d+/);
    await volume.unmount();
    const after = await check(volume.image, { mode: 'report' });
    expect(after.problems).toEqual([]);
    expect(after.notes).toEqual([]);
    expect(after.totals.inodes).toBeGreaterThan(300);
  });

  test('clean after SIGKILL in the middle of work: as it lies, recovered, and mounted again', {
    timeout: 90_000,
  }, async () => {
    await using volume = await mountVolume();
    for (let round = 0; round < 3; round++) {
      await volume.bash(`mkdir r${round}; cd r${round}; ${WORK}`);
      const busy = volume.start('sh', [
        '-c',
        `while :; do cp -a ${volume.dir}/r0 ${volume.dir}/x$$; rm -rf ${volume.dir}/x$$; done`,
      ]);
      await new Promise((done) => setTimeout(done, 700));
      await volume.kill();
      busy.kill('SIGKILL');
      const lying = await check(volume.image, { mode: 'report' });
      expect(lying.problems).toEqual([]);
      expect(lying.notes.join()).toContain('not unmounted cleanly');
      if (round === 1) {
        const recovered = await check(volume.image, { mode: 'preen' });
        expect(recovered.problems).toEqual([]);
        expect(recovered.exitCode).toBe(FSCK_EXIT.CLEAN);
      }
      await volume.remount();
    }
    await volume.unmount();
    expect((await check(volume.image, { mode: 'report' })).problems).toEqual([]);
  });
});
