import { bytes } from './output.ts';
import { cut } from './screen.ts';

/** Nothing is drawn for what is over so soon. */
const QUIET_MS = 400;
/** Between two drawings. */
const EVERY_MS = 100;
/** The rate is that of about so long ago until now. */
const MEMORY_MS = 3000;
const BAR = 24;

export interface Surface {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

export interface ProgressOptions {
  /** What is done, a word or two. */
  label: string;
  /** Bytes are shown as 1.5G, other things by their number and this word. */
  unit: 'bytes' | (string & {});
  /** Default: stderr. What is not a terminal is left alone. */
  out?: Surface;
  /** ms for which nothing is drawn. */
  quietMs?: number;
  /** Monotonic, ms. */
  now?: () => number;
}

/**
 * A line at the bottom of a terminal: how much is done of how much, how fast, how long it will take. Silent where
 * stderr is not a terminal, and for what is over at once.
 */
export class Progress {
  private readonly options: ProgressOptions;
  private readonly out: Surface;
  private readonly now: () => number;
  private readonly enabled: boolean;
  private readonly began: number;
  private drawnAt = Number.NEGATIVE_INFINITY;
  private drawn = false;
  /** Where the rate is measured from: ms, done. */
  private mark: readonly [number, number];
  private next: readonly [number, number];

  constructor(options: ProgressOptions) {
    this.options = options;
    this.out = options.out ?? process.stderr;
    this.now = options.now ?? (() => performance.now());
    this.enabled = this.out.isTTY === true && process.env.TERM !== 'dumb';
    this.began = this.now();
    this.mark = [this.began, 0];
    this.next = this.mark;
  }

  /** `total` undefined where nobody knows; `what`: which part is being done. */
  update(done: number, total: number | undefined, what = ''): void {
    if (!this.enabled) return;
    const now = this.now();
    if (now - this.began < (this.options.quietMs ?? QUIET_MS) || now - this.drawnAt < EVERY_MS) return;
    // Parts that count from 0 again have a rate of their own.
    if (done < this.next[1]) this.mark = this.next = [now, done];
    if (now - this.next[0] > MEMORY_MS) [this.mark, this.next] = [this.next, [now, done]];
    const seconds = (now - this.mark[0]) / 1000;
    const rate = seconds > 0 ? (done - this.mark[1]) / seconds : 0;
    this.drawnAt = now;
    this.drawn = true;
    const line = progressText(this.options, { done, total, what, rate, elapsed: (now - this.began) / 1000 });
    this.out.write(`\r\x1b[K${cut(line, (this.out.columns ?? 80) - 1)}`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.drawn) this.out.write('\r\x1b[K');
    this.drawn = false;
  }
}

interface State {
  done: number;
  total: number | undefined;
  what: string;
  /** Per second. */
  rate: number;
  /** Seconds. */
  elapsed: number;
}

export function progressText({ label, unit }: ProgressOptions, { done, total, what, rate, elapsed }: State): string {
  const amount = (n: number): string => (unit === 'bytes' ? bytes(n) : Math.round(n).toLocaleString('en-US'));
  const words = [what === '' ? label : `${label}: ${what}`];
  if (total === undefined || total <= 0) words.push(`${amount(done)}${unit === 'bytes' ? '' : ` ${unit}`}`);
  else {
    const share = Math.min(1, Math.max(0, done / total));
    const filled = Math.round(share * BAR);
    words.push(`[${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}] ${Math.floor(share * 100)}%`);
    words.push(`${amount(done)} of ${amount(total)}${unit === 'bytes' ? '' : ` ${unit}`}`);
  }
  if (rate > 0) words.push(`${unit !== 'bytes' && rate < 10 ? rate.toFixed(1) : amount(rate)}/s`);
  if (total !== undefined && rate > 0 && total > done) words.push(`${clockTime((total - done) / rate)} left`);
  else words.push(clockTime(elapsed));
  return words.join('  ');
}

/** `0:07`, `12:34`, `1:02:03`. */
export function clockTime(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Runs `work` with a signal that Ctrl-C and SIGTERM abort: what is done piece by piece ends after the piece. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const cancel = new AbortController();
  const onSignal = (): void => cancel.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    return await work(cancel.signal);
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
