import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { lockOwner } from '../../src/cli/mounts.ts';
import { checkout, describeMounted, type MountedVolume, mountVolume, until } from '../harness/index.ts';
import { identify, signal } from '../harness/registry.ts';

let volume: MountedVolume | undefined;

afterEach(async () => {
  // A daemon in the other mount namespace is out of the harness' sight, but the lock on its image is not.
  const owner = volume && lockOwner(volume.image);
  const daemon = owner ? identify(owner) : undefined;
  if (daemon !== undefined) signal(daemon, 'SIGKILL');
  await volume?.dispose();
  volume = undefined;
});

/**
 * A script in a mount namespace of its own, where /sbin is a copy with the helpers of mount(8) in it: libmount looks for
 * them there and nowhere else. `mounted` prints the kernel's line of the mount.
 */
const PRELUDE = `
mkdir "$ROOT/sbin" && cp -a /sbin/. "$ROOT/sbin/"
for name in mount.layoutfs mount.fuse.layoutfs; do ln -sf "$CHECKOUT/bin/mount.layoutfs.mjs" "$ROOT/sbin/$name"; done
mount --bind "$ROOT/sbin" /sbin
trap 'umount -l "$MNT" 2>/dev/null || true' EXIT
mounted() { findmnt -n -o FSTYPE,SOURCE,OPTIONS --mountpoint "$MNT"; }
`;

async function inNamespace(script: string): Promise<string> {
  volume ??= await mountVolume();
  if (volume.daemonPid > 0) await volume.unmount();
  const { root, dir, image } = volume;
  const env = { ROOT: root, MNT: dir, IMG: image, CHECKOUT: checkout };
  const result = await volume.run(
    'unshare',
    ['-m', '--propagation', 'private', 'bash', '-eu', '-o', 'pipefail', '-c', `${PRELUDE}\n${script}`],
    { env, timeout: 80_000 },
  );
  expect(result.code, `${result.stdout}\n${result.stderr}`).toBe(0);
  await until('the daemon has closed the volume', 20_000, () => lockOwner(image) === undefined);
  return result.stdout;
}

describeMounted('mount(8)', ['unshare', 'findmnt'], () => {
  it.each(['layoutfs', 'fuse.layoutfs'])(
    'mounts by -t %s, remounts, and unmounts',
    async (type) => {
      const said = await inNamespace(`
      mount -t ${type} "$IMG" "$MNT" -o break=7,noatime
      mounted
      echo kept > "$MNT/file"
      mount -o remount,ro "$MNT"
      mounted
      if echo no > "$MNT/other"; then exit 1; fi 2>/dev/null
      mount -o remount,rw "$MNT"
      echo more >> "$MNT/file"
      umount "$MNT"
      if mounted; then exit 1; fi
      while ! mount -t ${type} "$IMG" "$MNT" -o ro 2>/dev/null; do sleep 0.1; done
      cat "$MNT/file"
      umount "$MNT"`);
      const [first, second, ...rest] = said.trim().split('\n');
      expect(first).toMatch(/^fuse\.layoutfs +\/\S+vol\.img +rw,noatime/);
      expect(second).toMatch(/^fuse\.layoutfs +\/\S+vol\.img +ro,/);
      expect(rest.join('\n')).toBe('kept\nmore');
    },
    100_000,
  );

  it('mounts by a line of fstab, and says what is wrong with one', async () => {
    const said = await inNamespace(`
      echo "$IMG $MNT fuse.layoutfs noauto,nofail,_netdev,x-systemd.automount,break=7 0 0" > "$ROOT/fstab"
      mount -T "$ROOT/fstab" "$MNT"
      mounted
      umount "$MNT"
      echo "$IMG $MNT layoutfs noauto,frobnicate 0 0" > "$ROOT/fstab"
      code=0; mount -T "$ROOT/fstab" "$MNT" 2> "$ROOT/said" || code=$?
      echo $code
      cat "$ROOT/said"`);
    const [line, code, ...message] = said.trim().split('\n');
    expect(line).toContain('fuse.layoutfs');
    expect(code).toBe('1');
    expect(message.join('\n')).toContain('frobnicate');
  }, 100_000);

  it('and fsck(8) find what they need', async () => {
    const said = await inNamespace(`
      ln -s "$CHECKOUT/bin/mkfs.layoutfs.mjs" "$ROOT/sbin/mkfs.layoutfs"
      ln -s "$CHECKOUT/bin/fsck.layoutfs.mjs" "$ROOT/sbin/fsck.layoutfs"
      mkfs.layoutfs "$ROOT/new.img" --size 64m > /dev/null
      fsck -t layoutfs "$ROOT/new.img" -- -n > /dev/null
      mount -t layoutfs "$ROOT/new.img" "$MNT"
      stat -f -c %T "$MNT"
      umount "$MNT"
      while fsck -t layoutfs "$ROOT/new.img" 2>&1 | grep -q 'in use'; do sleep 0.1; done`);
    expect(said).toContain('fuse');
    await until('closed', 20_000, () => lockOwner(join(volume!.root, 'new.img')) === undefined);
  }, 100_000);
});
