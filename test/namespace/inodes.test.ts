import { beforeEach, describe, expect, test } from 'vitest';
import { Acls } from '../../src/namespace/acls.ts';
import { attributesOf } from '../../src/namespace/attributes.ts';
import { createInode } from '../../src/namespace/creation.ts';
import type { Inode } from '../../src/namespace/inode.ts';
import { FLAG, S } from '../../src/namespace/inode.ts';
import { Inodes } from '../../src/namespace/inodes.ts';
import { Xattrs } from '../../src/namespace/xattrs.ts';
import { VirtualClock } from '../../src/system/clock.ts';
import { MemoryVolume } from './memory-volume.ts';

const FILE = S.IFREG | 0o644;
let volume: MemoryVolume;
let clock: VirtualClock;
let inodes: Inodes;

function file(): Inode {
  const inode = inodes.create(FILE, 1, 2);
  inode.nlink = 1;
  return inode;
}

beforeEach(() => {
  volume = new MemoryVolume();
  clock = new VirtualClock(1000, 5);
  inodes = new Inodes(volume, { clock, capacity: 16 });
});

describe('rows', () => {
  test('every field comes back after a flush', () => {
    const inode = file();
    Object.assign(inode, {
      rdev: 3,
      size: 2 ** 52,
      blocks: 5,
      flags: 0x80,
      xflags: 7,
      projid: 8,
      sealed: 2,
      gen: 10,
      parent: 1,
      nextCookie: 12,
      atimeS: -5,
      atimeNs: 999_999_999,
      mtimeS: 2 ** 40,
      mtimeNs: 1,
      ctimeS: Number.MAX_SAFE_INTEGER,
      ctimeNs: 2,
      btimeS: -Number.MAX_SAFE_INTEGER,
      btimeNs: 3,
    });
    volume.flush();
    const again = new Inodes(volume, { clock }).get(inode.ino) as Inode;
    const stored = (i: Inode): object => ({ ...i, dirty: 0, unrecorded: 0, xattrs: 0, referenced: 0 });
    expect(stored(again)).toEqual(stored(inode));
  });

  test('numbers are never used twice, not even those of files that went before a commit', () => {
    const gone = inodes.create(FILE, 0, 0);
    inodes.reaper.reap(gone);
    volume.flush();
    const next = new Inodes(volume, { clock }).create(FILE, 0, 0);
    expect(next.ino).toBe(gone.ino + 1);
  });

  test('the count of inodes is kept over remounts', () => {
    file();
    const gone = file();
    gone.nlink = 0;
    inodes.reaper.reap(gone);
    volume.flush();
    expect(new Inodes(volume, { clock }).count).toBe(2);
  });
});

describe('write-behind', () => {
  test('changes reach SQL in one pass at the flush, however often a file was touched', () => {
    const inode = file();
    for (let i = 0; i < 100; i++) inodes.touchChange(inode);
    expect(volume.rows('SELECT 1 FROM inode WHERE ino = ?', inode.ino)).toHaveLength(0);
    volume.flush();
    expect(volume.rows('SELECT nlink FROM inode WHERE ino = ?', inode.ino)).toEqual([[1]]);
    volume.sqlite.exec(`UPDATE inode SET uid = 77 WHERE ino = ${inode.ino}`);
    volume.flush();
    expect(volume.rows('SELECT uid FROM inode WHERE ino = ?', inode.ino)).toEqual([[77]]);
  });

  test('the redo log gets each changed inode once per operation, and brings it back without a commit', () => {
    const inode = file();
    inodes.touch(inode);
    volume.operationEnd();
    inode.uid = 42;
    inodes.touch(inode);
    inodes.touch(inode);
    volume.operationEnd();
    volume.operationEnd();
    expect(volume.noted.filter(({ sql }) => sql.includes('INTO inode'))).toHaveLength(2);
    volume.replay();
    const replayed = new Inodes(volume, { clock });
    expect(replayed.get(inode.ino)?.uid).toBe(42);
    expect(replayed.create(FILE, 0, 0).ino).toBe(inode.ino + 1);
  });

  test('a file that is gone at the end of the operation is not brought back by the redo log', () => {
    const inode = inodes.create(FILE, 0, 0);
    inodes.reaper.reap(inode);
    volume.operationEnd();
    volume.replay();
    expect(new Inodes(volume, { clock }).get(inode.ino)).toBeUndefined();
  });

  test('after a failure of the metadata memory shows what is committed', () => {
    const old = file();
    volume.flush();
    old.uid = 99;
    inodes.touch(old);
    const lost = file();
    volume.fail();
    expect(inodes.get(old.ino)?.uid).toBe(1);
    expect(inodes.get(lost.ino)).toBeUndefined();
    expect(inodes.count).toBe(2);
  });
});

