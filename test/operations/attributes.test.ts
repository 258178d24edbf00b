import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeAcl, TAG } from '../../src/namespace/acl.ts';
import { FLAG, S } from '../../src/namespace/inode.ts';
import { entryOf, type Fields, fieldsOf, inoOf, Kernel } from './kernel.ts';

const FATTR = { MODE: 1, UID: 2, GID: 4, SIZE: 8, ATIME: 16, MTIME: 32, ATIME_NOW: 128, MTIME_NOW: 256, KILL: 2048 };
const ACCESS = 'system.posix_acl_access';
const DEFAULT = 'system.posix_acl_default';
const NONE = 0xffffffff;

let k: Kernel;
beforeEach(() => {
  k = new Kernel();
});
afterEach(() => k.close());

const mode = (ino: number): number => (k.getattr(ino) as Fields).mode & 0o7777;
const file = (bits = 0o644): number => inoOf(k.mknod(1, `f${k.fs.inodes.count}`, S.IFREG | bits));

/** user::u,user:7:n,group::g,mask::m,other::o */
function extended(u: number, n: number, g: number, m: number, o: number): Buffer {
  return encodeAcl([
    { tag: TAG.USER_OBJ, perm: u, id: NONE },
    { tag: TAG.USER, perm: n, id: 7 },
    { tag: TAG.GROUP_OBJ, perm: g, id: NONE },
    { tag: TAG.MASK, perm: m, id: NONE },
    { tag: TAG.OTHER, perm: o, id: NONE },
  ]);
}

function minimal(u: number, g: number, o: number): Buffer {
  return encodeAcl([
    { tag: TAG.USER_OBJ, perm: u, id: NONE },
    { tag: TAG.GROUP_OBJ, perm: g, id: NONE },
    { tag: TAG.OTHER, perm: o, id: NONE },
  ]);
}

describe('chmod and chown', () => {
  test('chmod sets the permission bits alone, and ctime', () => {
    const f = file();
    k.clock.advance(1000);
    const after = k.setattr(f, { valid: FATTR.MODE, mode: S.IFDIR | 0o7751 }) as Fields;
    expect([after.mode, after.ctime, after.mtime]).toEqual([S.IFREG | 0o7751, 5001, 5000]);
  });

  test.each([
    ['a program', 0o6755, 0o755],
    ['set-group-ID without group execution, as root', 0o6644, 0o2644],
  ])('chown takes set-user-ID and set-group-ID: %s', (_what, before, after) => {
    const f = file(before);
    expect(k.setattr(f, { valid: FATTR.UID, uid: 9 })).toMatchObject({ uid: 9, gid: 0 });
    expect(mode(f)).toBe(after);
  });

  test('chown by a stranger to the group takes set-group-ID without group execution too', () => {
    const f = file(0o2644);
    k.setattr(f, { valid: FATTR.GID, gid: 5 }, { uid: 1000, gid: 1000 });
    expect(mode(f)).toBe(0o644);
  });

  test('directories keep their bits', () => {
    const d = inoOf(k.mkdir(1, 'd', 0o6775));
    k.setattr(d, { valid: FATTR.UID | FATTR.GID, uid: 3, gid: 4 });
    expect(mode(d)).toBe(0o6775);
  });

  test('KILL_SUIDGID of truncate and write: by group execution; file capabilities go', () => {
    const f = file(0o6654);
    k.setxattr(f, 'security.capability', 'caps');
    k.setattr(f, { valid: FATTR.SIZE | FATTR.KILL, size: 10 });
    expect([mode(f), k.getxattr(f, 'security.capability')]).toEqual([0o654, 'ENODATA']);
    const g = file(0o6644);
    k.setattr(g, { valid: FATTR.KILL });
    expect(mode(g)).toBe(0o2644);
  });

  test('KILL_SUIDGID without group execution: a member of the group keeps set-group-ID, a stranger does not', () => {
    const f = file(0o6644);
    k.setattr(f, { valid: FATTR.KILL }, { uid: 1000, gid: 0 });
    expect(mode(f)).toBe(0o2644);
    k.setattr(f, { valid: FATTR.KILL }, { uid: 1000, gid: 1000 });
    expect(mode(f)).toBe(0o644);
  });

  test('a request for nothing is KILL_SUIDGID', () => {
    const f = file(0o6755);
    k.clock.advance(1000);
    expect(k.setattr(f, { valid: 0 }, { uid: 1000, gid: 1000 })).toMatchObject({ mode: S.IFREG | 0o6755, ctime: 5000 });
    expect(k.setattr(f, { valid: 0 })).toMatchObject({ mode: S.IFREG | 0o755, ctime: 5001 });
    const g = file(0o6757);
    expect(k.setattr(g, { valid: 0 }, { uid: 1000, gid: 1000 })).toMatchObject({ mode: S.IFREG | 0o757 });
  });

  test('chown strips capabilities, chmod does not', () => {
    const f = file();
    k.setxattr(f, 'security.capability', 'caps');
    k.setattr(f, { valid: FATTR.MODE, mode: 0o600 });
    expect(k.getxattr(f, 'security.capability').toString()).toBe('caps');
    k.setattr(f, { valid: FATTR.GID, gid: 0 });
    expect(k.getxattr(f, 'security.capability')).toBe('ENODATA');
  });

  test('ids that mean none: EINVAL', () => {
    expect(k.setattr(file(), { valid: FATTR.UID, uid: NONE })).toBe('EINVAL');
  });

  test('nothing asked but by a handle, nothing stamped', () => {
    const f = file();
    k.clock.advance(1000);
    expect(k.setattr(f, { valid: 64 })).toMatchObject({ ctime: 5000 });
  });
});

