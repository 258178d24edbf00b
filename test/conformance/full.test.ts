import { expect, test } from 'vitest';
import { describeMounted, mountVolume } from '../harness/index.ts';

/** Blocks and inodes run out: nothing half done, deleting works, and everything comes back. */
describeMounted('a full volume', [], () => {
  test('ENOSPC leaves no trace, deleting works, statfs is exact', { timeout: 90_000 }, async () => {
    await using volume = await mountVolume({ size: '64m' });
    const said = await volume.bash(
      `
      free() { stat -f -c %f .; }
      start=$(free)
      mkdir d; echo keep > d/keep
      dd if=/dev/zero of=fill bs=1M count=200 2> "$ROOT/dd" && exit 1
      grep -q 'No space left' "$ROOT/dd"
      test $(stat -f -c %a .) -lt 256
      size=$(stat -c %s fill); blocks=$(stat -c %b fill)
      test $((size / 512)) -le $blocks
      fallocate -l 32m more 2> "$ROOT/fa" && exit 1
      grep -q 'No space left' "$ROOT/fa"
      test "$(stat -c '%s %b' more)" = '0 0'
      test "$(cat d/keep)" = keep
      cmp -n $size fill /dev/zero
      rm fill more
      for i in $(seq 100); do test $(free) -ge $((start - 4)) && break; sleep 0.1; done
      test $(free) -ge $((start - 4))
      dd if=/dev/zero of=again bs=1M count=32 2> "$ROOT/dd"
      test $((start - $(free))) -ge 8192
      rm -r again d
      `,
    );
    expect(said).toBe('');
    await volume.unmount();
    expect((await volume.layoutfs(['fsck', '-n', volume.image])).code).toBe(0);
  });

  test('max_inodes is a limit, and deleting makes room', { timeout: 60_000 }, async () => {
    await using volume = await mountVolume({ options: 'max_inodes=20' });
    const said = await volume.bash(`
      made=0; while touch f$made 2> "$ROOT/why"; do made=$((made + 1)); test $made -lt 100; done
      grep -q 'No space left' "$ROOT/why"
      test $(stat -f -c %d .) = 0
      test $(stat -f -c %c .) = 20
      mkdir d 2> "$ROOT/why" && exit 1
      ln f0 name
      rm f1; touch f1
      echo $made`);
    expect(said.trim()).toBe('19');
  });
});
