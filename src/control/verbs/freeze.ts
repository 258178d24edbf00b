import { E } from '../../system/errno.ts';
import type { RequestOf } from '../grammar/verbs.ts';
import { failed, NEEDS_PRIVILEGE, type Outcome, type VerbContext } from '../outcome.ts';

/** Seconds. */
const DEFAULT_TIMEOUT = 60;
const LONGEST_TIMEOUT = 3600;

export function freeze(
  { ports, asker }: VerbContext,
  values: RequestOf<'freeze'>,
  done: (outcome: Outcome<'freeze'>) => void,
): undefined {
  if (!asker.caller.privileged) return done(NEEDS_PRIVILEGE) as undefined;
  if (!ports.freezer) return done(failed(E.OPNOTSUPP)) as undefined;
  const ms = Math.min(values.timeout ?? DEFAULT_TIMEOUT, LONGEST_TIMEOUT) * 1000;
  const errno = ports.freezer.freeze(ms);
  if (errno === E.BUSY) return done(failed(errno, 'it is frozen already, or somebody reads the metadata')) as undefined;
  done(errno === 0 ? { reply: { timeout_ms: ms } } : failed(errno));
}

export function thaw(
  { ports, asker }: VerbContext,
  _values: RequestOf<'thaw'>,
  done: (outcome: Outcome<'thaw'>) => void,
): undefined {
  if (!asker.caller.privileged) return done(NEEDS_PRIVILEGE) as undefined;
  done(ports.freezer?.thaw() ? { reply: {} } : failed(E.INVAL, 'it is not frozen'));
}
