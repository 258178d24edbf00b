import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';

let volume: MountedVolume;

beforeEach(async () => {
  volume = await mountVolume({ size: '2g' });
});

afterEach(() => volume?.dispose());

describeMounted('SQLite on the mount', ['sqlite3'], () => {
  const left = Array.from({ length: 20_000 }, (_, i) => i + 1).filter((id) => id % 5 !== 0);

  for (const mode of ['wal', 'delete', 'truncate', 'persist']) {
    it(`works with journal_mode=${mode}, and its database is whole after a remount`, async () => {
      const sql = `
        pragma journal_mode=${mode}; create table t (id integer primary key, a text, b blob);
        with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) insert into t select i, 'row ' || i, randomblob(50) from n;
        create index t_a on t (a); update t set a = a || '!' where id % 3 = 0; delete from t where id % 5 = 0; vacuum;
        begin; insert into t (a) values ('gone'); rollback;`;
      await volume.run('sqlite3', ['db', sql], { timeout: 60_000 });
      await volume.unmount();
      await volume.remount();
      const out = await volume.bash(
        `sqlite3 db "pragma integrity_check; select count(*), sum(id % 7) from t; select count(*) from t where a = 'gone'"`,
      );
      expect(out.trim().split('\n')).toEqual([
        'ok',
        `${left.length}|${left.reduce((sum, id) => sum + (id % 7), 0)}`,
        '0',
      ]);
    }, 90_000);
  }

  it('keeps two writers apart by its locks', async () => {
    await volume.bash("sqlite3 db 'create table t (who text)'");
    const writer = (who: string): Promise<string> =>
      volume.bash(`for i in $(seq 100); do sqlite3 -cmd '.timeout 20000' db "insert into t values ('${who}')"; done`, {
        timeout: 80_000,
      });
    await Promise.all([writer('a'), writer('b')]);
    expect((await volume.bash("sqlite3 db 'pragma integrity_check; select count(*) from t'")).trim()).toBe('ok\n200');
  }, 90_000);
});

describeMounted('git on the mount', ['git'], () => {
  it('makes, packs, checks and clones a repository', async () => {
    const out = await volume.bash(
      `export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
       git init -q -b main repo && cd repo
       for i in $(seq 300); do mkdir -p d$((i % 17)); echo "file $i" > d$((i % 17))/f$i; done
       git add -A && git commit -q -m one
       for i in $(seq 20); do echo "$i" >> d1/f1; git commit -q -a -m "change $i"; done
       git mv d2 moved && git commit -q -m moved && git checkout -q -b other HEAD~5 && echo y > new && git add new && git commit -q -m other
       git checkout -q main && git merge -q -m merge other && git gc -q --prune=now
       git fsck --full --strict 2>&1; git status --porcelain; cd .. && git clone -q repo clone && cd clone && git fsck --full 2>&1
       git rev-list --count HEAD; git ls-files | wc -l; test "$(git rev-parse HEAD^{tree})" = "$(git -C ../repo rev-parse HEAD^{tree})"`,
      { timeout: 80_000 },
    );
    expect(
      out
        .trim()
        .split('\n')
        .filter((line) => !/^(Checking|notice)/.test(line)),
    ).toEqual(['24', '301']);
    await volume.unmount();
    await volume.remount();
    await volume.bash('git -C repo fsck --full --strict && test -z "$(git -C repo status --porcelain)"', {
      timeout: 60_000,
    });
  }, 120_000);
});
