import type { Request } from '../fuse/request.ts';
import type { Filesystem } from './filesystem.ts';
import { CONTROL_BASE } from './filesystem.ts';

/** Bytes of fuse_batch_forget_in and of each fuse_forget_one behind it. */
const HEAD = 8;
const ONE = 16;

/** FUSE_BATCH_FORGET: many FORGETs in one, for files and nodes of the control directory alike. No reply. */
export function batchForget(fs: Filesystem, request: Request): void {
  const fit = Math.floor((request.end - request.body - HEAD) / ONE);
  const count = Math.min(request.u32(0), fit);
  for (let i = 0; i < count; i++) {
    const nodeid = request.u64(HEAD + ONE * i);
    const n = request.u64(HEAD + ONE * i + 8);
    if (nodeid >= CONTROL_BASE) fs.control?.forget(nodeid, n);
    else fs.inodes.forget(nodeid, n);
  }
  request.none();
}
