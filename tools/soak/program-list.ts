/** A real program at work on a mount: a script for bash, which fails by its exit code. */
export interface Program {
  name: string;
  needs: readonly string[];
  /** Run with the mount as working directory, $SOURCE the checkout, $ROOT a folder of the host. */
  script: string;
  seconds: number;
}

const TREE = `
mkdir -p tree/sub/deep; echo one > tree/a; ln tree/a tree/sub/b; ln -s ../a tree/sub/link; mkfifo tree/pipe
mknod tree/null c 1 3; truncate -s 10M tree/sparse; echo end | dd of=tree/sparse seek=20480 conv=notrunc 2>/dev/null
setfattr -n user.color -v blue tree/a; setfattr -n trusted.deep -v sea tree/sub/deep
setfacl -m u:60001:rw tree/a; setfacl -d -m g:60002:rx tree/sub; chown 60001:60002 tree/sub/deep; chmod 2750 tree/sub/deep
find tree -depth -exec touch -h -d '1969-07-20 20:17:40.123456789' {} +
show() { (cd "$1" && find . -mindepth 1 -printf '%p %y %m %U %G %s %T@ %l\\n' | sed 's/ d \\([0-9 ]*\\) [0-9]* \\(-[0-9]*\\)/ d \\1 \\2/' | sort
  find . -mindepth 1 ! -type l | sort | while read -r name; do getfacl -np "$name"; getfattr -d -m - "$name"; done); }
`;

