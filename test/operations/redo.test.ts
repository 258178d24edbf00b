import { expect, test } from 'vitest';
import { type Fields, inoOf, Kernel } from './kernel.ts';

test('what was answered survives the death of the daemon without a commit', () => {
  const before = new Kernel({ redo: true });
  const d = inoOf(before.mkdir(1, 'd', 0o750, { uid: 3, gid: 4 }));
  const f = inoOf(before.mknod(d, 'f'));
  before.symlink(d, 's', 'target');
  before.link(f, 1, 'g');
  before.rename(d, 'f', d, 'h');
  before.setattr(f, { valid: 1 | 32, mode: 0o600, mtime: -7, mtimensec: 9 });
  before.setxattr(f, 'user.a', 'b');
  const gone = inoOf(before.mknod(1, 'gone'));
  before.unlink(1, 'gone');
  const root = before.getattr(1);

  const after = before.restart();
  expect(after.list(1)).toEqual(['.', '..', 'd', 'g']);
  expect(after.list(d)).toEqual(['.', '..', 's', 'h']);
  expect(after.getattr(1)).toEqual(root);
  expect(after.getattr(d)).toMatchObject({ mode: 0o40750, uid: 3, gid: 4, nlink: 2 });
  expect(after.getattr(f)).toMatchObject({ mode: 0o100600, nlink: 2, mtime: -7, mtimensec: 9 });
  expect(after.getxattr(f, 'user.a').toString()).toBe('b');
  expect(after.getattr(gone)).toBe('ESTALE');
  expect(after.fs.inodes.count).toBe(4);
  expect((after.mknod(1, 'new') as Fields).nodeid).toBeGreaterThan(gone);
  after.close();
});

test('an operation that failed leaves nothing for the log to bring back', () => {
  const before = new Kernel({ redo: true });
  inoOf(before.mknod(1, 'a'));
  const root = before.getattr(1);
  before.clock.advance(1000);
  expect([before.mkdir(1, 'a'), before.rmdir(1, 'a'), before.rename(1, 'no', 1, 'b')]).toEqual([
    'EEXIST',
    'ENOTDIR',
    'ENOENT',
  ]);
  const after = before.restart();
  expect(after.getattr(1)).toEqual(root);
  expect(after.fs.inodes.count).toBe(2);
  after.close();
});
