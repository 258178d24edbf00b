import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Fields, inoOf, Kernel } from './kernel.ts';

let k: Kernel;
beforeEach(() => {
  k = new Kernel();
});
afterEach(() => k.close());

describe('READDIR', () => {
  test("'.' and '..' first, then names with their types and numbers", () => {
    const d = inoOf(k.mkdir(1, 'd'));
    const f = inoOf(k.mknod(d, 'f'));
    const s = inoOf(k.symlink(d, 's', 't'));
    expect(k.readdir(d)).toMatchObject([
      { name: '.', cookie: 1, ino: d, type: 4 },
      { name: '..', cookie: 2, ino: 1, type: 4 },
      { name: 'f', cookie: 3, ino: f, type: 8 },
      { name: 's', cookie: 4, ino: s, type: 10 },
    ]);
  });

  test('goes on after any cookie, also of a name that is gone', () => {
    for (const name of ['a', 'b', 'c', 'd']) k.mknod(1, name);
    const b = k.readdir(1).find(({ name }) => name === 'b')?.cookie as number;
    k.unlink(1, 'b');
    expect(k.readdir(1, b).map(({ name }) => name)).toEqual(['c', 'd']);
    expect(k.readdir(1, 1).map(({ name }) => name)).toEqual(['..', 'a', 'c', 'd']);
    expect(k.readdir(1, 2 ** 52)).toEqual([]);
  });

  test('never more than asked for, and nothing when not even one fits', () => {
    for (let i = 0; i < 50; i++) k.mknod(1, `name-${i}`);
    for (const size of [24, 31, 32, 100, 1000]) {
      const { payload } = k.call('READDIR', 1, 'read_in', { offset: 0, size });
      expect(payload.length).toBeLessThanOrEqual(size);
      expect(payload.length % 8).toBe(0);
    }
    expect(k.readdir(1, 0, 24)).toEqual([]);
  });

  test.each([64, 200, 4096, 65536])('everything, in pieces of %i bytes', (size) => {
    const names = Array.from({ length: 1000 }, (_, i) => `n${i}`);
    for (const name of names) k.mknod(1, name);
    expect(k.list(1, size)).toEqual(['.', '..', ...names]);
  });

  test('comes to an end for a reader who renames or adds files as he goes', () => {
    const names = Array.from({ length: 40 }, (_, i) => `n${i}`);
    for (const name of names) k.mknod(1, name);
    const seen: string[] = [];
    for (let cookie = 0; seen.length < 1000; ) {
      const batch = k.readdir(1, cookie, 200);
      if (batch.length === 0) break;
      for (const { name } of batch.filter(({ name }) => !name.startsWith('.'))) {
        seen.push(name);
        k.rename(1, name, 1, 'moved');
        k.rename(1, 'moved', 1, name);
        k.mknod(1, `${name}.new`);
      }
      cookie = batch.at(-1)?.cookie as number;
    }
    expect(seen).toEqual(names);
    // Who begins again sees what came, and so does who goes on after that.
    const [, , first] = k.readdir(1);
    expect(k.list(1, 4096)).toHaveLength(82);
    k.mknod(1, 'last');
    const rest = (): string[] => k.readdir(1, first.cookie, 65536).map(({ name }) => name);
    expect(rest()).not.toContain('last');
    k.readdir(1, 0, 64);
    expect(rest()).toContain('last');
  });

  test('of a file: ENOTDIR', () => {
    const f = inoOf(k.mknod(1, 'f'));
    expect(k.call('READDIR', f, 'read_in', { size: 4096 }).error).toBe('ENOTDIR');
    expect(k.call('OPENDIR', f, 'open_in', {}).error).toBe('ENOTDIR');
  });

  test('moves the access time of the directory as the policy says', () => {
    const d = inoOf(k.mkdir(1, 'd'));
    k.clock.advance(1000);
    k.readdir(d);
    expect(k.getattr(d)).toMatchObject({ atime: 5001, mtime: 5000 });
    k.clock.advance(1000);
    k.readdir(d);
    expect(k.getattr(d)).toMatchObject({ atime: 5001 });
  });
});

