import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { accepted, type Case, granted, must, refused, SIZE } from '../case.ts';
import { type Line, Other } from '../surface.ts';

/** Lines and replies, and the verbs on files that no lease is needed for. */
export const SURFACE_CASES: readonly Case[] = [
  {
    name: 'malformed lines: EINVAL or ENOSYS from the write itself, and the session goes on',
    verbs: ['get'],
    async run({ session, path }) {
      const s = session();
      refused(s.ask({ verb: 'frobnicate' }), 'ENOSYS');
      refused(s.ask({ verb: 'get', path, kind: 'nonsense' }), 'EINVAL');
      refused(s.ask({ verb: 'get', path, kind: 'direct', offset: -1 }), 'EINVAL');
      must(s.ask('{"verb":').wrote === 'EINVAL', 'half an object is taken');
      must(
        s.ask({ verb: 'get', path: '/there/is/none', kind: 'direct' }).wrote === 'ENOENT',
        'a file that is not there',
      );
      granted(s.ask({ verb: 'get', path, kind: 'direct' }));
    },
  },
  {
    name: 'forms: the plain form is answered in the plain form, a tag comes back, a quoted path is the path',
    verbs: ['get', 'return'],
    async run({ session, path }) {
      const s = session();
      const plain = s.say(`get path="${path}" kind=direct range=0-64k tag=17`);
      must(/^ok .*\btag=17\b/.test(plain) && /\bid=\d+/.test(plain), `the reply is "${plain}"`);
      const id = Number(/\bid=(\d+)/.exec(plain)?.[1]);
      const reply = accepted(s.ask({ verb: 'return', id, tag: 18 }));
      must(reply.tag === 18, `the tag is ${reply.tag}`);
    },
  },
  {
    name: 'refusals explain themselves: errno, the lease in the way, its holder, and a hint',
    verbs: ['get'],
    async run({ session, path }) {
      const holder = session();
      const { id } = granted(holder.ask({ verb: 'get', path, kind: 'exclusive' }));
      const why = refused(session().ask({ verb: 'get', path, kind: 'direct' }), 'EAGAIN');
      must(why.lease === id, `names lease ${why.lease}`);
      must((why.holder as Line | undefined)?.pid === process.pid, `names ${JSON.stringify(why.holder)}`);
      must(typeof why.hint === 'string' && why.hint !== '', 'no hint');
    },
  },
  {
    name: 'long lines: more than 64 KiB is EMSGSIZE, and the session goes on',
    verbs: ['get'],
    async run({ session, path }) {
      const s = session();
      must(s.ask(`get path=${'x'.repeat(70_000)}`).wrote === 'EMSGSIZE', 'a line of 70,000 bytes');
      granted(s.ask({ verb: 'get', path, kind: 'direct' }));
    },
  },
  {
    name: 'unknown leases are ENOENT for every verb of a holder',
    verbs: ['return', 'ack', 'delay', 'downgrade', 'upgrade', 'commit', 'alloc', 'bind'],
    async run({ session }) {
      const s = session();
      const id = 999_999_999;
      for (const request of [
        { verb: 'return' },
        { verb: 'ack' },
        { verb: 'delay', for: 1 },
        { verb: 'downgrade', kind: 'layout' },
        { verb: 'upgrade', kind: 'exclusive' },
        { verb: 'commit', offset: 0, length: 4096 },
        { verb: 'alloc', offset: 0, length: 4096 },
        { verb: 'bind', handle: 1 },
      ])
        refused(s.ask({ ...request, id }), 'ENOENT');
    },
  },
  {
    name: 'prepare: a hole becomes written blocks, the file grows when asked to; a second one has nothing to do',
    verbs: ['prepare', 'map'],
    async run({ session, path, file }) {
      must((await new Other('truncate -s 0 "$FILE"', file).end()).code === 0, 'truncate');
      const s = session();
      const request = { verb: 'prepare', path, offset: 0, length: 262144, extend: true };
      must(accepted(s.ask(request)).changed === true, 'nothing changed');
      must(statSync(file).size === 262144, `the file has ${statSync(file).size} bytes`);
      must(
        readFileSync(file).every((byte) => byte === 0),
        'new blocks show old bytes',
      );
      must(accepted(s.ask(request)).changed === false, 'changed again');
      const map = accepted(s.ask({ verb: 'map', path })) as unknown as { observation?: boolean; extents: Line[] };
      must(map.observation === true, 'a map without a lease does not say that it promises nothing');
      must(
        map.extents.every(({ state }) => state === 'written'),
        JSON.stringify(map.extents),
      );
    },
  },
  {
    name: 'clone, relocate, collapse, insert: contents are right after each, and shared blocks refuse a direct lease until prepared',
    verbs: ['clone', 'relocate', 'collapse', 'insert', 'get', 'prepare'],
    async run({ session, path, file }) {
      const s = session();
      const before = readFileSync(file);
      const copy = `${file}-clone`;
      writeFileSync(copy, '');
      try {
        accepted(s.ask({ verb: 'clone', path, to: `${path}-clone` }));
        must(readFileSync(copy).equals(before), 'the clone differs');
        refused(s.ask({ verb: 'get', path, kind: 'direct' }), 'ENXIO');
        accepted(s.ask({ verb: 'prepare', path, offset: 0, length: SIZE }));
        const lease = granted(s.ask({ verb: 'get', path, kind: 'direct' }));
        accepted(s.ask({ verb: 'return', id: lease.id }));
      } finally {
        await new Other('rm -f "$FILE"', copy).end();
      }
      accepted(s.ask({ verb: 'relocate', path }));
      must(readFileSync(file).equals(before), 'relocate changed the contents');
      accepted(s.ask({ verb: 'collapse', path, offset: 0, length: 65536 }));
      must(readFileSync(file).equals(before.subarray(65536)), 'collapse');
      accepted(s.ask({ verb: 'insert', path, offset: 0, length: 65536 }));
      must(readFileSync(file).equals(Buffer.concat([Buffer.alloc(65536), before.subarray(65536)])), 'insert');
    },
  },
  {
    name: 'drain: moves blocks out of a range of the device, but not those of an unbreakable lease, which it lists',
    verbs: ['drain', 'map', 'get'],
    async run({ session, path, file }) {
      const s = session();
      const before = readFileSync(file);
      const { id } = granted(s.ask({ verb: 'get', path, kind: 'direct', unbreakable: true }));
      const { extents } = accepted(s.ask({ verb: 'map', id })) as unknown as {
        extents: { device: number; length: number }[];
      };
      const [{ device, length }] = extents as [{ device: number; length: number }];
      const { reply } = s.ask({ verb: 'drain', offset: device, length });
      must(JSON.stringify(reply).includes(`"lease":${id}`), `does not name lease ${id}: ${JSON.stringify(reply)}`);
      must(readFileSync(file).equals(before), 'the contents changed');
    },
  },
  {
    name: 'policy and quarantine: tables that anybody may read',
    verbs: ['policy', 'quarantine'],
    async run({ session }) {
      const s = session();
      const rows = Object.values(accepted(s.ask({ verb: 'policy' }))).find(Array.isArray);
      must(rows !== undefined && rows.length > 20, 'the policy has no table');
      must(typeof accepted(s.ask({ verb: 'quarantine' })).bytes === 'number', 'quarantine does not say how much');
    },
  },
  {
    name: 'the directory: version, leases, waiters, quarantine, stats and events are there and can be read',
    verbs: ['get'],
    async run({ session, path, ctl }) {
      const { id } = granted(session().ask({ verb: 'get', path, kind: 'direct' }));
      const text = (name: string): string => readFileSync(join(dirname(ctl), name), 'utf8');
      must(/^protocol \d+$/m.test(text('version')), 'version has no line "protocol N"');
      must(new RegExp(`\\b${id}\\b`).test(text('leases')), 'leases does not show the lease');
      for (const name of ['waiters', 'quarantine']) text(name);
      must(/^# TYPE \S+ /m.test(text('stats')), 'stats is not in the text format of Prometheus');
      must(statSync(join(dirname(ctl), 'events')).isFile(), 'events is no file');
    },
  },
];
