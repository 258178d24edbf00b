/** The thread of notifier.ts: writes one notification at a time, and may wait in the kernel while it does. */
import { parentPort, workerData } from 'node:worker_threads';
import { addressOf, write } from '../system/libc.ts';

export interface NotifierJob {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface NotifierAnswer {
  /** Bytes written, or a negative errno. */
  readonly result: number;
}

const { fd } = workerData as { fd: number };
const port = parentPort;
if (!port) throw new Error('notifier-worker.ts runs as a worker thread only');

port.on('message', (job: NotifierJob) => {
  const result = write(fd, addressOf(job.bytes), job.bytes.length);
  port.postMessage({ result } satisfies NotifierAnswer);
});
