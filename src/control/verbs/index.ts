import type { RequestOf, VerbName } from '../grammar/verbs.ts';
import type { Action } from '../outcome.ts';
import { break_, inject, ls, policy, quarantine, why } from './ask.ts';
import { alloc, commit, map } from './extents.ts';
import { clone, collapse, drain, insert, relocate, seal, unseal } from './files.ts';
import { freeze, thaw } from './freeze.ts';
import { ack, bind, delay, downgrade, expire, get, reclaim, renew, return_, revoke, upgrade } from './lease.ts';
import { prepare } from './prepare.ts';

/** What does each verb of the grammar; a verb without an action does not compile. */
export const ACTIONS: { [V in VerbName]: Action<V, RequestOf<V>> } = {
  get,
  return: return_,
  ack,
  delay,
  downgrade,
  upgrade,
  renew,
  reclaim,
  bind,
  map,
  alloc,
  commit,
  prepare,
  seal,
  unseal,
  clone,
  collapse,
  insert,
  relocate,
  drain,
  break: break_,
  revoke,
  expire,
  quarantine,
  policy,
  why,
  ls,
  inject,
  freeze,
  thaw,
};