describe('the cache', () => {
  test('holds its bound when files are clean and closed, and loses nothing', () => {
    const all = Array.from({ length: 200 }, file);
    volume.flush();
    inodes.trim();
    expect(inodes.cached).toBeLessThanOrEqual(16);
    for (const { ino } of all) expect(inodes.get(ino)?.nlink).toBe(1);
    inodes.trim();
    expect(inodes.cached).toBeLessThanOrEqual(16);
  });

  test('writes dirty files out before it lets them go', () => {
    const all = Array.from({ length: 200 }, file);
    inodes.trim();
    expect(inodes.cached).toBeLessThanOrEqual(16);
    expect(volume.rows('SELECT count(*) FROM inode WHERE ino > 1')).toEqual([[all.length]]);
  });

  test('keeps the object of an open file', () => {
    const open = file();
    inodes.opened(open);
    Array.from({ length: 200 }, file);
    inodes.trim();
    expect(inodes.get(open.ino)).toBe(open);
  });

  test('prefers files that were used lately', () => {
    const hot = file();
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 8; i++) file();
      expect(inodes.get(hot.ino)).toBe(hot);
      inodes.trim();
    }
    expect(inodes.get(hot.ino)).toBe(hot);
  });
});

describe('the life of a file without names', () => {
  const orphans = (): unknown[] => volume.rows('SELECT ino FROM orphan').flat();
  const exists = (inode: Inode): boolean => new Inodes(volume, { clock }).get(inode.ino) !== undefined;

  test('blocks that are freed in several steps: an orphan until the last, others served in between', () => {
    const steps: (() => void)[] = [];
    let left = 3;
    inodes.reaper.later = (fn) => steps.push(fn);
    inodes.reaper.freeBlocks = () => --left === 0;
    const inode = file();
    inodes.dropLink(inode);
    volume.flush();
    expect(orphans()).toEqual([inode.ino]);
    expect(steps).toHaveLength(1);
    (steps.shift() as () => void)();
    expect(left).toBe(1);
    expect(exists(inode)).toBe(true);
    inodes.reaper.finish();
    volume.flush();
    expect(exists(inode)).toBe(false);
    expect(orphans()).toEqual([]);
    (steps.shift() as () => void)();
    expect(steps).toEqual([]);
  });

  test('nothing holds it: gone at once, with all of its rows', () => {
    const freed: number[] = [];
    inodes.reaper.freeBlocks = (inode) => freed.push(inode.ino) > 0;
    const inode = file();
    new Xattrs(volume).set(inode, Buffer.from('user.a'), Buffer.from('b'));
    volume.flush();
    inodes.dropLink(inode);
    volume.flush();
    expect(freed).toEqual([inode.ino]);
    expect(exists(inode)).toBe(false);
    expect(volume.rows('SELECT 1 FROM xattr')).toHaveLength(0);
    expect(orphans()).toEqual([]);
  });

  test('an open handle and the kernel each keep it; the last to go ends it', () => {
    const inode = file();
    inodes.opened(inode);
    inodes.remember(inode.ino, 2);
    inodes.dropLink(inode);
    volume.flush();
    expect(orphans()).toEqual([inode.ino]);
    inodes.forget(inode.ino, 1);
    inodes.closed(inode);
    expect(inodes.get(inode.ino)).toBe(inode);
    inodes.forget(inode.ino, 1);
    expect(inodes.get(inode.ino)).toBeUndefined();
    expect(orphans()).toEqual([]);
  });

  test('one that comes and goes between two commits never gets into the tables, and the log ends with nothing', () => {
    const inode = file();
    inodes.remember(inode.ino);
    inodes.dropLink(inode);
    volume.operationEnd();
    inodes.forget(inode.ino, 1);
    volume.operationEnd();
    volume.flush();
    expect([exists(inode), orphans()]).toEqual([false, []]);
    volume.replay();
    expect([exists(inode), orphans()]).toEqual([false, []]);
  });

  test('a lease keeps it until it is asked again', () => {
    let leased = true;
    inodes.reaper.holds = () => leased;
    const inode = file();
    inodes.dropLink(inode);
    expect(inodes.reaper.reapIno(inode.ino)).toBe(false);
    leased = false;
    expect(inodes.reaper.reapIno(inode.ino)).toBe(true);
    expect(inodes.reaper.reapIno(inode.ino)).toBe(false);
  });

  test('with other names left it lives on', () => {
    const inode = file();
    inode.nlink = 2;
    inodes.dropLink(inode);
    expect([inode.nlink, orphans()]).toEqual([1, []]);
  });

  test('a file with a name survives any FORGET', () => {
    const inode = file();
    inodes.remember(inode.ino);
    inodes.forget(inode.ino, 1);
    inodes.forget(inode.ino, 1);
    expect(inodes.get(inode.ino)).toBe(inode);
  });

  test('a FORGET of an unknown number, or after the last one, is nothing', () => {
    inodes.forget(4711, 1);
    expect(inodes.count).toBe(1);
  });

  test('recovery removes what nobody holds after the daemon died, but not what is leased', () => {
    const files = Array.from({ length: 600 }, () => {
      const inode = file();
      inodes.opened(inode);
      inodes.dropLink(inode);
      return inode;
    });
    volume.flush();
    const after = new Inodes(volume, { clock, capacity: 16 });
    after.reaper.holds = (ino) => ino === files[3].ino;
    expect(after.reaper.recover()).toBe(599);
    volume.flush();
    expect(orphans()).toEqual([files[3].ino]);
    expect(after.count).toBe(2);
  });

  test('O_TMPFILE that gets a name is an orphan no longer', () => {
    const inode = inodes.create(FILE, 0, 0);
    inodes.adoptOrphan(inode);
    inode.linkable = true;
    inodes.addLink(inode);
    expect([inode.nlink, inode.linkable, orphans()]).toEqual([1, false, []]);
  });
});

