import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FLAG, S } from '../../src/namespace/inode.ts';
import { type Fields, inoOf, Kernel } from './kernel.ts';

let k: Kernel;
beforeEach(() => {
  k = new Kernel();
});
afterEach(() => k.close());

const stamps = (ino: number): { mtime: number; ctime: number } => {
  const { mtime, ctime } = k.getattr(ino) as Fields;
  return { mtime, ctime };
};
const nlink = (ino: number): number => (k.getattr(ino) as Fields).nlink;
/** One second later. */
const later = (): number => {
  k.clock.advance(1000);
  return (k.clock as unknown as { wall: { seconds: number } }).wall.seconds;
};

describe('lookup', () => {
  test('a name gives the entry, with the timeouts of the options', () => {
    const ino = inoOf(k.mknod(1, 'a'));
    const entry = k.lookup(1, 'a') as Fields;
    expect(entry).toMatchObject({ nodeid: ino, generation: 0, entry_valid: 3600, attr_valid: 1800, 'attr.ino': ino });
    expect(k.fs.inodes.lookups.count(ino)).toBe(2);
  });

  test('a missing name is an entry for nothing, remembered for negative_timeout', () => {
    expect(k.lookup(1, 'no')).toMatchObject({ nodeid: 0, entry_valid: 60, attr_valid: 0 });
    expect(k.lookup(1, 'no')).not.toHaveProperty('error');
  });

  test('without a negative timeout a missing name is ENOENT', () => {
    const strict = new Kernel({ operations: { negativeTimeout: 0 } });
    expect(strict.lookup(1, 'no')).toBe('ENOENT');
    strict.close();
  });

  test('names are bytes: 255 of them, any but slash and NUL', () => {
    const odd = '\xff\xfe\x01 \n';
    expect(inoOf(k.mknod(1, odd))).toBe(inoOf(k.lookup(1, odd)));
    const longest = 'x'.repeat(255);
    expect(inoOf(k.mknod(1, longest))).toBe(inoOf(k.lookup(1, longest)));
    expect(k.lookup(1, 'x'.repeat(256))).toBe('ENAMETOOLONG');
    expect(k.mknod(1, 'x'.repeat(256))).toBe('ENAMETOOLONG');
    expect(k.mknod(1, 'a/b')).toBe('EINVAL');
  });

  test('below a file: ENOTDIR; in a directory that is not there: ESTALE', () => {
    const file = inoOf(k.mknod(1, 'f'));
    expect(k.lookup(file, 'x')).toBe('ENOTDIR');
    expect(k.lookup(4711, 'x')).toBe('ESTALE');
  });

  test("'.' and '..' for handles of NFS", () => {
    const dir = inoOf(k.mkdir(1, 'd'));
    expect(inoOf(k.lookup(dir, '.'))).toBe(dir);
    expect(inoOf(k.lookup(dir, '..'))).toBe(1);
    expect(inoOf(k.lookup(1, '..'))).toBe(1);
  });
});

