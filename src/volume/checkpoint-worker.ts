import type { Worker } from 'node:worker_threads';
import { startThread } from '../system/thread.ts';
import type { Checkpointer } from './checkpoints.ts';

/** Longest wait for the thread's connection to close at unmount, ms; it may be in the middle of a write-back. */
const CLOSE_PATIENCE = 10_000;

/** Runs checkpoints, and backups, on a thread that is started when the first one is due. */
export class WorkerCheckpointer implements Checkpointer {
  private readonly path: string;
  private readonly closed = new Int32Array(new SharedArrayBuffer(4));
  private readonly waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  private worker: Worker | undefined;
  private serial = 0;

  constructor(path: string) {
    this.path = path;
  }

  run(): Promise<void> {
    return this.ask({});
  }

  /** A consistent copy of what is committed, to a new file. */
  backup(destination: string): Promise<void> {
    return this.ask({ backup: destination });
  }

  close(): void {
    if (!this.worker) return;
    this.worker.postMessage({ id: -1 });
    Atomics.wait(this.closed, 0, 0, CLOSE_PATIENCE);
    this.worker = undefined;
  }

  private ask(request: { backup?: string }): Promise<void> {
    this.worker ??= this.start();
    const id = this.serial++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker?.postMessage({ id, ...request });
    });
  }

  private start(): Worker {
    const worker = startThread(new URL('./checkpoint-thread', import.meta.url), {
      path: this.path,
      closed: this.closed,
    });
    worker.unref();
    worker.on('message', (reply: { id: number; error?: string }) => {
      const waiter = this.waiting.get(reply.id);
      this.waiting.delete(reply.id);
      if (reply.error === undefined) waiter?.resolve();
      else waiter?.reject(new Error(reply.error));
    });
    const gone = (error: Error) => {
      Atomics.store(this.closed, 0, 1);
      for (const waiter of this.waiting.values()) waiter.reject(error);
      this.waiting.clear();
      if (this.worker === worker) this.worker = undefined;
    };
    worker.on('error', gone);
    worker.on('exit', () => gone(new Error('the checkpoint thread ended')));
    return worker;
  }
}