export const PROGRAMS: readonly Program[] = [
  {
    name: 'make -j4 of a C project',
    needs: ['make', 'cc'],
    seconds: 120,
    script: `
      mkdir project && cd project
      for i in $(seq 120); do printf '#include "all.h"\\nint f%d(int x) { return x + %d; }\\n' $i $i > f$i.c; done
      for i in $(seq 120); do echo "int f$i(int);"; done > all.h
      { echo '#include "all.h"'; echo '#include <stdio.h>'; echo 'int main(void) { int x = 0;'
        for i in $(seq 120); do echo "x = f$i(x);"; done; echo 'printf("%d\\n", x); return 0; }'; } > main.c
      printf 'O = $(patsubst %%.c,%%.o,$(wildcard *.c))\\nall: main\\nmain: $(O)\\n\\tcc -o $@ $(O)\\n%%.o: %%.c all.h\\n\\tcc -g -O1 -c $<\\nclean:\\n\\trm -f *.o main\\n' > Makefile
      make -s -j4 && test "$(./main)" = 7260
      make -q && touch all.h && ! make -q && make -s -j4 && make -s clean && test ! -e main`,
  },
  {
    name: 'autotools: autoreconf, configure, make -j4, check, distcheck',
    needs: ['autoreconf', 'automake', 'make', 'cc'],
    seconds: 300,
    script: `
      mkdir auto && cd auto && mkdir src
      cat > configure.ac <<'END'
AC_INIT([hello], [1.0], [nobody@example.org])
AM_INIT_AUTOMAKE([foreign subdir-objects])
AC_PROG_CC
AC_CHECK_HEADERS([unistd.h sys/mman.h])
AC_CHECK_FUNCS([mmap fallocate copy_file_range])
AC_CONFIG_HEADERS([config.h])
AC_CONFIG_FILES([Makefile])
AC_OUTPUT
END
      { echo 'bin_PROGRAMS = hello'; printf 'hello_SOURCES = src/main.c'
        for i in $(seq 40); do printf ' src/part%d.c' $i; done
        printf '\nTESTS = hello\n'; } > Makefile.am
      { echo '#include "config.h"'; for i in $(seq 40); do echo "int part$i(void);"; done; echo 'int main(void) { int x = 0;'
        for i in $(seq 40); do echo "x += part$i();"; done; echo 'return x == 820 ? 0 : 1; }'; } > src/main.c
      for i in $(seq 40); do echo "int part$i(void) { return $i; }" > src/part$i.c; done
      autoreconf -i > "$ROOT/autoreconf.log" 2>&1
      mkdir build && cd build && ../configure --prefix="$PWD/../inst" > "$ROOT/configure.log"
      make -j4 > "$ROOT/make.log" 2>&1 && make check > "$ROOT/check.log" 2>&1 && make install > "$ROOT/install.log" && ../inst/bin/hello
      make -j4 distcheck > "$ROOT/distcheck.log" 2>&1 && test -f hello-1.0.tar.gz`,
  },
  {
    name: 'npm ci of this project, and its type check',
    needs: ['npm'],
    seconds: 400,
    script: `
      git clone -q --no-hardlinks "$SOURCE" npm && cd npm
      npm ci --no-audit --no-fund --prefer-offline --loglevel=error
      npx tsc --noEmit -p . > "$ROOT/tsc.log" 2>&1 || { grep -c error "$ROOT/tsc.log"; }
      node -e 'new (require("better-sqlite3"))("x.db").exec("create table t(a); insert into t values (1)")'
      rm -rf node_modules && test ! -e node_modules`,
  },
  {
    name: 'git with each core.fsyncMethod',
    needs: ['git'],
    seconds: 200,
    script: `
      for method in fsync writeout-only batch; do
        git -c core.fsyncMethod=$method -c core.fsync=all clone -q --no-hardlinks "$SOURCE" git-$method
        cd git-$method
        git config user.email a@b.c; git config user.name n; git config core.fsyncMethod $method; git config core.fsync all
        for i in 1 2 3; do echo $i > new$i; git add new$i; git commit -q -m $i; done
        git gc -q && git fsck --full --strict > "$ROOT/fsck.log" 2>&1
        test -z "$(git status --porcelain)"
        cd ..
      done`,
  },
  {
    name: 'PostgreSQL: initdb and pgbench',
    needs: ['initdb', 'pg_ctl', 'pgbench', 'setpriv'],
    seconds: 240,
    script: `
      id=65534; mkdir pg; chown $id:$id pg; chmod 700 pg; chmod 755 . "$ROOT"
      as() { (cd / && HOME=/tmp setpriv --reuid=$id --regid=$id --clear-groups "$@"); }
      as initdb -D "$MNT/pg" --auth=trust -U postgres > "$ROOT/initdb.log"
      as pg_ctl -D "$MNT/pg" -o "-c listen_addresses= -c unix_socket_directories=$MNT/pg" -l "$MNT/pg/log" -w start > "$ROOT/start.log"
      as pgbench -h "$MNT/pg" -U postgres -i -s 5 -q postgres > "$ROOT/pgbench.log" 2>&1
      as pgbench -h "$MNT/pg" -U postgres -c 4 -j 2 -T 60 postgres > "$ROOT/pgbench.txt" 2>&1
      grep -E '^(tps|number of failed)' "$ROOT/pgbench.txt"
      as psql -h "$MNT/pg" -U postgres -c 'select count(*) from pgbench_history' -At
      as pg_ctl -D "$MNT/pg" -m fast -w stop > "$ROOT/stop.log"`,
  },
  {
    name: 'rsync -aHAX there and back',
    needs: ['rsync', 'setfattr', 'setfacl'],
    seconds: 60,
    script: `${TREE}
      rsync -aHAX --sparse tree/ copy/ && rsync -aHAX copy/ "$ROOT/back/"
      show tree > "$ROOT/one"; show copy > "$ROOT/two"; show "$ROOT/back" > "$ROOT/three"
      diff "$ROOT/one" "$ROOT/two"; diff "$ROOT/one" "$ROOT/three"
      test -z "$(rsync -aHAXin --delete tree/ copy/)"`,
  },
  {
    name: 'tar --xattrs --acls',
    needs: ['tar', 'setfattr', 'setfacl'],
    seconds: 60,
    script: `${TREE}
      tar --xattrs --xattrs-include='*' --acls --sparse --numeric-owner -cf t.tar tree
      mkdir out && tar --xattrs --xattrs-include='*' --acls --sparse --numeric-owner -xpf t.tar -C out
      show tree > "$ROOT/one"; show out/tree > "$ROOT/two"; diff "$ROOT/one" "$ROOT/two"
      test $(stat -c %b out/tree/sparse) -lt 100`,
  },
  {
    name: 'cp --reflink=auto shares blocks',
    needs: ['cp'],
    seconds: 60,
    script: `
      dd if=/dev/urandom of=big bs=1M count=64 2>/dev/null; sync big
      before=$(stat -f -c %f .); cp --reflink=auto big copy; sync copy; after=$(stat -f -c %f .)
      cmp big copy; test $((before - after)) -lt 100
      echo changed | dd of=copy conv=notrunc 2>/dev/null; ! cmp -s big copy; cmp -i 8192 big copy`,
  },
  {
    name: 'overlayfs with all its directories here',
    needs: ['mount', 'getfattr'],
    seconds: 60,
    script: `
      mkdir -p lower/d upper work merged
      echo low > lower/file; echo deep > lower/d/f
      mount -t overlay overlay -o "lowerdir=$MNT/lower,upperdir=$MNT/upper,workdir=$MNT/work" merged
      trap 'umount -l merged 2> "$ROOT/ignored" || true' EXIT
      test "$(cat merged/file)" = low
      echo new >> merged/file; ln merged/file merged/name; mv merged/file merged/moved
      test "$(tail -1 merged/name)" = new; test ! -e merged/file
      rm -r merged/d; mkdir merged/d; test -z "$(ls -A merged/d)"
      test "$(getfattr --only-values -n trusted.overlay.opaque upper/d)" = y
      test "$(stat -c '%F %t,%T' upper/file)" = 'character special file 0,0'
      umount merged; trap - EXIT
      test "$(cat lower/file)" = low; test -e lower/d/f`,
  },
  {
    name: 'SQLite in WAL mode by several processes',
    needs: ['python3'],
    seconds: 100,
    script: `
      cat > "$ROOT/w.py" <<'END'
import sqlite3, sys
db = sqlite3.connect('wal.db', timeout=60, isolation_level=None)
db.execute('pragma journal_mode=wal')
db.execute('create table if not exists t(who, n)')
for i in range(200):
    db.execute('begin immediate'); db.execute('insert into t values (?, ?)', (sys.argv[1], i)); db.execute('commit')
END
      for p in 1 2 3 4; do python3 "$ROOT/w.py" $p & pids="$pids $!"; done
      for pid in $pids; do wait $pid; done
      test "$(python3 -c 'import sqlite3; d=sqlite3.connect("wal.db"); print(d.execute("select count(*) from t").fetchone()[0], d.execute("pragma integrity_check").fetchone()[0])')" = "800 ok"`,
  },
];
