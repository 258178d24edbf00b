/**
 * Loaded before a daemon (`node --import`): breaks one promise of layout leases at a time, the one that the file
 * $LAYOUTFS_BROKEN names at the moment, so that the kit can be seen to miss none of them.
 */
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

const broken = (name) => readFileSync(process.env.LAYOUTFS_BROKEN, 'utf8').trim() === name;

/** Replaces a method while `name` is what is broken. */
function replace(prototype, method, name, other) {
  const right = prototype[method];
  prototype[method] = function (...args) {
    return broken(name) ? other.call(this, right, ...args) : right.apply(this, args);
  };
}

/** Lets an operation pass under a lease where the matrix says otherwise. */
function allow(row, column, name) {
  const right = row[column];
  Object.defineProperty(row, column, { get: () => (broken(name) ? [['A']] : right) });
}

if (isMainThread) {
  register();
  const load = (path) => import(new URL(`../../src/${path}`, import.meta.url).href);
  const { Ask } = await load('lease/ask.ts');
  const { Leases } = await load('lease/leases.ts');
  const { MATRICES } = await load('lease/policies.ts');
  const { ControlSession } = await load('control/session.ts');
  const { Core } = await load('lease/core.ts');

  replace(Ask.prototype, 'obstacles', 'grants whatever is asked for', () => []);
  for (const method of ['check', 'return_'])
    replace(Leases.prototype, method, 'takes an old seq', function (right, ref, ...rest) {
      return right.call(this, { ...ref, seq: undefined }, ...rest);
    });
  replace(Leases.prototype, 'sessionClosed', 'forgets leases of a closed session', () => {});
  replace(ControlSession.prototype, 'tell', 'tells no holder anything', () => {});
  replace(Core.prototype, 'refuse', 'refuses without a reason', function (right, refusal) {
    return right.call(this, { errno: refusal.errno, cause: refusal.cause, hint: '' });
  });
  allow(MATRICES.strict['write-append'], 'direct', 'lets others append');
  allow(MATRICES.strict.shrink, 'direct', 'truncates without asking');
}