describe('utimensat', () => {
  test.each([
    ['before 1970', -1, 999_999_999],
    ['after 2106', 2 ** 33, 1],
    ['far away', 2 ** 50, 0],
  ])('%s, kept over a remount', (_what, seconds, ns) => {
    const f = file();
    const fields = { valid: FATTR.ATIME | FATTR.MTIME, atime: seconds, atimensec: ns, mtime: seconds, mtimensec: ns };
    expect(k.setattr(f, fields)).toMatchObject({ atime: seconds, atimensec: ns, mtime: seconds, mtimensec: ns });
    k.volume.commits.commitNow();
    const sql = `SELECT atime_s, atime_ns, mtime_s, mtime_ns FROM inode WHERE ino = ${f}`;
    expect(k.volume.database.query(sql).raw().get()).toEqual([seconds, ns, seconds, ns]);
  });

  test('NOW is the time of the change itself; what is not named stays', () => {
    const f = file();
    k.clock.advance(1000);
    const after = k.setattr(f, { valid: FATTR.MTIME | FATTR.MTIME_NOW, mtime: 1 });
    expect(after).toMatchObject({ atime: 5000, mtime: 5001, mtimensec: 7, ctime: 5001, ctimensec: 7 });
  });

  test('birth time and flags by STATX', () => {
    const f = file();
    k.inode(f).flags = FLAG.IMMUTABLE;
    k.clock.advance(1000);
    const { payload } = k.call('STATX', f, 'statx_in', {});
    expect(fieldsOf('statx', payload, 32)).toMatchObject({ 'btime.tv_sec': 5000, ino: f, attributes: 0x10, nlink: 1 });
  });
});

describe('file flags', () => {
  const changes: [string, Fields][] = [
    ['mode', { valid: FATTR.MODE, mode: 0o600 }],
    ['owner', { valid: FATTR.UID, uid: 1 }],
    ['a given time', { valid: FATTR.MTIME, mtime: 1 }],
    ['size', { valid: FATTR.SIZE, size: 1 }],
  ];
  test.each(changes)('%s changes neither on immutable nor on append-only files', (_what, fields) => {
    const f = file();
    for (const flag of [FLAG.IMMUTABLE, FLAG.APPEND]) {
      k.inode(f).flags = flag;
      expect(k.setattr(f, fields)).toBe('EPERM');
    }
    expect(k.getattr(f)).toMatchObject({ mode: S.IFREG | 0o644, uid: 0, size: 0, mtime: 5000 });
  });

  test('touch(1) of now works on append-only files only', () => {
    const f = file();
    const now = { valid: FATTR.ATIME | FATTR.ATIME_NOW | FATTR.MTIME | FATTR.MTIME_NOW };
    k.inode(f).flags = FLAG.APPEND;
    expect(k.setattr(f, now)).toMatchObject({ nlink: 1 });
    k.inode(f).flags = FLAG.IMMUTABLE;
    expect(k.setattr(f, now)).toBe('EPERM');
  });
});

