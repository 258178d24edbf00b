import { expect, test } from 'vitest';
import { inoOf, Kernel } from '../operations/kernel.ts';

test.each([true, false])('what changes after a commit is committed again (redo log: %s)', async (redo) => {
  const kernel = new Kernel({ redo });
  const f = inoOf(kernel.mknod(1, 'f'));
  const { inodes, volume } = kernel.fs;
  const mode = () => volume.database.query('SELECT mode FROM inode WHERE ino = ?').get<{ mode: number }>(f)?.mode;
  expect(volume.commits.commitNow()).toBe(0);
  kernel.setattr(f, { valid: 1, mode: 0o600 });
  expect(volume.commits.commitNow()).toBe(0);
  // A change that no reply ends, as by a timer or FORGET, committed before the next reply.
  const inode = kernel.inode(f);
  inode.mode = 0o100640;
  inodes.touchAttributes(inode);
  expect(volume.commits.commitNow()).toBe(0);
  expect(mode()).toBe(0o100640);
  kernel.setattr(f, { valid: 1, mode: 0o604 });
  expect(volume.commits.commitNow()).toBe(0);
  expect(mode()).toBe(0o100604);
  kernel.close();
});
