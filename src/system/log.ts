/**
 * What a daemon says of itself: one line a message, as logfmt or JSON, with time, level and the part that speaks. Below
 * the level that was asked for nothing is made. The one place where messages of a mount are written.
 */

/** The most serious first. `trace` is a line for every request (`-o trace`). */
export const LEVELS = ['error', 'warning', 'notice', 'info', 'debug', 'trace'] as const;
export type Level = (typeof LEVELS)[number];

export const FORMATS = ['text', 'json'] as const;
export type LogFormat = (typeof FORMATS)[number];

export type LogFields = Record<string, string | number | boolean | null | undefined>;

/** How the layers below say something: they know neither format nor level. */
export type Tell = (level: Level, message: string, fields?: LogFields) => void;

export interface LogOptions {
  /** The least serious level that is written. */
  level: Level;
  format: LogFormat;
  /** Takes a line with its newline. */
  write: (line: string) => void;
  /** Wall clock, ms since 1970. */
  now?: () => number;
}

export class Log {
  private readonly options: LogOptions;
  private readonly least: number;

  constructor(options: LogOptions) {
    this.options = options;
    this.least = LEVELS.indexOf(options.level);
  }

  enables(level: Level): boolean {
    return LEVELS.indexOf(level) <= this.least;
  }

  /** `part`: who speaks: mount, lease, fuse, supervisor. Fields that are undefined are left out. */
  write(part: string, level: Level, message: string, fields: LogFields = {}): void {
    if (!this.enables(level)) return;
    const { format, write, now = Date.now } = this.options;
    if (level === 'trace' && format === 'text') return write(`${message}\n`); // for eyes alone
    const line = { time: new Date(now()).toISOString(), level, part, message, ...fields };
    write(`${format === 'json' ? JSON.stringify(line) : logfmt(line)}\n`);
  }

  /** The same for one part, to be handed to it. */
  of(part: string): Tell {
    return (level, message, fields) => this.write(part, level, message, fields);
  }

  /** A defect: with its stack, on one line as everything else. */
  defect(part: string, message: string, error?: unknown): void {
    const stack = error instanceof Error ? error.stack : error === undefined ? undefined : String(error);
    this.write(part, 'error', message, { stack });
  }
}

/** `key=value` pairs; a value that has something else than plain characters is quoted as in JSON. */
export function logfmt(fields: LogFields): string {
  const words: string[] = [];
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const text = String(value);
    words.push(`${key}=${/^[\w.:/@%+,-]+$/.test(text) ? text : JSON.stringify(text)}`);
  }
  return words.join(' ');
}
