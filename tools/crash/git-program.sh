#!/usr/bin/env bash
# Arguments: directory, number of commits. Says 'ack N' when commit N is safe.
set -euo pipefail
cd "$1"
git init -q -b main repo
cd repo
git config core.fsync all
git config core.fsyncMethod fsync
git config gc.auto 0
for i in $(seq "$2"); do
  mkdir -p "dir$((i % 5))"
  echo "contents $i" > "file$i"
  echo "$i" >> "dir$((i % 5))/log"
  git add -A
  git commit -q -m "commit $i"
  [ $((i % 9)) -ne 0 ] || git repack -q -a -d
  sync .git/refs/heads
  echo "ack $i"
done
