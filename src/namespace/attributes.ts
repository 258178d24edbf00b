import type { Inode } from './inode.ts';
import { LINK_MAX } from './inode.ts';

/** The attributes as stat(2) shows them. */
export interface Attributes {
  ino: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  /** Bytes. */
  size: number;
  /** Units of 512 bytes. */
  blocks512: number;
  atimeS: number;
  atimeNs: number;
  mtimeS: number;
  mtimeNs: number;
  ctimeS: number;
  ctimeNs: number;
  btimeS: number;
  btimeNs: number;
}

const shown: Attributes = {
  ino: 0,
  mode: 0,
  nlink: 0,
  uid: 0,
  gid: 0,
  rdev: 0,
  size: 0,
  blocks512: 0,
  atimeS: 0,
  atimeNs: 0,
  mtimeS: 0,
  mtimeNs: 0,
  ctimeS: 0,
  ctimeNs: 0,
  btimeS: 0,
  btimeNs: 0,
};

/**
 * What is shown of an inode, which remembers that it was; ONE object, filled anew by each call. A directory shows its size in whole blocks, at least
 * one, and takes none of the device (its entries are metadata).
 */
export function attributesOf(inode: Inode, blockSize: number): Readonly<Attributes> {
  const isDirectory = inode.isDirectory;
  inode.timesShown = true;
  shown.ino = inode.ino;
  shown.mode = inode.mode;
  shown.nlink = isDirectory && inode.nlink > LINK_MAX ? 1 : inode.nlink;
  shown.uid = inode.uid;
  shown.gid = inode.gid;
  shown.rdev = inode.rdev;
  shown.size = isDirectory ? Math.max(1, Math.ceil(inode.size / blockSize)) * blockSize : inode.size;
  shown.blocks512 = inode.blocks * (blockSize / 512);
  shown.atimeS = inode.atimeS;
  shown.atimeNs = inode.atimeNs;
  shown.mtimeS = inode.mtimeS;
  shown.mtimeNs = inode.mtimeNs;
  shown.ctimeS = inode.ctimeS;
  shown.ctimeNs = inode.ctimeNs;
  shown.btimeS = inode.btimeS;
  shown.btimeNs = inode.btimeNs;
  return shown;
}
