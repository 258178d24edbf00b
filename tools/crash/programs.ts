import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import SQLite from 'better-sqlite3';

/** A program that says 'ack' on stdout whenever a piece of its work is safe by its own rules. */
export interface Program {
  /** Gets the mount point and a number of rounds as further arguments. */
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly rounds: number;
  /** Bytes of the volume. */
  readonly size: number;
  /** Why what it finds after a crash is not all of the first `promised` acks and a consistent state; undefined: it is. */
  judge(folder: string, promised: number): string | undefined;
}

const here = import.meta.dirname;

/** Transactions of three changes each: a database that has one of them in part is broken. */
function sqlite(mode: 'wal' | 'delete' | 'truncate'): Program {
  return {
    command: [process.execPath, join(here, 'sqlite-program.mjs'), mode],
    rounds: 60,
    size: 24 << 20,
    judge(folder, promised) {
      const path = join(folder, 'db');
      if (!fs.existsSync(path)) return promised === 0 ? undefined : 'the database is gone';
      const db = new SQLite(path);
      try {
        const whole = db.pragma('integrity_check', { simple: true });
        if (whole !== 'ok') return `integrity_check: ${whole}`;
        const there = db.prepare("SELECT count(*) FROM sqlite_schema WHERE name IN ('t', 'n')").pluck().get();
        if (there !== 2) return promised === 0 ? undefined : 'the tables are gone';
        const n = (db.prepare('SELECT n FROM n').pluck().get() as number | undefined) ?? 0;
        if (n < promised) return `${promised} transactions were acknowledged, there are ${n}`;
        const rows = db.prepare('SELECT count(*), min(id), max(id) FROM t').raw().get() as number[];
        const expected = n === 0 ? [0, null, null] : [2 * n, 1, n];
        return JSON.stringify(rows) === JSON.stringify(expected) ? undefined : `transaction ${n} with rows ${rows}`;
      } catch (error) {
        return `SQLite: ${(error as Error).message}`;
      } finally {
        db.close();
      }
    },
  };
}

const GIT = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@b',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@b',
};

/**
 * Git syncs what it writes with core.fsync=all, and renames a branch into its place; that name is safe by an fsync of its
 * folder, which the script adds.
 */
const git: Program = {
  command: ['bash', join(here, 'git-program.sh')],
  env: GIT,
  rounds: 25,
  size: 24 << 20,
  judge(folder, promised) {
    const repository = join(folder, 'repo');
    if (promised === 0) return undefined;
    const run = (...args: string[]): string =>
      execFileSync('git', ['-C', repository, '-c', 'safe.directory=*', ...args], {
        env: { ...process.env, ...GIT },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      }).trim();
    try {
      run('fsck', '--full', '--strict');
      const commits = Number(run('rev-list', '--count', 'main'));
      if (commits < promised) return `${promised} commits were acknowledged, there are ${commits}`;
      const file = run('show', `main:file${commits}`);
      return file === `contents ${commits}` ? undefined : `commit ${commits} holds '${file}'`;
    } catch (error) {
      return `git: ${(error as { stderr?: string }).stderr ?? ''} ${(error as Error).message}`;
    }
  },
};

/** Transactions of a round of postgres-program.sh. */
const A_ROUND = 4;

/** All balances are the sum of what was done, of which nothing that was committed is missing; every page has a checksum. */
const BALANCES =
  'select (select count(*) from pgbench_history), (select sum(abalance) from pgbench_accounts), ' +
  '(select sum(bbalance) from pgbench_branches), (select sum(tbalance) from pgbench_tellers), ' +
  '(select coalesce(sum(delta), 0) from pgbench_history)';

/** PostgreSQL recovers by its WAL, and answers by itself (no server: `postgres --single`). */
const postgres: Program = {
  command: ['bash', join(here, 'postgres-program.sh')],
  rounds: 15,
  size: 160 << 20,
  judge(folder, promised) {
    const data = join(folder, 'pg');
    // Before the first round it is initdb's work, of which nothing was acknowledged.
    if (promised === 0) return undefined;
    // In a namespace of its own: the lock file names the server of before the crash, whose pid may still be in use here.
    const script = `
      PATH="$(dirname "$(readlink -f "$(command -v postgres)")"):$PATH"
      chown -R 65534:65534 "$0" && chmod 755 "$1" && cd / &&
        HOME=/tmp exec unshare --pid --fork setpriv --reuid=65534 --regid=65534 --clear-groups "\${@:2}"`;
    const as = (command: string, args: readonly string[], input = ''): string =>
      execFileSync('bash', ['-c', script, data, folder, command, ...args], {
        input,
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'pipe'],
      });
    try {
      const said = as('postgres', ['--single', '-j', '-D', data, 'postgres'], `${BALANCES};\n\n`);
      const [done, ...sums] = [...said.matchAll(/= "(-?\d+)"/g)].map(([, value]) => Number(value));
      if (done === undefined || sums.length !== 4) return `PostgreSQL says ${said}`;
      if (done < promised * A_ROUND) return `${promised * A_ROUND} transactions were acknowledged, there are ${done}`;
      if (new Set(sums).size !== 1) return `balances ${sums} after ${done} transactions`;
      as('pg_checksums', ['--check', '-D', data]);
      return undefined;
    } catch (error) {
      return `PostgreSQL: ${(error as { stderr?: string }).stderr ?? ''} ${(error as Error).message}`;
    }
  },
};

export const PROGRAMS: Readonly<Record<string, Program>> = {
  'sqlite-wal': sqlite('wal'),
  'sqlite-delete': sqlite('delete'),
  'sqlite-truncate': sqlite('truncate'),
  git,
  postgres,
};
