import { beforeEach, describe, expect, test } from 'vitest';
import { Acls } from '../../src/namespace/acls.ts';
import { createInode } from '../../src/namespace/creation.ts';
import { Dentries } from '../../src/namespace/dentries.ts';
import type { Inode } from '../../src/namespace/inode.ts';
import { S } from '../../src/namespace/inode.ts';
import { Inodes } from '../../src/namespace/inodes.ts';
import { type Names, pathOf, resolve } from '../../src/namespace/resolve.ts';
import { Symlinks } from '../../src/namespace/symlinks.ts';
import { Xattrs } from '../../src/namespace/xattrs.ts';
import { VirtualClock } from '../../src/system/clock.ts';
import { E } from '../../src/system/errno.ts';
import { MemoryVolume } from './memory-volume.ts';

let names: Names;
let a: Inode;
let b: Inode;
let f: Inode;

function add(parent: Inode, name: string, mode: number, target?: string): Inode {
  const volume = new Xattrs(memory);
  const inode = createInode(names.inodes, new Acls(volume), parent, mode, 0, { uid: 0, gid: 0 });
  inode.nlink = 1;
  if (target !== undefined) names.symlinks.create(inode, Buffer.from(target));
  names.dentries.insert(parent, Buffer.from(name, 'latin1'), inode);
  return inode;
}

let memory: MemoryVolume;
const go = (path: string, from?: number): number => resolve(names, Buffer.from(path, 'latin1'), from);

/** /a/b/f, and links */
beforeEach(() => {
  memory = new MemoryVolume();
  const inodes = new Inodes(memory, { clock: new VirtualClock() });
  names = { inodes, dentries: new Dentries(memory, inodes), symlinks: new Symlinks(memory) };
  const root = inodes.get(1) as Inode;
  a = add(root, 'a', S.IFDIR | 0o755);
  b = add(a, 'b', S.IFDIR | 0o755);
  f = add(b, 'f', S.IFREG | 0o644);
});

describe('resolve', () => {
  test('components from the root, with any number of slashes', () => {
    expect([go('/a/b/f'), go('a/b/f'), go('///a//b/f'), go('/'), go('/a/')]).toEqual([f.ino, f.ino, f.ino, 1, a.ino]);
  });

  test('dots, which never leave the mount; other starting points', () => {
    expect([go('/a/./b/../b/f'), go('/../../a'), go('b/f', a.ino), go('..', b.ino), go('/a', b.ino)]).toEqual([
      f.ino,
      a.ino,
      f.ino,
      a.ino,
      a.ino,
    ]);
  });

  test('what is not there, or not a directory', () => {
    expect([go(''), go('/x'), go('/a/x/f')]).toEqual(Array(3).fill(-E.NOENT));
    expect([go('/a/b/f/x'), go('/a/b/f/'), go('/a/b/f/.')]).toEqual(Array(3).fill(-E.NOTDIR));
    expect([go(`/${'x'.repeat(256)}`), go('/a\0b')]).toEqual([-E.NAMETOOLONG, -E.INVAL]);
  });

  test('links on the way are followed, the last one only with a slash behind it', () => {
    const relative = add(a, 'relative', S.IFLNK | 0o777, 'b');
    add(b, 'up', S.IFLNK | 0o777, '../..');
    const absolute = add(a, 'absolute', S.IFLNK | 0o777, '/a/b');
    expect([go('/a/relative/f'), go('/a/absolute/f'), go('/a/b/up/a/b/f')]).toEqual([f.ino, f.ino, f.ino]);
    expect([go('/a/relative'), go('/a/absolute'), go('/a/relative/')]).toEqual([relative.ino, absolute.ino, b.ino]);
  });

  test('links in a circle: ELOOP', () => {
    add(a, 'x', S.IFLNK | 0o777, 'y');
    add(a, 'y', S.IFLNK | 0o777, 'x');
    expect(go('/a/x/f')).toBe(-E.LOOP);
  });

  test('names are bytes', () => {
    const odd = add(a, '\xff\xfe', S.IFREG);
    expect(go('/a/\xff\xfe')).toBe(odd.ino);
  });
});

test('pathOf leads back', () => {
  expect(pathOf(names, b.ino, Buffer.from('f'))?.toString()).toBe('/a/b/f');
  expect(pathOf(names, 1, Buffer.from('a'))?.toString()).toBe('/a');
});