describe('ACLs', () => {
  test('an access list shows in the mode, with the mask as group', () => {
    const f = file(0o644);
    expect(k.setxattr(f, ACCESS, extended(7, 6, 4, 6, 1))).toBe('');
    expect(mode(f)).toBe(0o761);
    expect(k.getxattr(f, ACCESS)).toEqual(extended(7, 6, 4, 6, 1));
    expect(k.listxattr(f)).toEqual([ACCESS]);
  });

  test('a minimal list is only a chmod', () => {
    const f = file(0o644);
    k.setxattr(f, ACCESS, extended(7, 6, 4, 6, 1));
    expect(k.setxattr(f, ACCESS, minimal(6, 4, 0))).toBe('');
    expect([mode(f), k.getxattr(f, ACCESS), k.listxattr(f)]).toEqual([0o640, 'ENODATA', []]);
  });

  test('chmod moves the mask, not the owning group', () => {
    const f = file(0o644);
    k.setxattr(f, ACCESS, extended(7, 6, 4, 6, 1));
    k.setattr(f, { valid: FATTR.MODE, mode: 0o4750 });
    expect([mode(f), k.getxattr(f, ACCESS)]).toEqual([0o4750, extended(7, 6, 4, 5, 0)]);
  });

  test('set by a stranger to the group: set-group-ID goes', () => {
    const f = file(0o2755);
    k.setxattr(f, ACCESS, extended(7, 6, 4, 6, 1), 0, 1);
    expect(mode(f)).toBe(0o761);
  });

  test('default lists belong to directories', () => {
    expect(k.setxattr(file(), DEFAULT, minimal(7, 5, 5))).toBe('EACCES');
    const d = inoOf(k.mkdir(1, 'd'));
    expect(k.setxattr(d, DEFAULT, minimal(7, 5, 5))).toBe('');
    expect(k.getxattr(d, DEFAULT)).toEqual(minimal(7, 5, 5));
    expect([k.removexattr(d, DEFAULT), k.removexattr(d, DEFAULT)]).toEqual(['', '']);
  });

  test('new files inherit: masked by their mode, the umask ignored', () => {
    const d = inoOf(k.mkdir(1, 'd'));
    k.setxattr(d, DEFAULT, extended(7, 6, 5, 7, 5));
    const f = entryOf(k.create(d, 'f', 0o640, 2, { umask: 0o077 })) as Fields;
    expect(f['attr.mode'] & 0o777).toBe(0o640);
    expect(k.getxattr(f.nodeid, ACCESS)).toEqual(extended(6, 6, 5, 4, 0));
    const sub = k.mkdir(d, 'sub', 0o777, { umask: 0o077 }) as Fields;
    expect(sub['attr.mode'] & 0o777).toBe(0o775);
    expect(k.getxattr(sub.nodeid, DEFAULT)).toEqual(extended(7, 6, 5, 7, 5));
    const link = k.symlink(d, 'l', 't') as Fields;
    expect([link['attr.mode'] & 0o777, k.listxattr(link.nodeid)]).toEqual([0o777, []]);
  });

  test('without a default list the umask applies', () => {
    expect((entryOf(k.create(1, 'f', 0o666, 2, { umask: 0o027 })) as Fields)['attr.mode']).toBe(S.IFREG | 0o640);
    expect((k.mkdir(1, 'd', 0o777, { umask: 0o027 }) as Fields)['attr.mode']).toBe(S.IFDIR | 0o750);
  });

  test('malformed lists: EINVAL; links have none: EOPNOTSUPP', () => {
    const f = file();
    expect(k.setxattr(f, ACCESS, 'rubbish')).toBe('EINVAL');
    const l = inoOf(k.symlink(1, 'l', 't'));
    expect([k.setxattr(l, ACCESS, minimal(7, 5, 5)), k.getxattr(l, ACCESS)]).toEqual(['EOPNOTSUPP', 'EOPNOTSUPP']);
  });
});

