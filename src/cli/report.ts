import { errnoMessage, errnoName } from '../system/errno.ts';
import { CommandError, EXIT, exitOfErrno } from './exit.ts';

/** What went wrong, in one form for the message, the JSON and the exit code. */
export interface Failure {
  exit: number;
  errno: string | undefined;
  message: string;
  /** Fields of a refusal of the daemon: lease, holder, range, hint … */
  details?: Record<string, unknown>;
  /** Shown for a defect only. */
  stack?: string;
}

/** Codes of VolumeError, except SYSTEM, which has an errno. */
const VOLUME_CODES: Record<string, number> = {
  BUSY: EXIT.busy,
  EXISTS: EXIT.busy,
  NOT_A_VOLUME: EXIT.unfit,
  DAMAGED: EXIT.io,
  MISMATCH: EXIT.io,
  TOO_NEW: EXIT.unsupported,
  READ_ONLY_ONLY: EXIT.unsupported,
  INVALID: EXIT.usage,
};

/**
 * Everything that a command may throw: CommandError; errors of Node (`code: 'ENOENT'`); of the volume and the client
 * (`errno` as a number or a name); and whatever else, which is a defect of ours.
 */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommandError) return { exit: error.exit, errno: error.errno, message: error.message };
  if (!(error instanceof Error)) return { exit: EXIT.bug, errno: undefined, message: String(error) };
  const { code, errno, refusal } = error as { code?: unknown; errno?: unknown; refusal?: Record<string, unknown> };
  const volume = typeof code === 'string' ? VOLUME_CODES[code] : undefined;
  if (volume !== undefined) {
    return { exit: volume, errno: undefined, message: error.message, ...(refusal && { details: refusal }) };
  }
  const name = [errno, code].map(nameOfErrno).find((each) => each !== undefined);
  if (name !== undefined) {
    return { exit: exitOfErrno(name), errno: name, message: error.message, ...(refusal && { details: refusal }) };
  }
  // Errors of the layers below carry a stable code of their own; what has none was not foreseen by anybody.
  if (typeof code === 'string' && !code.startsWith('ERR_'))
    return { exit: EXIT.failed, errno: undefined, message: error.message };
  return { exit: EXIT.bug, errno: undefined, message: error.message, ...(error.stack && { stack: error.stack }) };
}

function nameOfErrno(value: unknown): string | undefined {
  if (typeof value === 'string' && /^E[A-Z0-9]+$/.test(value) && !value.startsWith('ERR')) return value;
  if (typeof value === 'number' && value !== 0) {
    const name = errnoName(Math.abs(value));
    return /^E[A-Z0-9]+$/.test(name) ? name : undefined;
  }
  return undefined;
}

/** Prints a failure as the user asked for it. Gives the exit code. */
export function report(program: string, failure: Failure, json: boolean): number {
  const { exit, errno, message, details, stack } = failure;
  if (json) {
    process.stdout.write(`${JSON.stringify({ ok: false, errno: errno ?? null, exit, message, ...details })}\n`);
    return exit;
  }
  process.stderr.write(`${program}: ${message}\n`);
  if (exit === EXIT.bug) process.stderr.write(`${stack ?? ''}\nThis is a defect of layoutfs: please report it.\n`);
  return exit;
}

/** `Text file busy (ETXTBSY)`. */
export function describeErrno(errno: number): string {
  return `${errnoMessage(errno)} (${errnoName(errno)})`;
}
