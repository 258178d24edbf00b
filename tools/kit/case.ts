import type { Answer, Line, Surface } from './surface.ts';

/** What a case works with: a file of 1 MiB, written and synced, on the mount; its name there; and sessions. */
export interface World {
  /** On the host. */
  file: string;
  /** On the mount: `path` of requests. */
  path: string;
  /** The control file, on the host. */
  ctl: string;
  session(): Surface;
}

export interface Case {
  name: string;
  /** Verbs of the protocol that it tries. */
  verbs: readonly string[];
  run(world: World): Promise<void>;
}

export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** The reply must be a grant. */
export function granted({ wrote, reply }: Answer): Line & { id: number; seq: number } {
  must(wrote === '' && reply?.ok === true, `should be granted: ${wrote} ${JSON.stringify(reply)}`);
  must(
    typeof reply.id === 'number' && typeof reply.seq === 'number',
    `a reply without id and seq: ${JSON.stringify(reply)}`,
  );
  return reply as Line & { id: number; seq: number };
}

/** Reply and write(2) must say one of these errnos. */
export function refused({ wrote, reply }: Answer, ...errnos: string[]): Line {
  must(reply !== undefined && reply.ok === false, `should be refused: ${JSON.stringify(reply)}`);
  must(errnos.includes(String(reply.errno)), `refused with ${reply.errno}, not ${errnos.join(' or ')}`);
  must(wrote === reply.errno, `write(2) says ${wrote || 'all is well'}, the reply ${reply.errno}`);
  return reply;
}

/** The reply must be a success. */
export function accepted({ wrote, reply }: Answer): Line {
  must(wrote === '' && reply?.ok === true, `should be done: ${wrote} ${JSON.stringify(reply)}`);
  return reply;
}

/** Bytes of the file that a case works on. */
export const SIZE = 1 << 20;
