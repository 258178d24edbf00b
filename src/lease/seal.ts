/** seal and unseal: the persistent flag of the inode (leases.md section 2, rows 25 and 26). Idempotent. */
import { E } from '../system/errno.ts';
import type { Actor, Holder, Refused, Waiting } from './api.ts';
import { Breaking } from './breaking.ts';
import type { Core } from './core.ts';
import { ended, invalid, notFound, notPrivileged } from './explain.ts';
import { judge } from './judge.ts';
import type { RowName } from './rows.ts';

export type SealResult = { ok: true; sealed: number } | Refused;

function actorOf(by: Holder): Actor {
  return { uid: by.uid, gid: by.gid, pid: by.pid, fh: 0 };
}

function wholeFile(row: RowName) {
  return [{ row, offset: 0, length: Number.POSITIVE_INFINITY }];
}

export function seal(
  core: Core,
  ino: number,
  options: { unwrittenOk?: boolean; waitMs?: number },
  by: Holder,
  done: (result: SealResult) => void,
): Waiting | undefined {
  const attempt = (): SealResult | 'wait' => {
    const already = core.ports.map.sealed(ino);
    if (already !== 0) return { ok: true, sealed: already };
    const facts = core.ports.map.facts(ino, 0, Number.POSITIVE_INFINITY, 0);
    if (!facts) return core.refuse(notFound('no such file'));
    if (!facts.regular) return core.refuse(invalid('not regular', 'only regular files have a block map'));
    const cannot = (cause: string, hint: string) => core.refuse({ errno: E.NXIO, cause, hint });
    if (facts.hole) return cannot('hole', 'the file has holes: prepare it first');
    if (facts.shared) return cannot('shared', 'the file shares blocks with another: prepare unshares');
    if (facts.unwritten && !options.unwrittenOk)
      return cannot('unwritten', 'the file has unwritten blocks: prepare zeroes them, or unwritten_ok');
    const verdict = judge(core, ino, wholeFile('seal'), actorOf(by), true);
    if (!verdict.go) return verdict.wait ? 'wait' : core.refuse(verdict.refusal);
    const sealed = facts.unwritten ? 2 : 1;
    core.ports.map.setSealed(ino, sealed);
    core.ports.store.audit(core.wall(), by.uid, by.pid, 'seal', null, `ino ${ino}`);
    return { ok: true, sealed };
  };
  if (!by.privileged) {
    done(core.refuse(notPrivileged()));
    return undefined;
  }
  const first = attempt();
  if (first !== 'wait') {
    done(first);
    return undefined;
  }
  let finished = false;
  const finish = (result: SealResult) => {
    finished = true;
    done(result);
  };
  let waiting: Breaking | undefined;
  const wait = () => {
    const step = (errno: number) => {
      if (errno !== 0) {
        const verdict = errno === E.AGAIN ? judge(core, ino, wholeFile('seal'), actorOf(by), true) : undefined;
        const refusal = verdict && !verdict.go ? verdict.refusal : undefined;
        finish(core.refuse(refusal ?? ended(errno)));
        return;
      }
      const next = attempt();
      if (next === 'wait') wait();
      else finish(next);
    };
    waiting = new Breaking(core, ino, wholeFile('seal'), actorOf(by), 'seal', step, waiting);
    waiting.begin((options.waitMs ?? 0) <= 0, false);
  };
  wait();
  return finished ? undefined : { waiting: true, cancel: (errno) => waiting?.cancel(errno) };
}

export function unseal(core: Core, ino: number, by: Holder): { ok: true; sealed: 0 } | Refused {
  if (!by.privileged) return core.refuse(notPrivileged());
  if (core.ports.map.sealed(ino) === 0) return { ok: true, sealed: 0 };
  const verdict = judge(core, ino, wholeFile('unseal'), actorOf(by), true);
  if (!verdict.go) return core.refuse(verdict.refusal ?? ended(verdict.errno));
  core.ports.map.setSealed(ino, 0);
  core.ports.store.audit(core.wall(), by.uid, by.pid, 'unseal', null, `ino ${ino}`);
  return { ok: true, sealed: 0 };
}
