import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { lockOwner } from '../../src/cli/mounts.ts';
import {
  checkout,
  describeMounted,
  FOREIGN_MOUNTS_AWAY,
  type MountedVolume,
  mountVolume,
  until,
} from '../harness/index.ts';
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
  const env = { ROOT: root, MNT: dir, IMG: image, CHECKOUT: checkout, NODE: process.execPath };
  const result = await volume.run(
    'unshare',
    [
      '-m',
      '--propagation',
      'private',
      'bash',
      '-eu',
      '-o',
      'pipefail',
      '-c',
      `${FOREIGN_MOUNTS_AWAY}${PRELUDE}\n${script}`,
    ],
    { env, timeout: 80_000 },
  );
  expect(result.code, `${result.stdout}\n${result.stderr}`).toBe(0);
  await until('the daemon has closed the volume', 20_000, () => lockOwner(image) === undefined);
  return result.stdout;
}

/** The block of that language in docs/installation.md. */
function blockOf(language: string): string {
  const text = readFileSync(join(checkout, 'docs', 'installation.md'), 'utf8');
  return new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(text)?.[1] ?? '';
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
      mount -t ${type} "$IMG" "$MNT" -o ro
      cat "$MNT/file"
      umount "$MNT"`);
      const [first, second, ...rest] = said.trim().split('\n');
      expect(first).toMatch(/^fuse\.layoutfs +\/\S+vol\.img +rw,noatime/);
      expect(second).toMatch(/^fuse\.layoutfs +\/\S+vol\.img +ro,/);
      expect(rest.join('\n')).toBe('kept\nmore');
    },
    100_000,
  );

  it('finds the filesystem by way of mount.fuse3(8) where its own helper is not in /sbin', async (context) => {
    if (!existsSync('/sbin/mount.fuse3')) context.skip('needs mount.fuse3');
    const said = await inNamespace(`
      rm "$ROOT/sbin/mount.fuse.layoutfs"
      printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$NODE" "$CHECKOUT/bin/layoutfs.mjs" > "$ROOT/layoutfs"
      chmod +x "$ROOT/layoutfs"
      mount -t "fuse.$ROOT/layoutfs" "$IMG" "$MNT" -o break=7
      mounted
      umount "$MNT"`);
    expect(said).toMatch(/^fuse\.layoutfs +\/\S+vol\.img +rw/);
  }, 100_000);

  it('mounts by the lines of fstab in the documentation, and says what is wrong with one', async () => {
    const lines = blockOf('fstab').trim().split('\n');
    expect(lines.length).toBe(2);
    const mounts = lines.map(
      (line) => `
      echo '${line}' | sed "s|/srv/disk.img|$IMG|; s|/mnt/disk|$MNT|" > "$ROOT/fstab"
      mount -T "$ROOT/fstab" "$MNT"
      mounted
      umount "$MNT"`,
    );
    const said = await inNamespace(`
      ${mounts.join('\n')}
      echo "$IMG $MNT layoutfs noauto,frobnicate 0 0" > "$ROOT/fstab"
      code=0; mount -T "$ROOT/fstab" "$MNT" 2> "$ROOT/said" || code=$?
      echo $code
      cat "$ROOT/said"`);
    const [first, second, code, ...message] = said.trim().split('\n');
    for (const line of [first, second]) expect(line).toMatch(/^fuse\.layoutfs +\/\S+vol\.img +rw/);
    expect(code).toBe('1');
    expect(message.join('\n')).toContain('frobnicate');
  }, 100_000);

  it('is not needed by the commands of the systemd unit in the documentation', async () => {
    const unit = readFileSync(join(checkout, 'docs', 'systemd', 'layoutfs-disk.service'), 'utf8');
    const command = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';
    const script = ['ExecStart', 'ExecStop'].map((name) =>
      command(name)
        .replace(/^\S+layoutfs/, `'${process.execPath}' "$CHECKOUT/bin/layoutfs.mjs"`)
        .replace('/srv/disk.img', '"$IMG"')
        .replace('/mnt/disk', '"$MNT"'),
    );
    expect(await inNamespace(script.join('\nmounted\n'))).toMatch(/^fuse\.layoutfs /);
    expect(lockOwner(volume!.image), 'the stop waits for the end of the daemon').toBeUndefined();
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
      fsck -t layoutfs "$ROOT/new.img" > /dev/null`);
    expect(said).toContain('fuse');
    await until('closed', 20_000, () => lockOwner(join(volume!.root, 'new.img')) === undefined);
  }, 100_000);
});