describe('extended attributes', () => {
  test('values of any bytes from none to 64 KiB', () => {
    const f = file();
    for (const value of [Buffer.alloc(0), Buffer.from([0, 255, 0]), Buffer.alloc(65_536, 7)]) {
      expect(k.setxattr(f, 'user.a', value)).toBe('');
      // A size of 0 asks for the size, so an empty value is asked for with a bigger one.
      expect(k.getxattr(f, 'user.a', 65_536)).toEqual(value);
    }
    expect((k.getxattr(f, 'user.a', 0) as Buffer).readUInt32LE(0)).toBe(65_536);
    expect(k.getxattr(f, 'user.a', 65_535)).toBe('ERANGE');
    expect(k.setxattr(f, 'user.a', Buffer.alloc(65_537))).toBe('E2BIG');
  });

  test('CREATE, REPLACE, and names that are not there', () => {
    const f = file();
    expect([k.setxattr(f, 'user.a', 'x', 2), k.getxattr(f, 'user.a'), k.removexattr(f, 'user.a')]).toEqual(
      Array(3).fill('ENODATA'),
    );
    expect([k.setxattr(f, 'user.a', 'x', 1), k.setxattr(f, 'user.a', 'y', 1), k.setxattr(f, 'user.a', 'z', 2)]).toEqual(
      ['', 'EEXIST', ''],
    );
    expect(k.getxattr(f, 'user.a').toString()).toBe('z');
    expect([k.removexattr(f, 'user.a'), k.listxattr(f)]).toEqual(['', []]);
  });

  test('ctime moves with a change', () => {
    const f = file();
    k.clock.advance(1000);
    k.setxattr(f, 'user.a', 'x');
    expect(k.getattr(f)).toMatchObject({ ctime: 5001, mtime: 5000 });
    k.clock.advance(1000);
    k.removexattr(f, 'user.a');
    expect(k.getattr(f)).toMatchObject({ ctime: 5002 });
  });

  test('names: to 255 bytes, in the namespaces that there are', () => {
    const f = file();
    const longest = `user.${'x'.repeat(250)}`;
    expect([k.setxattr(f, longest, '1'), k.setxattr(f, `${longest}x`, '1')]).toEqual(['', 'ERANGE']);
    expect(k.setxattr(f, 'user.', '1')).toBe('EINVAL');
    for (const name of ['plain', 'system.other', 'os2.x']) expect(k.setxattr(f, name, '1')).toBe('EOPNOTSUPP');
  });

  test('trusted.* is for root: hidden from the others', () => {
    const f = file();
    k.setxattr(f, 'trusted.a', '1');
    k.setxattr(f, 'user.b', '2');
    const other = { uid: 1000 };
    expect([k.listxattr(f), k.listxattr(f, other)]).toEqual([['trusted.a', 'user.b'], ['user.b']]);
    expect(k.getxattr(f, 'trusted.a', 100, other)).toBe('ENODATA');
    expect(k.removexattr(f, 'trusted.a', other)).toBe('ENODATA');
    expect(k.listxattr(f)).toEqual(['trusted.a', 'user.b']);
  });

  test('ENOSPC before the names or the values of a file grow without bound', () => {
    const f = file();
    let n = 0;
    while (k.setxattr(f, `user.${n}`.padEnd(255, 'x'), '') === '') n++;
    expect(n).toBe(256);
    expect(k.setxattr(f, 'user.x', '')).toBe('ENOSPC');
    const { payload } = k.call('LISTXATTR', f, 'getxattr_in', { size: 65_536 });
    expect(payload.length).toBe(65_536);
    const g = file();
    n = 0;
    while (k.setxattr(g, `user.${n}`, Buffer.alloc(65_536)) === '') n++;
    expect(n).toBe(15);
    expect(k.setxattr(g, 'user.0', Buffer.alloc(10), 2)).toBe('');
  });

  test('user.layout.* are views: answered by the control layer, not listed, not written', () => {
    const f = file();
    expect(k.getxattr(f, 'user.layout.sealed')).toBe('ENODATA');
    k.fs.control = {
      lookup: () => {},
      xattr: (_inode, name) => (name.toString() === 'user.layout.sealed' ? Buffer.from('no') : undefined),
      ioctl: () => false,
      forget: () => {},
      changed: () => {},
    };
    expect(k.getxattr(f, 'user.layout.sealed').toString()).toBe('no');
    expect(k.getxattr(f, 'user.layout.other')).toBe('ENODATA');
    expect([k.setxattr(f, 'user.layout.sealed', 'x'), k.removexattr(f, 'user.layout.sealed')]).toEqual([
      'EPERM',
      'EPERM',
    ]);
    expect(k.listxattr(f)).toEqual([]);
  });

  test('a value longer than its request: EINVAL', () => {
    const { error } = k.call('SETXATTR', file(), 'setxattr_in', { size: 100 }, [Buffer.from('user.a\0xy')]);
    expect(error).toBe('EINVAL');
  });

  test('the short form of kernels without SETXATTR_EXT', () => {
    const old = new Kernel({ operations: { setxattrExt: false } });
    const f = inoOf(old.mknod(1, 'f'));
    const tail = [Buffer.from('user.a\0xy')];
    expect(old.call('SETXATTR', f, 'setxattr_in_compat', { size: 2 }, tail).error).toBe('');
    expect(old.getxattr(f, 'user.a').toString()).toBe('xy');
    old.close();
  });
});