describe('mknod, mkdir, symlink', () => {
  test.each([
    ['regular file', 0o100600, 0],
    ['no type at all: a regular file', 0o600, 0],
    ['FIFO', 0o010600, 0],
    ['socket', 0o140600, 0],
    ['character device', 0o020600, 0x12345],
    ['block device', 0o060600, 0xffffffff],
  ])('%s', (_what, mode, rdev) => {
    const made = k.mknod(1, 'n', mode, rdev) as Fields;
    expect(made['attr.mode']).toBe(mode | ((mode & S.IFMT) === 0 ? S.IFREG : 0));
    expect(made['attr.rdev']).toBe(rdev);
    expect(made['attr.nlink']).toBe(1);
  });

  test('mknod of a directory or a link: EINVAL', () => {
    expect([k.mknod(1, 'n', S.IFDIR), k.mknod(1, 'n', S.IFLNK)]).toEqual(['EINVAL', 'EINVAL']);
    expect(k.list(1)).toEqual(['.', '..']);
  });

  test('a directory has two links and its parent one more; both are stamped', () => {
    const at = later();
    const dir = k.mkdir(1, 'd') as Fields;
    expect([dir['attr.nlink'], nlink(1)]).toEqual([2, 3]);
    expect(stamps(1)).toEqual({ mtime: at, ctime: at });
    expect(dir['attr.size']).toBe(4096);
  });

  test('a name that is taken: EEXIST, and nothing is left', () => {
    k.mknod(1, 'n');
    const before = [k.fs.inodes.count, nlink(1), stamps(1)];
    later();
    expect([k.mknod(1, 'n'), k.mkdir(1, 'n'), k.symlink(1, 'n', 't'), k.mkdir(1, '.')]).toEqual(
      Array(4).fill('EEXIST'),
    );
    expect([k.fs.inodes.count, nlink(1), stamps(1)]).toEqual(before);
  });

  test('in a directory that was removed while somebody is in it: ENOENT', () => {
    const dir = inoOf(k.mkdir(1, 'd'));
    k.rmdir(1, 'd');
    expect([k.mknod(dir, 'x'), k.mkdir(dir, 'x'), k.symlink(dir, 'x', 'y')]).toEqual(Array(3).fill('ENOENT'));
  });

  test('targets of links: bytes to 4095, size is the length', () => {
    const target = `${'\x80/'.repeat(2047)}x`;
    const link = k.symlink(1, 'l', target) as Fields;
    expect([link['attr.size'], link['attr.mode']]).toEqual([4095, S.IFLNK | 0o777]);
    expect(k.call('READLINK', link.nodeid, '', {}).payload.toString('latin1')).toBe(target);
    expect(k.symlink(1, 'm', 'x'.repeat(4096))).toBe('ENAMETOOLONG');
    expect(k.symlink(1, 'm', '')).toBe('ENOENT');
    expect(k.call('READLINK', 1, '', {}).error).toBe('EINVAL');
  });

  test('max_inodes: ENOSPC for every new inode, and room again after one went', () => {
    const small = new Kernel({ inodes: { maxInodes: 2 } });
    const ino = inoOf(small.mknod(1, 'a'));
    expect([small.mknod(1, 'b'), small.mkdir(1, 'b'), small.symlink(1, 'b', 't'), small.create(1, 'b').error]).toEqual(
      Array(4).fill('ENOSPC'),
    );
    expect(inoOf(small.link(ino, 1, 'b'))).toBe(ino);
    small.unlink(1, 'a');
    small.unlink(1, 'b');
    small.forget(ino, 2);
    expect(inoOf(small.mknod(1, 'c'))).toBeGreaterThan(ino);
    small.close();
  });
});

describe('link', () => {
  test('one file, two names; ctime of the file, both times of the directory', () => {
    const ino = inoOf(k.mknod(1, 'a'));
    const at = later();
    expect(k.link(ino, 1, 'b')).toMatchObject({ nodeid: ino, 'attr.nlink': 2, 'attr.ctime': at, 'attr.mtime': at - 1 });
    expect(stamps(1)).toEqual({ mtime: at, ctime: at });
    k.unlink(1, 'a');
    expect([nlink(ino), inoOf(k.lookup(1, 'b'))]).toEqual([1, ino]);
  });

  test('of directories: EPERM; over a name: EEXIST; of a file without names: ENOENT; the 65001st: EMLINK', () => {
    const dir = inoOf(k.mkdir(1, 'd'));
    const ino = inoOf(k.mknod(1, 'a'));
    expect([k.link(dir, 1, 'x'), k.link(ino, 1, 'd')]).toEqual(['EPERM', 'EEXIST']);
    k.inode(ino).nlink = 65_000;
    expect(k.link(ino, 1, 'x')).toBe('EMLINK');
    k.inode(ino).nlink = 1;
    k.unlink(1, 'a');
    expect(k.link(ino, 1, 'x')).toBe('ENOENT');
  });
});

