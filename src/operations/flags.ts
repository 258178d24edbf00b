/** File flags as chattr(1) and xfs_io(8) know them: FS_*_FL of <linux/fs.h> and their FS_XFLAG_* twins. */

/** [FS_*_FL, FS_XFLAG_*]; 0 where there is no twin. */
const TWINS: readonly (readonly [number, number])[] = [
  [0x8, 0x20], // SYNC
  [0x10, 0x8], // IMMUTABLE
  [0x20, 0x10], // APPEND
  [0x40, 0x80], // NODUMP
  [0x80, 0x40], // NOATIME
  [0x10000, 0], // DIRSYNC
  [0x20000, 0], // TOPDIR
  [0x02000000, 0x8000], // DAX: asked for and remembered; the device windows are what gives direct access here
  [0x20000000, 0x200], // PROJINHERIT
];

/** What FS_IOC_SETFLAGS can change. */
export const SETTABLE_FLAGS = TWINS.reduce((all, [flag]) => all | flag, 0);
const SETTABLE_XFLAGS = TWINS.reduce((all, [, xflag]) => all | xflag, 0);
/** Flags that chattr -R or a copy of flags hands on and that mean nothing here: shown by some filesystems, ignored by all. */
export const IGNORED_FLAGS = 0x80000 /* EXTENTS */ | 0x40000 /* HUGE_FILE */ | 0x1000 /* INDEX */;

export function toXflags(flags: number): number {
  let xflags = 0;
  for (const [flag, xflag] of TWINS) if ((flags & flag) !== 0) xflags |= xflag;
  return xflags;
}

/** The FS_*_FL for `xflags`, those without a twin taken from `old`; -1 for an unknown bit. */
export function fromXflags(xflags: number, old: number): number {
  if ((xflags & ~SETTABLE_XFLAGS & ~0x80000000) !== 0) return -1;
  let flags = 0;
  for (const [flag, xflag] of TWINS) if (xflag === 0 ? (old & flag) !== 0 : (xflags & xflag) !== 0) flags |= flag;
  return flags;
}
