import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkout, describeMounted, FOREIGN_MOUNTS_AWAY, mountVolume } from '../harness/index.ts';

/**
 * mount(8), umount(8), mkfs(8) and fsck(8) look for their helpers in /sbin. The script runs in a mount namespace of its own,
 * where /sbin is a folder with our programs and links to all others, and in a process namespace of its own, so that a
 * daemon never outlives it.
 */
const PREPARE = `
set -e
mkdir -p "$ROOT/real" "$ROOT/sbin" "$ROOT/dir"
mount --bind /usr/sbin "$ROOT/real"
for program in "$ROOT"/real/*; do ln -s "$program" "$ROOT/sbin/"; done
for name in mkfs.layoutfs fsck.layoutfs mount.layoutfs; do ln -s "$BIN/$name.mjs" "$ROOT/sbin/$name"; done
ln -s "$BIN/mount.layoutfs.mjs" "$ROOT/sbin/mount.fuse.layoutfs"
mount --bind "$ROOT/sbin" /usr/sbin
image="$ROOT/device.img"
dir="$ROOT/dir"
answers() { want=$1; shift; set +e; "$@" > "$ROOT/said" 2>&1; code=$?; set -e
  test $code = "$want" || { echo "$*: exit $code, not $want"; cat "$ROOT/said"; exit 1; } }
has() { findmnt -n -o OPTIONS "$dir" | grep -q "$1" || { echo "no $1 in $(findmnt -n -o OPTIONS "$dir")"; exit 1; }; }
`;

const SCRIPTS: Readonly<Record<string, string>> = {
  'mkfs -t, mount -t fuse.layoutfs, umount, fsck -t': `
    truncate -s 1g "$image"
    answers 0 mkfs -t layoutfs "$image"
    answers 0 mount -t fuse.layoutfs "$image" "$dir" -o noatime,commit=2
    test "$(findmnt -n -o FSTYPE,SOURCE "$dir" | tr -s ' ')" = "fuse.layoutfs $image"
    has noatime
    echo data > "$dir/file"
    answers 8 fsck -t layoutfs "$image" -n
    answers 32 mount -t fuse.layoutfs "$image" "$ROOT/real"
    answers 0 umount "$dir"
    until fsck -t layoutfs "$image" -n > "$ROOT/said" 2>&1 || test $? -ne 8; do sleep 0.1; done
    answers 0 fsck -t layoutfs "$image" -n
    answers 0 mount -t layoutfs "$image" "$dir"
    test "$(cat "$dir/file")" = data
    answers 0 umount "$dir"
    answers 0 mount -t layoutfs "$image" "$dir"
    answers 0 umount "$dir"`,
  remount: `
    truncate -s 1g "$image"
    answers 0 mkfs -t layoutfs "$image"
    answers 0 mount -t fuse.layoutfs "$image" "$dir"
    echo data > "$dir/file"
    answers 0 mount -o remount,ro "$dir"
    has ro
    answers 1 touch "$dir/file"
    grep -q 'Read-only' "$ROOT/said"
    answers 0 mount -o remount,rw "$dir"
    touch "$dir/file"
    answers 0 mount -o remount,noexec,nosuid "$dir"
    has noexec
    cp /bin/true "$dir/program"
    answers 126 sh -c "$dir/program"
    answers 0 umount "$dir"`,
  'read-only from the start': `
    truncate -s 1g "$image"
    answers 0 mkfs -t layoutfs "$image"
    answers 0 mount -t fuse.layoutfs "$image" "$dir"
    mkdir "$dir/d"; echo data > "$dir/d/f"
    answers 0 umount "$dir"
    answers 0 mount -t fuse.layoutfs -r "$image" "$dir"
    has ro
    test "$(cat "$dir/d/f")" = data
    for call in "touch $dir/x" "mkdir $dir/x" "rm $dir/d/f" "rmdir $dir/d" "mv $dir/d $dir/e" "ln $dir/d/f $dir/l" \\
      "ln -s x $dir/s" "mkfifo $dir/p" "chmod 0 $dir/d/f" "chown 1 $dir/d/f" "truncate -s 0 $dir/d/f" \\
      "setfattr -n user.a -v v $dir/d/f"; do
      answers 1 $call
      grep -q 'Read-only file system' "$ROOT/said" || { echo "$call"; cat "$ROOT/said"; exit 1; }
    done
    answers 0 umount "$dir"`,
  'nodev, nosuid': `
    truncate -s 1g "$image"
    answers 0 mkfs -t layoutfs "$image"
    answers 0 mount -t fuse.layoutfs "$image" "$dir" -o nodev,nosuid
    mknod "$dir/null" c 1 3
    answers 1 cat "$dir/null"
    grep -q 'Permission denied' "$ROOT/said"
    cp /usr/bin/id "$dir/id"; chown 60002 "$dir/id"; chmod 4755 "$dir/id"
    test "$("$dir/id" -u)" = 0
    answers 0 umount "$dir"`,
  'exit codes of mount(8)': `
    truncate -s 1g "$image"
    answers 0 mkfs -t layoutfs "$image"
    answers 1 mount -t fuse.layoutfs "$image" "$dir" -o frob
    answers 32 mount -t fuse.layoutfs "$ROOT/none.img" "$dir"
    answers 32 mount -t fuse.layoutfs "$image" "$ROOT/nowhere"
    echo text > "$ROOT/text.img"
    answers 32 mount -t fuse.layoutfs "$ROOT/text.img" "$dir"
    echo "$image $dir fuse.layoutfs noauto,commit=2 0 0" > "$ROOT/fstab"
    answers 0 mount -T "$ROOT/fstab" "$dir"
    answers 0 umount "$dir"`,
};

describeMounted('mount(8) and its kind', ['unshare', 'findmnt', 'setfattr'], () => {
  for (const [name, script] of Object.entries(SCRIPTS)) {
    test(name, { timeout: 90_000 }, async () => {
      await using volume = await mountVolume();
      const words = ['-m', '-p', '-f', '--mount-proc', '--kill-child', '--propagation', 'private'];
      const result = await volume.run(
        'unshare',
        [...words, 'sh', '-c', `cd /\n${FOREIGN_MOUNTS_AWAY}${PREPARE}${script}`],
        {
          timeout: 80_000,
          env: { BIN: join(checkout, 'bin') },
        },
      );
      expect(result.stdout + result.stderr).toBe('');
      expect(result.code).toBe(0);
    });
  }
});
