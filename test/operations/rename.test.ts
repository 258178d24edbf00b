import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { S } from '../../src/namespace/inode.ts';
import { type Fields, inoOf, Kernel } from './kernel.ts';

const NOREPLACE = 1;
const EXCHANGE = 2;
const WHITEOUT = 4;

let k: Kernel;
beforeEach(() => {
  k = new Kernel();
});
afterEach(() => k.close());

const nlink = (ino: number): number => (k.getattr(ino) as Fields).nlink;
const at = (parent: number, name: string): number => (k.lookup(parent, name) as Fields).nodeid;

describe('rename', () => {
  test('a new name, the same file; both directories and the file are stamped', () => {
    const a = inoOf(k.mkdir(1, 'a'));
    const b = inoOf(k.mkdir(1, 'b'));
    const f = inoOf(k.mknod(a, 'f'));
    k.clock.advance(5000);
    expect(k.rename(a, 'f', b, 'g')).toBe('');
    expect([at(a, 'f'), at(b, 'g')]).toEqual([0, f]);
    expect(k.getattr(a)).toMatchObject({ mtime: 5005, ctime: 5005 });
    expect(k.getattr(b)).toMatchObject({ mtime: 5005, ctime: 5005 });
    expect(k.getattr(f)).toMatchObject({ mtime: 5000, ctime: 5005 });
  });

  test('over a file: that one loses its name', () => {
    const f = inoOf(k.mknod(1, 'f'));
    const g = inoOf(k.mknod(1, 'g'));
    k.clock.advance(1000);
    expect(k.rename(1, 'f', 1, 'g')).toBe('');
    expect([at(1, 'g'), at(1, 'f'), nlink(g)]).toEqual([f, 0, 0]);
    expect(k.getattr(g)).toMatchObject({ ctime: 5001 });
    k.forget(g);
    expect(k.getattr(g)).toBe('ESTALE');
  });

  test('a directory takes its parent links and its .. along', () => {
    const a = inoOf(k.mkdir(1, 'a'));
    const b = inoOf(k.mkdir(1, 'b'));
    const d = inoOf(k.mkdir(a, 'd'));
    expect(k.rename(a, 'd', b, 'd')).toBe('');
    expect([nlink(a), nlink(b), nlink(d)]).toEqual([2, 3, 2]);
    expect(inoOf(k.lookup(d, '..'))).toBe(b);
  });

  test('over an empty directory, not over a full one', () => {
    const a = inoOf(k.mkdir(1, 'a'));
    const b = inoOf(k.mkdir(1, 'b'));
    k.mknod(b, 'x');
    expect(k.rename(1, 'a', 1, 'b')).toBe('ENOTEMPTY');
    k.unlink(b, 'x');
    expect(k.rename(1, 'a', 1, 'b')).toBe('');
    expect([at(1, 'b'), nlink(1), nlink(b)]).toEqual([a, 3, 0]);
  });

  test('kinds must agree', () => {
    k.mkdir(1, 'd');
    k.mknod(1, 'f');
    expect([k.rename(1, 'd', 1, 'f'), k.rename(1, 'f', 1, 'd')]).toEqual(['ENOTDIR', 'EISDIR']);
  });

  test('into itself or below: EINVAL; nothing there: ENOENT; dots: EBUSY', () => {
    const a = inoOf(k.mkdir(1, 'a'));
    const b = inoOf(k.mkdir(a, 'b'));
    expect([k.rename(1, 'a', a, 'x'), k.rename(1, 'a', b, 'x')]).toEqual(['EINVAL', 'EINVAL']);
    expect(k.rename(a, 'b', 1, 'a')).toBe('ENOTEMPTY');
    expect(k.rename(1, 'no', 1, 'x')).toBe('ENOENT');
    expect([k.rename(a, '.', 1, 'x'), k.rename(a, 'b', 1, '..')]).toEqual(['EBUSY', 'EBUSY']);
    expect(k.rename(1, 'a', 1, 'x'.repeat(256))).toBe('ENAMETOOLONG');
  });

  test('two names of one file: success, and both stay', () => {
    const f = inoOf(k.mknod(1, 'f'));
    k.link(f, 1, 'g');
    expect([k.rename(1, 'f', 1, 'g'), k.rename(1, 'f', 1, 'f')]).toEqual(['', '']);
    expect([at(1, 'f'), at(1, 'g'), nlink(f)]).toEqual([f, f, 2]);
  });

  test('a replaced name keeps its place in the directory', () => {
    for (const name of ['a', 'b', 'c']) k.mknod(1, name);
    const before = k.readdir(1).find(({ name }) => name === 'b')?.cookie;
    k.mknod(1, 'new');
    k.rename(1, 'new', 1, 'b');
    expect(k.readdir(1).find(({ name }) => name === 'b')?.cookie).toBe(before);
  });
});

