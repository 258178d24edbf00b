import { E, errnoName } from '../system/errno.ts';
import type { ReplyOf, VerbName } from './grammar/verbs.ts';
import type { Caller, ControlPorts, LeaseRefusal, Pending } from './ports.ts';
import type { Windows } from './windows.ts';

/** Why a verb was not done, in the terms of the engine; written to the session by the grammar. */
export interface Failure {
  errno: number;
  hint?: string;
  column?: number;
  refusal?: LeaseRefusal;
}

/** How a verb ended. */
export type Outcome<V extends VerbName = VerbName> = { reply: ReplyOf<V> } | { failure: Failure };

/** Who asks, and in which session (0: none, as by ioctl on a data file). */
export interface Asker {
  readonly session: number;
  readonly caller: Caller;
  /** The data file's handle by which it was asked (ioctl), else 0. */
  readonly handle: number;
  /**
   * Hears, in the turn in which it was done, how a verb will end once that is on the disk: then `done` will be called with
   * that outcome.
   */
  readonly settled?: (outcome: Outcome, done: (outcome: Outcome) => void) => void;
}

/** What a verb works with. */
export interface VerbContext {
  readonly ports: ControlPorts;
  readonly windows: Windows;
  readonly asker: Asker;
}

/** `done` is called exactly once, in this turn or later; with a Pending returned, the verb waits and can be cancelled. */
export type Action<V extends VerbName, Values> = (
  context: VerbContext,
  values: Values,
  done: (outcome: Outcome<V>) => void,
) => Pending | undefined;

export function failed(errno: number, hint?: string): { failure: Failure } {
  return { failure: { errno, hint } };
}

/** A refusal of the lease engine. */
export function refused(errno: number, refusal?: LeaseRefusal): { failure: Failure } {
  return { failure: { errno, hint: refusal?.hint, refusal } };
}

/**
 * In the turn in which a verb was done: a daemon that takes over must not do it again, whatever it still has to wait for
 * (`durably` then says the same once more).
 */
export function settle<V extends VerbName>(
  { asker }: VerbContext,
  reply: ReplyOf<V>,
  done: (outcome: Outcome<V>) => void,
): void {
  asker.settled?.({ reply }, done as (outcome: Outcome) => void);
}

/** The reply goes out once all metadata of this turn is on disk (leases.md I16). */
export function durably<V extends VerbName>(
  context: VerbContext,
  reply: ReplyOf<V>,
  done: (outcome: Outcome<V>) => void,
): void {
  settle(context, reply, done);
  context.ports.commits.whenMetadataDurable((errno) => done(errno === 0 ? { reply } : lostDisk(errno)));
}

/** As `durably`, for verbs that also wrote file data. */
export function durablyWithData<V extends VerbName>(
  context: VerbContext,
  reply: ReplyOf<V>,
  done: (outcome: Outcome<V>) => void,
): void {
  settle(context, reply, done);
  context.ports.commits.whenDurable((errno) => done(errno === 0 ? { reply } : lostDisk(errno)));
}

function lostDisk(errno: number): { failure: Failure } {
  return failed(errno, `it was done but is not on disk (${errnoName(errno)}): see the log of the daemon`);
}

/** The errno of `Coherence.drop` in a verb that needs dirty pages on the device first: nothing was done. */
export function notFlushed(errno: number): { failure: Failure } {
  return failed(errno, 'stored bytes cannot be written yet: an operation that waits for a lease keeps them');
}

/** The errno of `Coherence.drop` in a verb that has done its work: what readers of the file can still see. */
export function stillCached(errno: number): { failure: Failure } {
  return failed(errno, 'it was done and is kept, but an operation that waits for a lease holds pages with older bytes');
}

export const NEEDS_PRIVILEGE = failed(E.PERM, 'an administrator (root, or the user of the daemon) may do this');
