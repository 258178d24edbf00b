import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Acl } from '../../src/namespace/acl.ts';
import {
  aclMode,
  aclPermits,
  chmodAcl,
  decodeAcl,
  encodeAcl,
  inheritAcl,
  isMinimal,
  TAG,
} from '../../src/namespace/acl.ts';
import { E } from '../../src/system/errno.ts';

const NONE = 0xffffffff;
const perm = fc.integer({ min: 0, max: 7 });
const mode9 = fc.integer({ min: 0, max: 0o777 });

/** Every valid list, in canonical order. */
const acls = fc
  .record({
    user: perm,
    users: fc.array(fc.record({ id: fc.integer({ min: 1, max: 9 }), perm }), { maxLength: 3 }),
    group: perm,
    groups: fc.array(fc.record({ id: fc.integer({ min: 1, max: 9 }), perm }), { maxLength: 3 }),
    mask: perm,
    withMask: fc.boolean(),
    other: perm,
  })
  .map(({ user, users, group, groups, mask, withMask, other }): Acl => {
    const named = users.length + groups.length > 0;
    return [
      { tag: TAG.USER_OBJ, perm: user, id: NONE },
      ...users.map((u) => ({ tag: TAG.USER, ...u })),
      { tag: TAG.GROUP_OBJ, perm: group, id: NONE },
      ...groups.map((g) => ({ tag: TAG.GROUP, ...g })),
      ...(named || withMask ? [{ tag: TAG.MASK, perm: mask, id: NONE }] : []),
      { tag: TAG.OTHER, perm: other, id: NONE },
    ];
  });

const order = ({ tag, perm, id }: Acl[number]): string => `${tag}:${perm}:${id}`;

describe('the form of an ACL', () => {
  test('every valid list survives encoding', () => {
    fc.assert(
      fc.property(acls, (acl) => {
        const read = decodeAcl(encodeAcl(acl)) as Acl;
        expect(read.map(order)).toEqual(acl.map(order));
      }),
    );
  });

  test('bytes as getfacl(1) writes them', () => {
    const acl: Acl = [
      { tag: TAG.USER_OBJ, perm: 6, id: NONE },
      { tag: TAG.USER, perm: 4, id: 1000 },
      { tag: TAG.GROUP_OBJ, perm: 4, id: NONE },
      { tag: TAG.MASK, perm: 4, id: NONE },
      { tag: TAG.OTHER, perm: 0, id: NONE },
    ];
    expect(encodeAcl(acl).toString('hex')).toBe(
      '02000000' +
        '01000600ffffffff' +
        '02000400e8030000' +
        '04000400ffffffff' +
        '10000400ffffffff' +
        '20000000ffffffff',
    );
  });

  const plain: Acl = [
    { tag: TAG.USER_OBJ, perm: 7, id: NONE },
    { tag: TAG.GROUP_OBJ, perm: 5, id: NONE },
    { tag: TAG.OTHER, perm: 0, id: NONE },
  ];
  const refusals: [string, Buffer][] = [
    ['another version', Buffer.concat([Buffer.from([1, 0, 0, 0]), encodeAcl(plain).subarray(4)])],
    ['a torn entry', encodeAcl(plain).subarray(0, 27)],
    ['less than a header', Buffer.alloc(3)],
    ['no owner', encodeAcl(plain.slice(1))],
    ['no others', encodeAcl(plain.slice(0, 2))],
    ['two owners', encodeAcl([plain[0], ...plain])],
    ['the wrong order', encodeAcl([plain[1], plain[0], plain[2]])],
    ['permissions beyond rwx', encodeAcl([{ ...plain[0], perm: 8 }, plain[1], plain[2]])],
    ['an unknown tag', encodeAcl([plain[0], { tag: 3, perm: 7, id: 1 }, plain[1], plain[2]])],
    ['named entries without a mask', encodeAcl([plain[0], { tag: TAG.USER, perm: 7, id: 1 }, plain[1], plain[2]])],
  ];
  test.each(refusals)('EINVAL for %s', (_what, value) => {
    expect(decodeAcl(value)).toBe(E.INVAL);
  });
});

describe('ACL and mode', () => {
  test('chmod and mode are inverse: the list shows the mode that was set', () => {
    fc.assert(
      fc.property(acls, mode9, (acl, mode) => {
        expect(aclMode(chmodAcl(acl, mode))).toBe(mode);
      }),
    );
  });

  test('chmod leaves named entries alone, and with a mask the owning group too', () => {
    fc.assert(
      fc.property(acls, mode9, (acl, mode) => {
        const changed = chmodAcl(acl, mode);
        const hasMask = acl.some((e) => e.tag === TAG.MASK);
        acl.forEach((entry, i) => {
          const kept = entry.tag === TAG.USER || entry.tag === TAG.GROUP || (hasMask && entry.tag === TAG.GROUP_OBJ);
          if (kept) expect(changed[i]).toEqual(entry);
        });
      }),
    );
  });

  test('an inherited list never grants what the mode of creation does not, and never more than the default list', () => {
    fc.assert(
      fc.property(acls, mode9, (acl, mode) => {
        const { mode: result } = inheritAcl(acl, mode);
        expect(result & ~mode).toBe(0);
        expect(result & ~aclMode(acl)).toBe(0);
        expect(result).toBe(mode & aclMode(acl));
      }),
    );
  });

  test('a list is stored with the new file exactly when it says more than the mode', () => {
    fc.assert(
      fc.property(acls, mode9, (acl, mode) => {
        const { access, mode: result } = inheritAcl(acl, mode);
        expect(access === undefined).toBe(isMinimal(acl));
        if (access !== undefined) expect(aclMode(access)).toBe(result);
      }),
    );
  });

  test('type and special bits of the mode stay', () => {
    const acl: Acl = [
      { tag: TAG.USER_OBJ, perm: 7, id: NONE },
      { tag: TAG.GROUP_OBJ, perm: 5, id: NONE },
      { tag: TAG.OTHER, perm: 0, id: NONE },
    ];
    expect(inheritAcl(acl, 0o042777).mode).toBe(0o042750);
  });
});

describe('permission by ACL', () => {
  const acl: Acl = [
    { tag: TAG.USER_OBJ, perm: 6, id: NONE },
    { tag: TAG.USER, perm: 7, id: 5 },
    { tag: TAG.GROUP_OBJ, perm: 4, id: NONE },
    { tag: TAG.GROUP, perm: 2, id: 70 },
    { tag: TAG.MASK, perm: 6, id: NONE },
    { tag: TAG.OTHER, perm: 1, id: NONE },
  ];
  const who = (uid: number, groups: number[], want: number): boolean =>
    aclPermits(acl, 1, 60, uid, (gid) => groups.includes(gid), want);

  test('the owner by his entry alone', () => {
    expect([who(1, [70], 6), who(1, [70], 1)]).toEqual([true, false]);
  });
  test('a named user within the mask', () => {
    expect([who(5, [], 6), who(5, [], 1)]).toEqual([true, false]);
  });
  test('a group member needs one group that grants it all', () => {
    expect([who(9, [60], 4), who(9, [70], 2), who(9, [60, 70], 6)]).toEqual([true, true, false]);
  });
  test('a group member never falls through to others', () => {
    expect([who(9, [60], 1), who(9, [], 1)]).toEqual([false, true]);
  });
});