describe('renameat2', () => {
  test('NOREPLACE', () => {
    k.mknod(1, 'f');
    k.mknod(1, 'g');
    expect(k.rename(1, 'f', 1, 'g', NOREPLACE)).toBe('EEXIST');
    expect(k.rename(1, 'f', 1, 'h', NOREPLACE)).toBe('');
  });

  test('EXCHANGE of a file and a directory in different places', () => {
    const a = inoOf(k.mkdir(1, 'a'));
    const d = inoOf(k.mkdir(a, 'd'));
    const f = inoOf(k.mknod(1, 'f'));
    k.clock.advance(1000);
    expect(k.rename(a, 'd', 1, 'f', EXCHANGE)).toBe('');
    expect([at(a, 'd'), at(1, 'f')]).toEqual([f, d]);
    expect([nlink(a), nlink(1), inoOf(k.lookup(d, '..'))]).toEqual([2, 4, 1]);
    expect([(k.getattr(d) as Fields).ctime, (k.getattr(f) as Fields).ctime]).toEqual([5001, 5001]);
    expect(k.readdir(a).find(({ name }) => name === 'd')?.type).toBe(8);
  });

  test('EXCHANGE with something above or below: EINVAL; with nothing: ENOENT', () => {
    const a = inoOf(k.mkdir(1, 'a'));
    k.mkdir(a, 'b');
    expect([k.rename(1, 'a', a, 'b', EXCHANGE), k.rename(a, 'b', 1, 'a', EXCHANGE)]).toEqual(['EINVAL', 'EINVAL']);
    expect(k.rename(1, 'a', 1, 'no', EXCHANGE)).toBe('ENOENT');
  });

  test('WHITEOUT leaves a character device 0/0', () => {
    const f = inoOf(k.mknod(1, 'f'));
    expect(k.rename(1, 'f', 1, 'g', WHITEOUT)).toBe('');
    expect(k.lookup(1, 'f')).toMatchObject({ 'attr.mode': S.IFCHR, 'attr.rdev': 0, 'attr.nlink': 1 });
    expect(at(1, 'g')).toBe(f);
    expect(k.readdir(1).find(({ name }) => name === 'f')?.type).toBe(2);
  });

  test('flags that contradict or that nobody knows: EINVAL', () => {
    k.mknod(1, 'f');
    k.mknod(1, 'g');
    for (const flags of [EXCHANGE | NOREPLACE, EXCHANGE | WHITEOUT, 8])
      expect(k.rename(1, 'f', 1, 'g', flags)).toBe('EINVAL');
  });
});