describe('READDIRPLUS', () => {
  test('attributes with each name, one lookup counted, but none for the dots', () => {
    const f = inoOf(k.mknod(1, 'f', 0o100640));
    const [dot, dotdot, entry] = k.readdir(1, 0, 4096, true);
    expect([dot.entry?.nodeid, dotdot.entry?.nodeid]).toEqual([0, 0]);
    expect(entry.entry).toMatchObject({ nodeid: f, 'attr.mode': 0o100640, entry_valid: 3600, attr_valid: 1800 });
    expect([k.fs.inodes.lookups.count(f), k.fs.inodes.lookups.count(1)]).toEqual([2, 0]);
  });

  test('what did not fit was not counted', () => {
    const inos = Array.from({ length: 20 }, (_, i) => inoOf(k.mknod(1, `n${i}`)));
    const listed = k.readdir(1, 0, 1000, true).map(({ name }) => name);
    const counts = inos.map((ino) => k.fs.inodes.lookups.count(ino));
    expect(counts).toEqual(inos.map((_, i) => (listed.includes(`n${i}`) ? 2 : 1)));
    expect(listed.length).toBeLessThan(10);
  });

  test('works with more names than inodes in memory', () => {
    const small = new Kernel({ inodes: { capacity: 8 } });
    for (let i = 0; i < 100; i++) small.mknod(1, `n${i}`);
    const entries = small.readdir(1, 2, 1 << 20, true);
    expect(entries.map(({ entry }) => (entry as Fields)['attr.nlink'])).toEqual(Array(100).fill(1));
    small.close();
  });
});

test('OPENDIR: cached listings, or ENOSYS where the kernel needs no handle', () => {
  const { payload, error } = k.call('OPENDIR', 1, 'open_in', {});
  expect([error, payload.readUInt32LE(8)]).toEqual(['', 2 | 8]);
  expect(k.call('RELEASEDIR', 1, 'release_in', {}).error).toBe('');
  const without = new Kernel({ operations: { noOpendir: true } });
  expect(without.call('OPENDIR', 1, 'open_in', {}).error).toBe('ENOSYS');
  without.close();
});

test('names that stay are seen exactly once, whatever happens between two reads', () => {
  const change = fc.record({
    kind: fc.constantFrom('add' as const, 'remove' as const, 'replace' as const, 'move' as const, 'readd' as const),
    which: fc.nat({ max: 99 }),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 64, max: 700 }),
      fc.boolean(),
      fc.array(fc.array(change, { maxLength: 6 }), { minLength: 1, maxLength: 60 }),
      (size, plus, rounds) => {
        const kernel = new Kernel({ inodes: { capacity: 8 } });
        try {
          const names = Array.from({ length: 40 }, (_, i) => `n${i}`);
          for (const name of names) kernel.mknod(1, name);
          const stays = new Set(names);
          const seen: string[] = [];
          let made = 0;
          let cookie = 0;
          for (let round = 0; ; round++) {
            const part = kernel.readdir(1, cookie, plus ? size + 160 : size, plus);
            if (part.length === 0) break;
            seen.push(...part.map(({ name }) => name));
            cookie = part[part.length - 1].cookie;
            for (const { kind, which } of rounds[round] ?? []) {
              const name = names[which % names.length];
              const fresh = `x${made++}`;
              if (kind === 'add') kernel.mknod(1, fresh);
              else if (kind === 'replace') {
                // The name stays, its meaning changes.
                if (!stays.has(name)) continue;
                kernel.mknod(1, fresh);
                kernel.rename(1, fresh, 1, name);
              } else {
                stays.delete(name);
                if (kind === 'move') kernel.rename(1, name, 1, fresh);
                else kernel.unlink(1, name);
                if (kind === 'readd') kernel.mknod(1, name);
              }
            }
          }
          for (const name of stays) expect(seen.filter((n) => n === name)).toHaveLength(1);
        } finally {
          kernel.close();
        }
      },
    ),
    { numRuns: 25 },
  );
});
