import type { Request } from './request.ts';
import { traceReply, traceRequest } from './trace.ts';

/** Sees what comes and what goes in a session: a trace for eyes, a recording to be replayed. */
export interface Watcher {
  /** A message, before it is judged. */
  request(request: Request): void;
  /** A reply, about to leave: `error` positive or 0, `length` bytes of payload in the reply area. */
  reply(request: Request, error: number, length: number): void;
  /** The session is over. */
  end?(): void;
}

/** A line of text for each. */
export function traceTo(write: (line: string) => void): Watcher {
  return {
    request: (request) => write(traceRequest(request)),
    reply: (request, error, length) => write(traceReply(request, error, length)),
  };
}

/** One for all of them; undefined for none. */
export function watchers(...all: (Watcher | undefined)[]): Watcher | undefined {
  const [first, second, ...more] = all.filter((each) => each !== undefined);
  if (first === undefined || second === undefined) return first;
  const both: Watcher = {
    request: (request) => {
      first.request(request);
      second.request(request);
    },
    reply: (request, error, length) => {
      first.reply(request, error, length);
      second.reply(request, error, length);
    },
    end: () => {
      first.end?.();
      second.end?.();
    },
  };
  return watchers(both, ...more);
}
