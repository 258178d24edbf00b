import { putAttrOut, putEntry } from '../fuse/replies.ts';
import type { Request } from '../fuse/request.ts';
import { attributesOf } from '../namespace/attributes.ts';
import type { Inode } from '../namespace/inode.ts';
import { replyChanged } from './contents.ts';
import type { Filesystem } from './filesystem.ts';

/** Answers with an entry: the kernel knows the inode once more. */
export function replyEntry(fs: Filesystem, request: Request, inode: Inode): void {
  request.ok(writeEntry(fs, request, inode, request.out.start));
}

/** Writes an entry at `at` of the reply area, and counts the lookup; answers its length in bytes. */
export function writeEntry(fs: Filesystem, request: Request, inode: Inode, at: number): number {
  const { blockSize } = fs.volume;
  fs.inodes.remember(inode.ino);
  return putEntry(request.out.view, at, attributesOf(inode, blockSize), fs.options.timeouts, blockSize);
}

/** Answers a new name in `directory` with its entry. */
export function replyNewEntry(fs: Filesystem, request: Request, directory: Inode, inode: Inode): void {
  replyChanged(fs, request, directory, writeEntry(fs, request, inode, request.out.start));
}

export function replyAttributes(fs: Filesystem, request: Request, inode: Inode): void {
  const { blockSize } = fs.volume;
  const { out } = request;
  request.ok(putAttrOut(out.view, out.start, attributesOf(inode, blockSize), fs.options.timeouts, blockSize));
}
