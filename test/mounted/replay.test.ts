import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';

/** Names, kinds, modes, owners, sizes, links, targets and contents of everything. */
const TREE = `
  find . -mindepth 1 -printf '%P %y %m %U:%G %n %l\\n' | sort
  find . -type f -print0 | sort -z | xargs -0 sha256sum
  getfattr -h -R -d . 2>/dev/null | sort`;

const WORKLOAD = `
  cp -r /usr/include/linux/netfilter .
  mkdir d; mv netfilter d/n; ln -s d s; printf x > a; ln a b; chmod 600 b; chown 7:8 a
  head -c 3M /dev/urandom > big; dd if=/dev/urandom of=big bs=4k count=9 seek=50 conv=notrunc,fsync status=none
  truncate -s 2000001 big; fallocate -p -o 8192 -l 40960 big; setfattr -n user.k -v v big; cp --reflink=never big copy
  rm -r d/n/ipset; rmdir d 2>/dev/null || true; mkfifo p; ln a a 2>/dev/null || true; cat big copy > /dev/null; ls -lR > /dev/null
  head -c 64k /dev/zero > leased
  exec 3<> .layout/ctl; echo 'get path=/leased kind=direct' >&3; read -r granted <&3; id=\${granted#ok id=}
  (exec 3>&-; echo more >> leased) 2>/dev/null || true
  (exec 3>&-; truncate -s 7 leased) & read -r event <&3; echo "return id=\${id%% *} seq=2" >&3; wait; exec 3>&-`;

describeMounted('mount --record, and replay', ['getfattr'], () => {
  vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });
  let volume: MountedVolume;
  let recording = '';
  let tree = '';

  beforeAll(async () => {
    volume = await mountVolume({ size: '256m', deadline: 600_000 });
    await volume.unmount();
    recording = join(volume.root, 'requests');
    expect(await command('mkfs', volume.image, '--size', '256m', '--force')).toMatchObject({ code: 0 });
    expect(await command('mount', volume.image, volume.dir, '--record', recording)).toMatchObject({ code: 0 });
    await volume.bash(WORKLOAD);
    tree = await volume.bash(TREE);
    expect(await command('umount', volume.dir)).toMatchObject({ code: 0 });
  });
  afterAll(() => volume?.dispose());

  const command = (...args: string[]) => volume.layoutfs(args, { timeout: 60_000 });

  it('gives the same replies on a fresh volume, and the same tree', async () => {
    const again = join(volume.root, 'again.img');
    expect(await command('mkfs', again, '--size', '256m')).toMatchObject({ code: 0 });
    const { code, stdout, stderr } = await command('replay', recording, again, '--json');
    expect(code, stdout + stderr).toBe(0);
    const result = JSON.parse(stdout) as Record<string, number>;
    expect(result).toMatchObject({ ok: true, different: 0, unanswered: 0, differences: [] });
    expect(result.requests).toBeGreaterThan(500);
    expect(await command('fsck', again)).toMatchObject({ code: 0 });
    expect(await command('mount', again, volume.dir)).toMatchObject({ code: 0 });
    expect(await volume.bash(TREE)).toBe(tree);
    expect(await command('umount', volume.dir)).toMatchObject({ code: 0 });
  });

  it('says what was different on a volume that was another one', async () => {
    const small = join(volume.root, 'small.img');
    // Too small for the large file: ENOSPC is what a reader of the recording would look for.
    expect(await command('mkfs', small, '--size', '4m')).toMatchObject({ code: 0 });
    const { code, stdout } = await command('replay', recording, small);
    expect(code, stdout).toBe(1);
    expect(stdout).toMatch(/^#\d+ WRITE node=\d+: success in the recording, ENOSPC in the replay$/m);
  });

  it('is shown as text, and one that was cut off amid a frame up to there', async () => {
    const whole = (await command('replay', recording, '--print')).stdout;
    const lines = whole.split('\n');
    const has = (pattern: RegExp): boolean => lines.some((line) => pattern.test(line));
    expect(has(/^ +\d+\.\d{6} -> #\d+ RENAME2? node=1 .*"netfilter" "n"$/)).toBe(true);
    expect(has(/^ +\d+\.\d{6} <- #\d+ GETXATTR ENODATA$/)).toBe(true);
    expect(has(/<- #\d+ WRITE ETXTBSY$/)).toBe(true);
    const cut = join(volume.root, 'cut');
    const bytes = readFileSync(recording);
    writeFileSync(cut, bytes.subarray(0, bytes.length >> 1));
    const half = await command('replay', cut, '--print');
    expect(half.code).toBe(0);
    expect(whole.startsWith(half.stdout)).toBe(true);
    expect(half.stdout.length).toBeGreaterThan(whole.length / 100);
    const none = await command('replay', volume.image, '--print');
    expect(none).toMatchObject({ code: 7 });
    expect(none.stderr).toContain('not a recording');
  });

  it('is never written over, nor into the mount that it is of', async () => {
    const over = await command('mount', volume.image, volume.dir, '--record', recording);
    expect(over).toMatchObject({ code: 5 });
    expect(over.stderr).toContain('EEXIST');
    const inside = await command('mount', volume.image, volume.dir, '--record', join(volume.dir, 'requests'));
    expect(inside).toMatchObject({ code: 7 });
    expect(inside.stderr).toContain('can not lie in it');
    await volume.remount();
  });
});
