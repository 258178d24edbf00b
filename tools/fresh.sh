#!/usr/bin/env bash
# Tries what a new user does: clones this checkout, packs it, installs the package for all users into an empty prefix (with
# an empty npm cache), and uses it from there: version, man pages, completion, a mount, a lease, mount(8) by a line of
# fstab, and a mount as an ordinary user. Prints a table; fails when a row does. Needs root, git, npm and the network.
set -u
source=$(cd "$(dirname "$0")/.." && pwd -P)
work=$(mktemp -d "${TMPDIR:-/tmp}/layoutfs-fresh-XXXXXX")
chmod 755 "$work"
prefix=$work/prefix
log=$work/log
failed=0
export npm_config_cache=$work/cache
export PATH=$prefix/bin:$PATH
mkdir "$prefix" "$work/mnt"

finish() {
  umount -l "$work/mnt" "$work/user/mnt" 2>/dev/null
  if [ "$failed" = 0 ]; then rm -rf "$work"; else echo "what was said: $log"; fi
  exit "$failed"
}
trap finish EXIT

# row NAME SECONDS SCRIPT: runs the script and prints one line of the table.
row() {
  local start=$SECONDS answer=ok
  echo "== $1" >>"$log"
  if ! timeout -k 5 "$2" bash -eu -o pipefail -c "$3" >>"$log" 2>&1 </dev/null; then answer=FAILED failed=1; fi
  printf '%-48s %-8s %4d s\n' "$1" "$answer" $((SECONDS - start))
}
skip() { printf '%-48s %s\n' "$1" "skipped: $2"; }

export source work prefix
row 'a fresh clone' 120 'git clone -q "$source" "$work/clone"'
row 'its packages' 600 'cd "$work/clone" && node tools/setup.mjs'
row 'npm pack' 120 'cd "$work/clone" && npm pack --pack-destination "$work"'
row 'npm i -g layoutfs-*.tgz' 600 'npm i -g --prefix "$prefix" --no-audit --no-fund "$work"/layoutfs-*.tgz'
row 'layoutfs --version, without the checkout' 30 'rm -rf "$work/clone"; test "$(command -v layoutfs)" = "$prefix/bin/layoutfs"; layoutfs --version'
if command -v man >/dev/null; then
  row 'man layoutfs, man 8 mount.layoutfs' 30 'for page in layoutfs "5 layoutfs" "8 mount.layoutfs"; do MANPATH=$prefix/share/man man -w $page; done'
else skip 'man pages' 'no man'; fi
row 'completion of bash' 30 'eval "$(layoutfs completion bash)"; COMP_WORDS=(layoutfs mk); COMP_CWORD=1; _layoutfs; test "${COMPREPLY[*]}" = mkfs'
row 'mkfs, mount, a lease, umount, fsck' 120 '
  cd "$work"; mkfs.layoutfs disk.img --size 1g; layoutfs mount disk.img mnt
  head -c 1M /dev/urandom > mnt/data; sync mnt/data
  layoutfs lease hold mnt/data -- sh -c "! sh -c \"echo x >> mnt/data\""
  layoutfs umount mnt; fsck.layoutfs -n disk.img'
row 'mount(8) by a line of fstab' 120 '
  cd "$work"; echo "$work/disk.img $work/mnt layoutfs noauto,break=7 0 0" > fstab
  unshare -m --propagation private bash -eu -c "
    cp -a /sbin/. sbin 2>/dev/null || { mkdir sbin; cp -a /sbin/. sbin; }
    ln -sf $prefix/bin/mount.layoutfs sbin/mount.layoutfs
    mount --bind sbin /sbin
    mount -T fstab $work/mnt; stat -f -c %T mnt; umount $work/mnt"'
if command -v fusermount3 >/dev/null && id nobody >/dev/null 2>&1; then
  row 'as an ordinary user' 120 '
    mkdir -p "$work/user/mnt"; chown -R nobody "$work/user"; cd "$work/user"
    as() { setpriv --reuid nobody --clear-groups env HOME="$work/user" "$@"; }
    as layoutfs mkfs own.img --size 256m; as layoutfs mount own.img mnt
    as sh -c "echo mine > mnt/file && cat mnt/file && layoutfs status mnt"
    as layoutfs umount mnt'
else skip 'as an ordinary user' 'no fusermount3, or no user nobody'; fi
