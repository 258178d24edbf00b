#!/usr/bin/env bash
# Arguments: directory, number of rounds of pgbench. Says 'ack N' when the transactions of round N are committed. The server runs as
# nobody, which it insists on; its socket and its log are elsewhere.
set -euo pipefail
id=65534
aside=$(mktemp -d)
chown $id:$id "$aside"
chmod 755 "$1" "$(dirname "$1")"
mkdir "$1/pg"
chown $id:$id "$1/pg"
chmod 700 "$1/pg"
as() { (cd / && HOME=/tmp setpriv --reuid=$id --regid=$id --clear-groups "$@"); }
stop() {
  as pg_ctl -D "$1/pg" -m immediate -w stop > /dev/null 2>&1 || true
  rm -rf "$aside"
}
trap 'stop "$1"' EXIT
as initdb -D "$1/pg" --auth=trust -U postgres --data-checksums --wal-segsize=1 > "$aside/initdb.log"
settings="-c listen_addresses= -c unix_socket_directories=$aside -c max_wal_size=4 -c shared_buffers=2MB -c checkpoint_timeout=30s"
as pg_ctl -D "$1/pg" -o "$settings" -l "$aside/log" -w start > /dev/null
as pgbench -h "$aside" -U postgres -i -s 1 -q postgres > /dev/null 2>&1
for i in $(seq "$2"); do
  as pgbench -h "$aside" -U postgres -n -c 2 -t 2 postgres > "$aside/pgbench.log" 2>&1
  [ $((i % 7)) -ne 0 ] || as psql -h "$aside" -U postgres -qc checkpoint
  echo "ack $i"
done