describe('CREATE and TMPFILE', () => {
  test('entry and handle in one reply', () => {
    const { payload } = k.create(1, 'a', 0o640, 2, { uid: 5, gid: 6 });
    expect(fieldsOf('entry_out', payload, 0)).toMatchObject({
      'attr.mode': S.IFREG | 0o640,
      'attr.uid': 5,
      'attr.gid': 6,
    });
    expect(fieldsOf('open_out', payload, 128).fh).toBeGreaterThan(0);
    expect(payload.length).toBe(144);
  });

  test('a name that is there after all: EEXIST with O_EXCL, else the kernel looks again', () => {
    k.mknod(1, 'a');
    expect([k.create(1, 'a', 0o600, 0o200 | 2).error, k.create(1, 'a').error]).toEqual(['EEXIST', 'ESTALE']);
  });

  test('O_TMPFILE has no name, may get one, and is gone when it did not', () => {
    const tmpfile = (flags: number): number => {
      const { payload } = k.call('TMPFILE', 1, 'create_in', { flags, mode: 0o600 }, [Buffer.from('/\0')]);
      return fieldsOf('entry_out', payload, 0).nodeid;
    };
    const orphans = (): unknown[] => {
      k.volume.commits.commitNow();
      return k.volume.database.query('SELECT ino FROM orphan').raw().all().flat() as unknown[];
    };
    const [kept, lost, exclusive] = [tmpfile(2), tmpfile(2), tmpfile(2 | 0o200)];
    expect([k.getattr(kept), orphans()]).toMatchObject([{ nlink: 0 }, [kept, lost, exclusive]]);
    expect([k.link(kept, 1, 'a'), k.link(exclusive, 1, 'b')]).toMatchObject([{ 'attr.nlink': 1 }, 'ENOENT']);
    k.call('RELEASE', lost, 'release_in', {});
    k.forget(lost);
    expect([k.getattr(lost), orphans()]).toEqual(['ESTALE', [exclusive]]);
  });
});

test('STATFS: blocks of the space, inodes of the volume', () => {
  k.mknod(1, 'a');
  const st = fieldsOf('kstatfs', k.call('STATFS', 1, '', {}).payload, 0);
  expect(st).toMatchObject({ blocks: 16_000, bfree: 15_000, bavail: 15_000, bsize: 4096, frsize: 4096, namelen: 255 });
  expect(st.files - st.ffree).toBe(2);
  const small = new Kernel({ inodes: { maxInodes: 10 } });
  expect(fieldsOf('kstatfs', small.call('STATFS', 1, '', {}).payload, 0)).toMatchObject({ files: 10, ffree: 9 });
  small.close();
});

describe('ACCESS', () => {
  const may = (ino: number, mask: number, uid: number, gid = uid): boolean =>
    k.call('ACCESS', ino, 'access_in', { mask }, [], { uid, gid }).error === '';

  test('by owner, group and others, each alone', () => {
    const f = inoOf(k.mknod(1, 'f', S.IFREG | 0o641, 0, { uid: 5, gid: 6 }));
    expect([may(f, 6, 5), may(f, 1, 5), may(f, 4, 9, 6), may(f, 1, 9, 6), may(f, 1, 9), may(f, 4, 9)]).toEqual([
      true,
      false,
      true,
      false,
      true,
      false,
    ]);
  });

  test('root reads and writes all, and executes what somebody may', () => {
    expect([may(file(0o000), 6, 0), may(file(0o644), 1, 0), may(file(0o001), 1, 0)]).toEqual([true, false, true]);
  });

  test('an ACL decides where there is one', () => {
    const f = file(0o600);
    k.setxattr(f, ACCESS, extended(6, 6, 0, 4, 0));
    expect([may(f, 4, 7), may(f, 2, 7), may(f, 4, 8)]).toEqual([true, false, false]);
  });

  test('immutable: not to be written, EPERM', () => {
    const f = file();
    k.inode(f).flags = FLAG.IMMUTABLE;
    expect(k.call('ACCESS', f, 'access_in', { mask: 2 }).error).toBe('EPERM');
  });
});
