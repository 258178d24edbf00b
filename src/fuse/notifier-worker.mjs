// @ts-check
/**
 * The thread of notifier.ts: writes one notification at a time, and may wait in the kernel while it does. Plain
 * JavaScript, because a thread would have to load the TypeScript compiler anew: a second instead of 80 ms, and 25 MiB.
 */
import { parentPort, workerData } from 'node:worker_threads';
import koffi from 'koffi';

const { fd } = /** @type {{ fd: number }} */ (workerData);
const write = koffi.load(null).func('write', 'int64_t', ['int', 'uintptr_t', 'size_t']);

// A table of descriptors of its own: where the daemon is killed while this thread waits in the kernel for a reply, the
// daemon's files must not stay open, or the locks on them would keep away the next daemon, which could give that reply.
const CLONE_FILES = 0x400;
koffi.load(null).func('unshare', 'int', ['int'])(CLONE_FILES);

/** Answers each message with the bytes written, or a negative errno. */
parentPort?.on('message', (/** @type {Uint8Array} */ bytes) => {
  const written = write(fd, Number(koffi.address(bytes)), bytes.length);
  parentPort?.postMessage(written < 0 ? -koffi.errno() : written);
});