describe('unlink and rmdir', () => {
  test('the last name goes, the file stays while the kernel knows it', () => {
    const ino = inoOf(k.mknod(1, 'a'));
    const at = later();
    expect(k.unlink(1, 'a')).toBe('');
    expect(k.getattr(ino)).toMatchObject({ nlink: 0, ctime: at, mtime: at - 1 });
    expect(stamps(1)).toEqual({ mtime: at, ctime: at });
    k.forget(ino);
    expect(k.wasSilent).toBe(true);
    expect(k.getattr(ino)).toBe('ESTALE');
    expect(k.fs.inodes.count).toBe(1);
  });

  test('an open file outlives its name and its lookups', () => {
    const created = k.create(1, 'a');
    const ino = created.payload.readUInt32LE(0);
    k.unlink(1, 'a');
    k.forget(ino);
    expect(nlink(ino)).toBe(0);
    expect(k.call('RELEASE', ino, 'release_in', { fh: 2 }).error).toBe('');
    expect(k.getattr(ino)).toBe('ESTALE');
  });

  test('a batch of forgets ends each file', () => {
    const a = inoOf(k.mknod(1, 'a'));
    const b = inoOf(k.mknod(1, 'b'));
    k.unlink(1, 'a');
    k.unlink(1, 'b');
    const one = (nodeid: number, n: number): Buffer => {
      const bytes = Buffer.alloc(16);
      bytes.writeBigUInt64LE(BigInt(nodeid), 0);
      bytes.writeBigUInt64LE(BigInt(n), 8);
      return bytes;
    };
    // The count lies: only what is there is read.
    k.call('BATCH_FORGET', 0, 'batch_forget_in', { count: 99 }, [one(a, 1), one(b, 1)]);
    expect(k.wasSilent).toBe(true);
    expect([k.getattr(a), k.getattr(b)]).toEqual(['ESTALE', 'ESTALE']);
  });

  test('a removed directory: parent loses a link, the directory all of them', () => {
    const dir = inoOf(k.mkdir(1, 'd'));
    const at = later();
    expect(k.rmdir(1, 'd')).toBe('');
    expect([nlink(1), nlink(dir)]).toEqual([2, 0]);
    expect(stamps(1)).toEqual({ mtime: at, ctime: at });
  });

  test('wrong kinds and contents', () => {
    const dir = inoOf(k.mkdir(1, 'd'));
    k.mknod(1, 'f');
    k.mknod(dir, 'x');
    expect([k.unlink(1, 'd'), k.rmdir(1, 'f'), k.rmdir(1, 'd')]).toEqual(['EISDIR', 'ENOTDIR', 'ENOTEMPTY']);
    expect([k.unlink(1, 'no'), k.rmdir(1, 'no')]).toEqual(['ENOENT', 'ENOENT']);
    expect([k.rmdir(dir, '.'), k.rmdir(dir, '..')]).toEqual(['EINVAL', 'ENOTEMPTY']);
    k.unlink(dir, 'x');
    expect(k.rmdir(1, 'd')).toBe('');
  });
});

describe('the control directory', () => {
  test('its name cannot be made, removed or renamed in the root, and is any name elsewhere', () => {
    const dir = inoOf(k.mkdir(1, 'd'));
    const file = inoOf(k.mknod(1, 'f'));
    expect([k.mknod(1, '.layout'), k.mkdir(1, '.layout'), k.link(file, 1, '.layout')]).toEqual(Array(3).fill('EEXIST'));
    expect([k.unlink(1, '.layout'), k.rmdir(1, '.layout')]).toEqual(['EPERM', 'EBUSY']);
    expect([k.rename(1, '.layout', 1, 'x'), k.rename(1, 'f', 1, '.layout')]).toEqual(['EBUSY', 'EBUSY']);
    expect(inoOf(k.mkdir(dir, '.layout'))).toBeGreaterThan(dir);
    expect(k.list(1)).not.toContain('.layout');
  });

  test('its lookup goes to the control layer', () => {
    k.fs.control = {
      lookup: (request) => request.error(42),
      xattr: () => undefined,
      ioctl: () => false,
      forget: () => {},
      changed: () => {},
    };
    expect(k.lookup(1, '.layout')).toBe('ENOMSG');
    expect(k.lookup(inoOf(k.mkdir(1, 'd')), '.layout')).toMatchObject({ nodeid: 0 });
  });

  test('with ctl=none the name is free', () => {
    const without = new Kernel({ operations: { controlName: Buffer.alloc(0) } });
    expect(inoOf(without.mknod(1, '.layout'))).toBe(2);
    without.close();
  });
});

