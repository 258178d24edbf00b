import { afterAll, beforeAll, expect, it } from 'vitest';
import { runPython } from '../control/python.ts';
import { describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';

/** A database of 2,000 rows of which half are deleted: free pages for as many again, and no more. */
const SQLITE = `
import sqlite3
def make(path):
    db = sqlite3.connect(path); db.execute('create table t (id integer primary key, b blob)')
    db.executemany('insert into t values (?, ?)', ((i, bytes(400)) for i in range(2000)))
    db.commit(); db.execute('delete from t where id >= 1000'); db.commit(); db.close()
def open_db(path):
    db = sqlite3.connect(path, timeout=0.2); db.execute('pragma mmap_size=268435456'); return db
def sql(what, db, statement, *values):
    try:
        rows = db.execute(statement, *values).fetchall(); db.commit(); print(what, *[row[0] for row in rows])
    except sqlite3.Error as e: db.rollback(); print(what, type(e).__name__)
def rows(n, size): return 'with recursive n(i) as (select 1 union all select i + 1 from n where i < %d) insert into t (b) select zeroblob(%d) from n' % (n, size)
`;

describeMounted('SQLite with mmap_size', ['python3'], () => {
  let volume: MountedVolume;

  beforeAll(async () => {
    volume = await mountVolume({ deadline: 110_000 });
  });

  afterAll(() => volume?.dispose());

  it('under .layout/direct works in the pages that it has, and does not grow', async () => {
    const lines = await runPython(
      volume,
      `${SQLITE}
make('direct.db')
size = os.stat('direct.db').st_size
db, other = open_db('.layout/direct/direct.db'), open_db('.layout/direct/direct.db')
sql('rows', db, 'select count(*) from t')
sql('update', db, 'update t set b = zeroblob(300) where id < 500')
sql('insert into free pages', db, rows(400, 400))
sql('insert', db, rows(4000, 400))
sql('vacuum', db, 'vacuum')
sql('rows', other, 'select count(*) from t')
db.execute('begin immediate')
sql('locked', other, 'delete from t')
db.rollback()
sql('not locked', other, 'delete from t where id < 10')
sql('whole', db, 'pragma integrity_check')
print('size', os.stat('direct.db').st_size - size, sorted(os.listdir('.')))
db.close(); other.close()
outside = open_db('direct.db')
sql('outside', outside, rows(4000, 400))
sql('whole', outside, 'pragma integrity_check')
`,
    );
    expect(lines).toEqual([
      'rows 1000',
      'update',
      'insert into free pages',
      'insert OperationalError',
      'vacuum OperationalError',
      'rows 1400',
      'locked OperationalError',
      'not locked',
      'whole ok',
      "size 0 ['direct.db']",
      'outside',
      'whole ok',
    ]);
  });

  it('a sealed database is written in place and never grows, shrinks or moves, until it is unsealed', async () => {
    const lines = await runPython(
      volume,
      `${SQLITE}
s = session()
make('sealed.db')
print(ask(s, 'seal path=/sealed.db').split()[0])
before = ask(s, 'map path=/sealed.db').splitlines()[:-1]
db = open_db('sealed.db')
sql('update', db, 'update t set b = zeroblob(300) where id < 500')
sql('insert into free pages', db, rows(400, 400))
sql('insert', db, rows(4000, 400))
sql('vacuum', db, 'vacuum')
sql('whole', db, 'pragma integrity_check')
print('map', ask(s, 'map path=/sealed.db').splitlines()[:-1] == before)
print(ask(s, 'unseal path=/sealed.db').split()[0])
sql('vacuum', db, 'vacuum')
sql('insert', db, rows(4000, 400))
sql('rows', db, 'select count(*) from t')
`,
    );
    expect(lines).toEqual([
      'ok',
      'update',
      'insert into free pages',
      'insert OperationalError',
      'vacuum OperationalError',
      'whole ok',
      'map True',
      'ok',
      'vacuum',
      'insert',
      'rows 5400',
    ]);
  });
});

/** Debian: package postgresql. The server refuses to run as root, so it runs as its user. */
const POSTGRES = `
set +e +o pipefail
exec 2>&1
export PGDATA="$ROOT/pg" PGHOST="$ROOT" PGPORT=54321 PGUSER=postgres
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
start() { as pg_ctl -s -w -l "$ROOT/pg.log" -o "-k $ROOT -c listen_addresses= -c autovacuum=off -c fsync=on" start; }
stop() { as pg_ctl -s -w -m fast stop; }
sql() { as psql -X -q -A -t "\${@/#/-c}" 2>&1 | sed -n 's/"[^"]*"/the file/g; /^HINT/!p'; }
`;

describeMounted('PostgreSQL', ['initdb', 'pg_ctl', 'psql', 'setpriv'], () => {
  it('a table of a tablespace works sealed and under .layout/direct, in the pages that it has', {
    timeout: 180_000,
  }, async () => {
    await using volume = await mountVolume({ size: '2g', deadline: 170_000 });
    const out = await volume.bash(
      `${POSTGRES}
chmod 755 . "$ROOT"
mkdir "$PGDATA" space && chown postgres:postgres "$PGDATA" space && chown postgres "$ROOT"
as initdb -N -A trust -U postgres --no-instructions > "$ROOT/initdb.log" || cat "$ROOT/initdb.log"
start
sql "create tablespace s location '$MNT/space'"
sql "create table t (id int primary key, a text) with (fillfactor=20) tablespace s"
sql "insert into t select i, 'row ' || i from generate_series(1, 2000) i"
sql "checkpoint"
file=$(sql "select replace(pg_relation_filepath('t'), 'pg_tblspc', 'x')" | sed 's,^x/[0-9]*,,')
stop
echo "seal path=/space$file" > .layout/ctl && echo sealed
start
echo "rows $(sql 'select count(*) from t')"
echo "update $(sql "update t set a = a || '!' where id % 10 = 0 returning 1" | wc -l)"
echo "insert $(sql "insert into t select i, repeat('x', 500) from generate_series(10000, 20000) i")"
echo "rows $(sql 'select count(*) from t')"
stop
echo "unseal path=/space$file" > .layout/ctl && echo unsealed
ln -sfn "$MNT/.layout/direct/space" "$PGDATA"/pg_tblspc/*
start
echo "rows and leases" $(sql 'select count(*) from t' "\\\\! grep -c '$file' $MNT/.layout/leases")
echo "update $(sql "update t set a = a || '?' where id % 10 = 1 returning 1" | wc -l)"
echo "insert $(sql "insert into t select i, repeat('x', 500) from generate_series(10000, 20000) i")"
sql checkpoint
stop
ln -sfn "$MNT/space" "$PGDATA"/pg_tblspc/*
start
echo "marked $(sql "select count(*) from t where a like '%!' or a like '%?'")"
echo "insert $(sql "insert into t select i, repeat('x', 500) from generate_series(10000, 20000) i returning 1" | wc -l)"
stop
`,
      { timeout: 160_000 },
    );
    expect(out.trim().split('\n')).toEqual([
      'sealed',
      'rows 2000',
      'update 200',
      'insert ERROR:  could not extend file the file: Text file busy',
      'rows 2000',
      'unsealed',
      'rows and leases 2000 1',
      'update 200',
      'insert ERROR:  could not extend file the file: Resource deadlock avoided',
      'marked 400',
      'insert 10001',
    ]);
  });
});
