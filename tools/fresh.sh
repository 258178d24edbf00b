#!/usr/bin/env bash
# Tries what a new user does, with an empty npm cache: clones this checkout, runs the two commands of the README, packs the
# package, installs it for all users into an empty prefix, and uses it from there: every program, man pages, completion,
# a mount, a lease, mount(8) by its type and by lines of fstab, systemd's units, a mount as an ordinary user. Prints a
# table; fails when a row does. Needs root, git, npm and the network. --quick leaves `npm test` out.
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
  umount -l "$work/mnt" "$work/user/mnt" "$work/clone/mnt" 2>/dev/null
  if [ "$failed" = 0 ]; then rm -rf "$work"; else echo "what was said: $log"; fi
  exit "$failed"
}
trap finish EXIT

# row NAME SECONDS SCRIPT: runs the script and prints one line of the table. The bound is against a hang, not a verdict.
row() {
  local start=$SECONDS answer=ok
  echo "== $1" >>"$log"
  if ! timeout -k 5 "$2" bash -eu -o pipefail -c "$3" >>"$log" 2>&1 </dev/null; then answer=FAILED failed=1; fi
  printf '%-52s %-8s %4d s\n' "$1" "$answer" $((SECONDS - start))
}
skip() { printf '%-52s %s\n' "$1" "skipped: $2"; }

# mount(8) looks for its helpers in /sbin alone: in a mount namespace of its own, a copy of it has ours.
with_sbin() {
  cd "$work"
  [ -d sbin ] || { mkdir sbin && cp -a /sbin/. sbin/; }
  ln -sf "$prefix"/bin/{mount,mount.fuse,fsck}.layoutfs sbin/
  unshare -m --propagation private bash -eu -o pipefail -c "mount --bind sbin /sbin; $1"
}
export -f with_sbin
export source work prefix

row 'a fresh clone' 120 'git clone -q "$source" "$work/clone"'
row 'npm start: installs, mounts; Ctrl-C unmounts' 3000 '
  cd "$work/clone"; setsid npm start & group=$!
  until mountpoint -q mnt; do kill -0 $group; sleep 0.2; done
  echo it works > mnt/file; cat mnt/file; npx layoutfs status mnt
  kill -INT -- -$group; wait $group || true
  ! mountpoint -q mnt; test "$(git status --porcelain)" = ""'
if [ "${1:-}" = --quick ]; then skip 'npm test' '--quick'; else row 'npm test' 7200 'cd "$work/clone" && npm test'; fi
row 'npm pack' 300 'cd "$work/clone" && npm pack --pack-destination "$work"'
row 'npm i -g layoutfs-*.tgz' 3000 'npm i -g --prefix "$prefix" --no-audit --no-fund "$work"/layoutfs-*.tgz'
row 'all programs, without the checkout' 120 '
  rm -rf "$work/clone"
  for program in layoutfs mkfs.layoutfs mount.layoutfs mount.fuse.layoutfs fsck.layoutfs; do
    test "$(command -v $program)" = "$prefix/bin/$program"; $program --version; $program --help | grep -q .
  done'
if command -v man >/dev/null; then
  row 'man pages of sections 1, 5 and 8' 60 '
    export MANPATH=$prefix/share/man
    for page in "1 layoutfs" "5 layoutfs" "8 mkfs.layoutfs" "8 mount.layoutfs" "8 fsck.layoutfs"; do
      man -w $page; man $page | grep -q DESCRIPTION
    done'
else skip 'man pages' 'no man'; fi
row 'completion of bash' 60 '
  eval "$(layoutfs completion bash)"; COMP_WORDS=(layoutfs mk); COMP_CWORD=1; _layoutfs; test "${COMPREPLY[*]}" = mkfs'
if command -v zsh >/dev/null; then
  row 'completion of zsh' 60 'layoutfs completion zsh > "$work/_layoutfs"; zsh -n "$work/_layoutfs"'
else skip 'completion of zsh' 'no zsh'; fi
if command -v fish >/dev/null; then
  row 'completion of fish' 60 '
    layoutfs completion fish > "$work/layoutfs.fish"
    HOME=$work fish -c "source $work/layoutfs.fish; complete -C \"layoutfs mk\"" | grep -w mkfs'
else skip 'completion of fish' 'no fish'; fi
row 'mkfs, mount, a lease, a picture, umount, fsck' 300 '
  cd "$work"; mkfs.layoutfs disk.img --size 1g; layoutfs mount disk.img mnt
  head -c 1M /dev/urandom > mnt/data; sync mnt/data
  layoutfs lease hold mnt/data -- sh -c "! sh -c \"echo x >> mnt/data\""
  layoutfs map mnt; layoutfs map mnt --html map.html; layoutfs top mnt --once; cat mnt/.layout/stats | grep -q seconds_bucket
  layoutfs umount mnt; fsck.layoutfs -n disk.img'
row 'mount -t layoutfs, umount, fsck -t layoutfs' 300 '
  with_sbin "mount -t layoutfs disk.img mnt -o break=7; cmp -n 10 mnt/data mnt/data; stat -f -c %T mnt; umount mnt
    until fsck -t layoutfs disk.img -n; do sleep 0.2; done"'
row 'mount(8) by lines of fstab, of both types' 300 '
  for type in layoutfs fuse.layoutfs; do
    echo "$work/disk.img $work/mnt $type noauto,x-systemd.automount,break=7 0 0" > "$work/fstab"
    with_sbin "mount -T fstab $work/mnt; findmnt -no FSTYPE $work/mnt | grep -x fuse.layoutfs; umount $work/mnt"
  done'
if command -v systemd-analyze >/dev/null; then
  row "systemd's units" 60 '
    mkdir "$work/units"; cp "$prefix"/lib/node_modules/layoutfs/docs/systemd/* "$work/units"
    sed -i "s|/usr/local/bin/|$prefix/bin/|" "$work"/units/*
    MANPATH=$prefix/share/man SYSTEMD_UNIT_PATH=$work/units: systemd-analyze verify "$work"/units/*'
else skip "systemd's units" 'no systemd-analyze'; fi
if command -v fusermount3 >/dev/null && id nobody >/dev/null 2>&1; then
  row 'as an ordinary user' 300 '
    mkdir -p "$work/user/mnt"; chown -R nobody "$work/user"; cd "$work/user"
    # Debian opens /dev/fuse to all; where a container does not, a mount namespace of its own has it so.
    if [ -z "${opened:-}" ] && [ "$(stat -c %a /dev/fuse)" != 666 ]; then
      mknod -m 666 "$work/fuse" c 10 229
      exec unshare -m --propagation private bash -euc "mount --bind $work/fuse /dev/fuse; opened=1; $BASH_EXECUTION_STRING"
    fi
    as() { setpriv --reuid nobody --clear-groups env HOME="$work/user" "$@"; }
    as mkfs.layoutfs own.img --size 256m; as layoutfs mount own.img mnt
    as sh -c "head -c 64k /dev/urandom > mnt/file; layoutfs status mnt"
    as bash -euc "exec 3<> mnt/.layout/ctl; echo get path=/file kind=direct >&3; read -r _ id _ <&3; cmp mnt/file mnt/.layout/lease/\${id#id=}"
    as layoutfs umount mnt; as fsck.layoutfs own.img'
else skip 'as an ordinary user' 'no fusermount3, or no user nobody'; fi