describe('chattr +i and +a, as ext4 enforces them', () => {
  function flagged(flags: number): { dir: number; file: number } {
    const dir = inoOf(k.mkdir(1, 'd'));
    const file = inoOf(k.mknod(dir, 'f'));
    k.mkdir(dir, 'sub');
    k.inode(dir).flags = flags;
    return { dir, file };
  }

  test('an immutable directory keeps its entries as they are', () => {
    const { dir, file } = flagged(FLAG.IMMUTABLE);
    expect([k.mknod(dir, 'n'), k.mkdir(dir, 'n'), k.symlink(dir, 'n', 't'), k.link(file, dir, 'n')]).toEqual(
      Array(4).fill('EPERM'),
    );
    expect([k.unlink(dir, 'f'), k.rmdir(dir, 'sub'), k.rename(dir, 'f', 1, 'g')]).toEqual(Array(3).fill('EPERM'));
    k.mknod(1, 'o');
    expect(k.rename(1, 'o', dir, 'o')).toBe('EPERM');
    expect(k.call('TMPFILE', dir, 'create_in', { mode: 0o600, flags: 2 }, [Buffer.from('/\0')]).error).toBe('EPERM');
  });

  test('an append-only directory takes new names and gives none away', () => {
    const { dir } = flagged(FLAG.APPEND);
    expect(inoOf(k.mknod(dir, 'n'))).toBeGreaterThan(1);
    expect([k.unlink(dir, 'f'), k.rmdir(dir, 'sub'), k.rename(dir, 'f', 1, 'g')]).toEqual(Array(3).fill('EPERM'));
    k.mknod(1, 'o');
    expect(k.rename(1, 'o', dir, 'f')).toBe('EPERM');
    expect(k.rename(1, 'o', dir, 'o')).toBe('');
  });

  test.each([
    ['immutable', FLAG.IMMUTABLE],
    ['append-only', FLAG.APPEND],
  ])('an %s file is not linked, unlinked, renamed or replaced', (_what, flag) => {
    const file = inoOf(k.mknod(1, 'f'));
    k.mknod(1, 'o');
    k.inode(file).flags = flag;
    expect([k.link(file, 1, 'g'), k.unlink(1, 'f'), k.rename(1, 'f', 1, 'g'), k.rename(1, 'o', 1, 'f')]).toEqual(
      Array(4).fill('EPERM'),
    );
    expect(k.setxattr(file, 'user.a', 'b')).toBe('EPERM');
    expect(k.removexattr(file, 'user.a')).toBe('EPERM');
  });
});

test('a read-only mount changes nothing: EROFS', () => {
  const ro = new Kernel({ operations: { readOnly: true } });
  const results = [
    ro.mknod(1, 'a'),
    ro.mkdir(1, 'a'),
    ro.symlink(1, 'a', 'b'),
    ro.link(1, 1, 'a'),
    ro.create(1, 'a').error,
    ro.unlink(1, 'a'),
    ro.rmdir(1, 'a'),
    ro.rename(1, 'a', 1, 'b'),
    ro.setattr(1, { valid: 1, mode: 0 }),
    ro.setxattr(1, 'user.a', 'b'),
    ro.removexattr(1, 'user.a'),
  ];
  expect(results).toEqual(Array(results.length).fill('EROFS'));
  ro.close();
});
