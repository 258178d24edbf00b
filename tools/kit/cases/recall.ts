import { statSync } from 'node:fs';
import { accepted, type Case, granted, must, refused, SIZE } from '../case.ts';
import { type Line, Other, pause } from '../surface.ts';

/** Who wants what from whom, and what becomes of both. */
export const RECALL_CASES: readonly Case[] = [
  {
    name: 'recall: a truncate waits; the holder hears who and why, answers through the session, and the truncate completes',
    verbs: ['get', 'return'],
    async run({ session, path, file }) {
      const s = session();
      const lease = granted(s.ask({ verb: 'get', path, kind: 'direct' }));
      const breaker = new Other('truncate -s 4096 "$FILE"', file);
      const event = await s.event('recall');
      must(event.lease === lease.id, `the event is of lease ${event.lease}`);
      must((event.seq as number) > lease.seq, `seq did not rise: ${event.seq}`);
      must(typeof event.deadline_ms === 'number' && event.deadline_ms > 0, `no deadline: ${event.deadline_ms}`);
      must((event.breaker as Line | undefined)?.command === 'truncate', `breaker: ${JSON.stringify(event.breaker)}`);
      await pause(100);
      must(breaker.running && statSync(file).size === SIZE, 'the truncate did not wait');
      refused(s.ask({ verb: 'return', id: lease.id, seq: lease.seq }), 'ESTALE');
      must(s.ask({ verb: 'return', id: lease.id, seq: event.seq }).reply?.ok === true, 'the return is refused');
      must((await breaker.end()).code === 0, 'the truncate failed');
      must(statSync(file).size === 4096, 'the truncate did nothing');
    },
  },
  {
    name: 'recall: nobody gets a conflicting lease while one is recalled',
    verbs: ['get', 'return'],
    async run({ session, path, file }) {
      const holder = session();
      granted(holder.ask({ verb: 'get', path, kind: 'direct' }));
      const breaker = new Other('truncate -s 0 "$FILE"', file);
      await holder.event('recall');
      refused(session().ask({ verb: 'get', path, kind: 'direct' }), 'EAGAIN', 'EBUSY', 'ETXTBSY');
      holder.close();
      must((await breaker.end()).code === 0, 'the truncate failed after the end of the session');
    },
  },
  {
    name: 'recall: one only, however many wait; all of them go on with the return',
    verbs: ['get', 'return'],
    async run({ session, path, file }) {
      const s = session();
      const { id } = granted(s.ask({ verb: 'get', path, kind: 'direct' }));
      const breakers = [1, 2, 3].map(() => new Other('truncate -s 8192 "$FILE"', file));
      const event = await s.event('recall');
      await pause(200);
      must(!s.heard('recall'), 'a second recall of the same lease');
      accepted(s.ask({ verb: 'return', id, seq: event.seq }));
      for (const breaker of breakers) must((await breaker.end()).code === 0, 'one of them failed');
    },
  },
  {
    name: 'delay: moves the deadline of a recall, and only of a recall',
    verbs: ['get', 'delay', 'return'],
    async run({ session, path, file }) {
      const s = session();
      const { id } = granted(s.ask({ verb: 'get', path, kind: 'direct' }));
      must(s.ask({ verb: 'delay', id, for: 1 }).reply?.ok === false, 'a delay without a recall is accepted');
      const breaker = new Other('truncate -s 0 "$FILE"', file);
      const event = await s.event('recall');
      const { deadline_ms } = accepted(s.ask({ verb: 'delay', id, for: 20 }));
      must((deadline_ms as number) > (event.deadline_ms as number), `the deadline is ${deadline_ms} ms`);
      accepted(s.ask({ verb: 'return', id }));
      must((await breaker.end()).code === 0, 'the truncate failed');
    },
  },
  {
    name: 'break: starts the recall on request and says of how many leases',
    verbs: ['get', 'break', 'return'],
    async run({ session, path }) {
      const [holder, other] = [session(), session()];
      const { id } = granted(holder.ask({ verb: 'get', path, kind: 'direct' }));
      must(accepted(other.ask({ verb: 'break', path })).recalled === 1, 'not one lease recalled');
      must((await holder.event('recall')).lease === id, 'of another lease');
      accepted(holder.ask({ verb: 'return', id }));
      must(accepted(other.ask({ verb: 'break', path })).recalled === 0, 'recalled what is over');
    },
  },
  {
    name: 'revoke and expire: the holder of a guarded lease is out at once; its verbs are ESTALE, its ack ends the tombstone',
    verbs: ['get', 'revoke', 'expire', 'ack', 'map'],
    async run({ session, path }) {
      const [holder, root] = [session(), session()];
      const { id } = granted(holder.ask({ verb: 'get', path, kind: 'direct' }));
      accepted(root.ask({ verb: 'revoke', id, reason: 'kit' }));
      await holder.event('recall');
      accepted(root.ask({ verb: 'expire', id }));
      await holder.event('revoked');
      refused(holder.ask({ verb: 'map', id }), 'ESTALE', 'ENOENT');
      granted(root.ask({ verb: 'get', path, kind: 'exclusive' }));
      accepted(holder.ask({ verb: 'ack', id }));
    },
  },
  {
    name: 'wait: a queued get is granted when the one in the way is returned',
    verbs: ['get', 'return'],
    async run({ session, path, ctl }) {
      const holder = session();
      const { id } = granted(holder.ask({ verb: 'get', path, kind: 'exclusive' }));
      // In a process of its own: the write lasts as long as the wait.
      const queued = new Other(
        `exec 3<> "$FILE"; echo "get path=${path} kind=direct wait=20" >&3 && head -n 1 <&3 2>/dev/null`,
        ctl,
      );
      await pause(300);
      must(queued.running, 'it did not wait');
      accepted(holder.ask({ verb: 'return', id }));
      const { code, said } = await queued.end();
      must(code === 0 && said.startsWith('ok '), `exit ${code}: ${said}`);
    },
  },
  {
    name: 'all or nothing: an operation that one lease forbids recalls none of the others',
    verbs: ['get'],
    async run({ session, path, file }) {
      const [soft, hard] = [session(), session()];
      granted(soft.ask({ verb: 'get', path, kind: 'direct', offset: 524288, length: 4096 }));
      granted(hard.ask({ verb: 'get', path, kind: 'direct', unbreakable: true, offset: 0, length: 4096 }));
      const { code } = await new Other('truncate -s 0 "$FILE"', file).end();
      must(code !== 0 && statSync(file).size === SIZE, 'the truncate was done');
      must(!soft.heard('recall'), 'the other holder was recalled for nothing');
    },
  },
  {
    name: 'why: says who would be in the way, before anything is tried',
    verbs: ['get', 'why', 'ls'],
    async run({ session, path }) {
      const [holder, other] = [session(), session()];
      const { id } = granted(holder.ask({ verb: 'get', path, kind: 'direct' }));
      const why = accepted(other.ask({ verb: 'why', path, operation: 'shrink' }));
      must(JSON.stringify(why).includes(`"lease":${id}`), `the lease is not named: ${JSON.stringify(why)}`);
      must(!holder.heard('recall'), 'the question recalled somebody');
      const { leases } = accepted(other.ask({ verb: 'ls', path })) as unknown as { leases: Line[] };
      must(leases.length === 1 && leases[0]?.id === id, `ls: ${JSON.stringify(leases)}`);
    },
  },
];