describe('access times', () => {
  function setTimes(inode: Inode, atime: number, mtime: number, ctime: number): void {
    Object.assign(inode, { atimeS: atime, mtimeS: mtime, ctimeS: ctime, atimeNs: 0, mtimeNs: 0, ctimeNs: 0 });
    volume.flush();
  }

  test('relatime moves them when they are not later than the change', () => {
    const inode = file();
    setTimes(inode, 10, 20, 5);
    inodes.noteAccess(inode);
    expect([inode.atimeS, inode.atimeNs]).toEqual([1000, 5]);
  });

  test('relatime leaves a later one alone for a day', () => {
    const inode = file();
    setTimes(inode, 900, 20, 20);
    inodes.noteAccess(inode);
    expect(inode.atimeS).toBe(900);
    clock.advance(24 * 3600 * 1000);
    inodes.noteAccess(inode);
    expect(inode.atimeS).toBe(1000 + 24 * 3600);
  });

  test('noatime never, strictatime always, the flag of the file beats both', () => {
    const inode = file();
    setTimes(inode, 900, 20, 20);
    new Inodes(new MemoryVolume(), { clock, atime: 'noatime' }).noteAccess(inode);
    expect(inode.atimeS).toBe(900);
    const strict = new Inodes(new MemoryVolume(), { clock, atime: 'strictatime' });
    inode.flags = FLAG.NOATIME;
    strict.noteAccess(inode);
    expect(inode.atimeS).toBe(900);
    inode.flags = 0;
    strict.noteAccess(inode);
    expect(inode.atimeS).toBe(1000);
  });

  test('an access begins no transaction and goes out with the next one', () => {
    const inode = file();
    setTimes(inode, 0, 20, 20);
    const before = volume.touches;
    inodes.noteAccess(inode);
    expect(volume.touches).toBe(before);
    volume.flush();
    expect(volume.rows('SELECT atime_s FROM inode WHERE ino = ?', inode.ino)).toEqual([[1000]]);
  });

  test('settle asks for the transaction that a clean unmount needs', () => {
    const inode = file();
    setTimes(inode, 0, 20, 20);
    const before = volume.touches;
    inodes.settle();
    expect(volume.touches).toBe(before);
    inodes.noteAccess(inode);
    inodes.settle();
    expect(volume.touches).toBeGreaterThan(before);
  });
});

describe('times of overwriting', () => {
  test('they move once a millisecond', () => {
    const inode = file();
    inodes.touchOverwritten(inode);
    const before = inode.mtimeNs;
    clock.advance(0.4);
    inodes.touchOverwritten(inode);
    expect([inode.mtimeNs, inode.ctimeNs]).toEqual([before, before]);
    clock.advance(0.7);
    inodes.touchOverwritten(inode);
    expect([inode.mtimeNs, inode.ctimeNs]).toEqual([before + 1_100_000, before + 1_100_000]);
  });

  test('and sooner when somebody has seen them', () => {
    const inode = file();
    inodes.touchOverwritten(inode);
    const { mtimeNs } = attributesOf(inode, 4096);
    clock.advance(0.4);
    inodes.touchOverwritten(inode);
    expect([inode.mtimeNs, inode.ctimeNs]).toEqual([mtimeNs + 400_000, mtimeNs + 400_000]);
    clock.advance(0.4);
    inodes.touchOverwritten(inode);
    expect(inode.mtimeNs).toBe(mtimeNs + 400_000);
  });
});

describe('new files', () => {
  const caller = { uid: 1000, gid: 100 };
  function make(parentMode: number, mode: number, umask: number): Inode {
    const parent = inodes.get(1) as Inode;
    parent.mode = S.IFDIR | parentMode;
    parent.gid = 55;
    return createInode(inodes, new Acls(new Xattrs(volume)), parent, mode, umask, caller);
  }

  test('belong to the caller, with the umask taken off', () => {
    const { uid, gid, mode } = make(0o755, S.IFREG | 0o4777, 0o027);
    expect([uid, gid, mode]).toEqual([1000, 100, S.IFREG | 0o4750]);
  });

  test('take the group of a set-group-ID directory; subdirectories the bit as well', () => {
    const regular = make(0o2755, S.IFREG | 0o666, 0);
    const directory = make(0o2755, S.IFDIR | 0o777, 0o022);
    expect([regular.gid, regular.mode]).toEqual([55, S.IFREG | 0o666]);
    expect([directory.gid, directory.mode]).toEqual([55, S.IFDIR | 0o2755]);
  });
});

test('max_inodes counts files without names too', () => {
  const small = new Inodes(volume, { clock, maxInodes: 2 });
  expect(small.isFull).toBe(false);
  small.create(FILE, 0, 0);
  expect(small.isFull).toBe(true);
});