/** What the volume must be at any time: names, link counts, parents and sizes agree. */
function checkTree(kernel: Kernel): void {
  kernel.volume.commits.commitNow();
  const query = (sql: string): unknown[] => kernel.volume.database.query(sql).raw().all();
  expect(query('SELECT name FROM dentry WHERE ino NOT IN (SELECT ino FROM inode)')).toEqual([]);
  expect(
    query(`SELECT i.ino, i.nlink FROM inode i WHERE (i.mode & 61440) <> 16384
      AND i.nlink <> (SELECT count(*) FROM dentry d WHERE d.ino = i.ino)`),
  ).toEqual([]);
  expect(
    query(`SELECT i.ino, i.nlink FROM inode i WHERE (i.mode & 61440) = 16384 AND i.nlink > 0
      AND i.nlink <> 2 + (SELECT count(*) FROM dentry d WHERE d.parent = i.ino AND d.type = 4)`),
  ).toEqual([]);
  expect(
    query(`SELECT d.ino FROM dentry d JOIN inode i ON i.ino = d.ino WHERE d.type <> (i.mode >> 12)
      OR (d.type = 4 AND i.parent <> d.parent)`),
  ).toEqual([]);
  expect(
    query(`SELECT i.ino, i.size FROM inode i WHERE (i.mode & 61440) = 16384 AND i.ino > 1
      AND i.size <> 24 + (SELECT coalesce(sum((11 + length(d.name)) & ~3), 0) FROM dentry d WHERE d.parent = i.ino)`),
  ).toEqual([]);
  expect(query('SELECT ino FROM inode WHERE nlink = 0 AND ino NOT IN (SELECT ino FROM orphan)')).toEqual([]);
  expect(query('SELECT ino FROM orphan WHERE ino NOT IN (SELECT ino FROM inode WHERE nlink = 0)')).toEqual([]);
  expect(query('SELECT inodes - (SELECT count(*) FROM inode) FROM volume')).toEqual([[0]]);
  // Every directory leads up to the root.
  expect(
    query(`WITH RECURSIVE up(start, ino, depth) AS (SELECT ino, parent, 0 FROM inode WHERE (mode & 61440) = 16384 AND nlink > 0
      UNION ALL SELECT start, i.parent, depth + 1 FROM up JOIN inode i ON i.ino = up.ino WHERE up.ino <> 1 AND depth < 100)
      SELECT start FROM up GROUP BY start HAVING max(ino = 1) = 0`),
  ).toEqual([]);
}

test('random operations on names never break the tree, and failures change nothing', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const dir = fc.nat({ max: 5 });
  const step = fc.oneof(
    fc.record({ op: fc.constant('mkdir' as const), dir, name }),
    fc.record({ op: fc.constant('mknod' as const), dir, name }),
    fc.record({ op: fc.constant('unlink' as const), dir, name }),
    fc.record({ op: fc.constant('rmdir' as const), dir, name }),
    fc.record({ op: fc.constant('link' as const), dir, name, from: dir, source: name }),
    fc.record({
      op: fc.constant('rename' as const),
      dir,
      name,
      from: dir,
      source: name,
      flags: fc.constantFrom(0, 0, NOREPLACE, EXCHANGE, WHITEOUT),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 80 }), (steps) => {
      const kernel = new Kernel({ inodes: { capacity: 8 } });
      try {
        const dirs = [1];
        const state = (): string =>
          JSON.stringify(
            dirs.map((ino) => [kernel.list(ino), kernel.getattr(ino)]).concat([[String(kernel.fs.inodes.count)], []]),
          );
        for (const s of steps) {
          const parent = dirs[s.dir % dirs.length];
          const before = state();
          let error = '';
          const result = (r: Fields | string): void => {
            error = typeof r === 'string' ? r : '';
          };
          if (s.op === 'mkdir') {
            const made = kernel.mkdir(parent, s.name);
            result(made);
            if (typeof made !== 'string') dirs.push(made.nodeid);
          } else if (s.op === 'mknod') result(kernel.mknod(parent, s.name));
          else if (s.op === 'unlink') error = kernel.unlink(parent, s.name);
          else if (s.op === 'rmdir') error = kernel.rmdir(parent, s.name);
          else {
            const from = dirs[s.from % dirs.length];
            if (s.op === 'rename') error = kernel.rename(from, s.source, parent, s.name, s.flags);
            else {
              const source = kernel.lookup(from, s.source);
              if (typeof source !== 'string' && source.nodeid > 0) result(kernel.link(source.nodeid, parent, s.name));
            }
          }
          if (error !== '') expect(state()).toBe(before);
        }
        checkTree(kernel);
      } finally {
        kernel.close();
      }
    }),
    { numRuns: 25 },
  );
});
