import type { Wal } from './wal.ts';

/** Frames from which the WAL is written back, and how many may be left for the state thread to finish. */
export const START = 1000;
const FINISH = 256;
/** However much is left, after so many rounds the state thread finishes: the WAL stays bounded. */
const ROUNDS = 6;

/** What writes frames back on another thread: resolves when it is done, rejects when it could not. */
export interface Checkpointer {
  run(): Promise<void>;
  /** Stops it and waits until its connection is closed. */
  close(): void;
}

/**
 * Keeps the WAL short without stalling requests. SQLite starts the WAL anew only when a transaction begins while every
 * frame is in the database file. Under load there is always a transaction, so the work is done as live
 * migration does it: a worker writes back everything committed so far; then the next commit is made early, so that little is new,
 * and again; when at most `FINISH` frames are left, the state thread writes them between two transactions.
 *
 * A reader of an old snapshot (an administrator's sqlite3) stops that for as long as it reads: the WAL grows
 * by another `START` frames before the next attempt.
 */
export class Checkpoints {
  private readonly wal: Wal;
  private readonly worker: Checkpointer;
  private readonly commitSoon: () => void;
  private readonly failed: (error: unknown) => void;
  private readonly mark: (event: 'checkpoint' | 'reset') => void;
  private state: 'idle' | 'running' | 'finish' = 'idle';
  private next = START;
  private round = 0;
  /** Frames when the last round began. */
  private before = 0;
  private closed = false;
  /** Frames in the WAL after the last commit, and how often it was started anew. */
  frames = 0;
  resets = 0;

  constructor(options: {
    wal: Wal;
    worker: Checkpointer;
    commitSoon: () => void;
    failed: (error: unknown) => void;
    mark: (event: 'checkpoint' | 'reset') => void;
  }) {
    this.wal = options.wal;
    this.worker = options.worker;
    this.commitSoon = options.commitSoon;
    this.failed = options.failed;
    this.mark = options.mark;
  }

  /** After every COMMIT, no transaction being open. */
  afterCommit(): void {
    const { total, written } = this.wal.frames();
    this.frames = total;
    if (this.state === 'idle') {
      if (total < this.next) this.next = Math.max(START, Math.min(this.next, total + START));
      else if (total > written) this.start();
      return;
    }
    if (this.state === 'running') return;
    if (total < FINISH && total < this.before) {
      // The worker had caught up with everything, and this transaction has started the WAL anew by itself.
      this.ended(true);
      return;
    }
    if (total - written > FINISH && this.round < ROUNDS) {
      this.start();
      return;
    }
    this.finish();
  }

  close(): void {
    this.closed = true;
    this.worker.close();
  }

  private start(): void {
    this.state = 'running';
    this.before = this.frames;
    this.round++;
    this.worker
      .run()
      .then(() => {
        this.mark('checkpoint');
        return this.wal.syncDatabaseAsync();
      })
      .then(
        (r) => this.ran(r),
        (error: unknown) => this.ran(0, error),
      );
  }

  /** A round ended. Without a worker (no thread, no memory) the state thread does it all. */
  private ran(r: number, error?: unknown): void {
    if (this.closed) return;
    if (r < 0) return this.failed(new Error(`sync of the database: errno ${-r}`));
    if (error !== undefined) this.round = ROUNDS;
    this.state = 'finish';
    this.commitSoon();
  }

  private finish(): void {
    const { total, written } = this.wal.checkpoint();
    this.frames = total;
    this.mark(written === total ? 'reset' : 'checkpoint');
    this.ended(written === total);
  }

  private ended(complete: boolean): void {
    this.state = 'idle';
    this.round = 0;
    this.next = complete ? START : this.frames + START;
    if (!complete) return;
    this.resets++;
    this.wal.reopenIfReplaced();
  }
}
