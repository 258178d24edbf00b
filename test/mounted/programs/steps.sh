#!/bin/bash
# Steps of which none can be done twice or be left out without being noticed: steps.sh FOLDER STOPFILE. Says what it did.
cd "$1" || exit 1
for ((i = 1; ; i++)); do
  [ -e "$2" ] && break
  mkdir "x$i" || { echo "mkdir $i failed"; exit 1; }
  echo "line $i" >> log || { echo "append $i failed"; exit 1; }
  mv -T "x$i" "y$i" || { echo "rename $i failed"; exit 1; }
  rmdir "y$i" || { echo "rmdir $i failed"; exit 1; }
  ln log "l$i" || { echo "link $i failed"; exit 1; }
  rm "l$i" || { echo "unlink $i failed"; exit 1; }
done
n=0
while read -r line; do
  ((n++))
  [ "$line" = "line $n" ] || { echo "line $n of the log is '$line'"; exit 1; }
done < log
[ "$n" = $((i - 1)) ] || { echo "the log has $n lines after $((i - 1)) steps"; exit 1; }
[ "$(stat -c %h log)" = 1 ] || { echo "the log has $(stat -c %h log) links"; exit 1; }
echo "$n steps"
