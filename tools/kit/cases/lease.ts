import { readFileSync, statSync } from 'node:fs';
import { accepted, type Case, granted, must, refused, SIZE } from '../case.ts';
import { Other } from '../surface.ts';

/** A lease from its grant to its end, and what it promises meanwhile. */
export const LEASE_CASES: readonly Case[] = [
  {
    name: 'get and return: a lease has an id and a seq, and is over after its return',
    verbs: ['get', 'return', 'map'],
    async run({ session, path }) {
      const s = session();
      const lease = granted(s.ask({ verb: 'get', path, kind: 'direct' }));
      must(lease.state === 'granted', `state is ${lease.state}`);
      must(s.ask({ verb: 'return', id: lease.id, seq: lease.seq }).reply?.ok === true, 'the return is refused');
      refused(s.ask({ verb: 'map', id: lease.id }), 'ENOENT', 'ESTALE');
    },
  },
  {
    name: 'map: the extents cover the range without gap or overlap, written, with uuid and path of the device',
    verbs: ['get', 'map'],
    async run({ session, path }) {
      const s = session();
      const { id } = granted(s.ask({ verb: 'get', path, kind: 'direct' }));
      const { reply } = s.ask({ verb: 'map', id });
      must(reply?.ok === true, 'map is refused');
      const { extents, device } = reply as unknown as {
        extents: Record<string, number | string>[];
        device: Record<string, string>;
      };
      must(typeof device?.uuid === 'string' && typeof device.path === 'string', 'no device in the reply');
      let at = 0;
      for (const extent of extents) {
        must(extent.offset === at, `a gap or an overlap at ${at}: ${JSON.stringify(extent)}`);
        must(extent.state === 'written', `an extent of a direct lease is ${extent.state}`);
        at += extent.length as number;
      }
      must(at >= SIZE, `the extents end at ${at}`);
    },
  },
  {
    name: 'map: what is on the device at an extent is what the file says',
    verbs: ['get', 'map'],
    async run({ session, path, file }) {
      const s = session();
      const { id } = granted(s.ask({ verb: 'get', path, kind: 'direct' }));
      const { reply } = s.ask({ verb: 'map', id });
      const { extents, device } = reply as unknown as { extents: Record<string, number>[]; device: { path: string } };
      const first = extents[0] as Record<string, number>;
      const content = readFileSync(file).subarray(0, 4096);
      const script = `tail -c +${(first.device as number) + 1} "${device.path}" | head -c 4096 | od -An -v -tx1 | tr -d ' \\n'`;
      const { said } = await new Other(script, file).end();
      must(said === content.toString('hex'), 'the device has other bytes');
    },
  },
  {
    name: 'direct: a write in place goes on, an append and an fallocate beyond the end get ETXTBSY and change nothing',
    verbs: ['get'],
    async run({ session, path, file }) {
      granted(session().ask({ verb: 'get', path, kind: 'direct' }));
      const inPlace = await new Other('dd if=/dev/zero of="$FILE" bs=4k count=1 conv=notrunc status=none', file).end();
      must(inPlace.code === 0, `a write in place: ${inPlace.said}`);
      for (const script of [
        'echo more | dd of="$FILE" oflag=append conv=notrunc status=none',
        'fallocate -o 1M -l 4096 "$FILE"',
      ]) {
        const { code, said } = await new Other(script, file).end();
        must(code !== 0 && said.includes('Text file busy'), `"${script}": exit ${code}, ${said}`);
      }
      must(statSync(file).size === SIZE, 'the size changed');
    },
  },
  {
    name: 'lifetime: closing the session ends its leases, and who waits goes on',
    verbs: ['get'],
    async run({ session, path, file }) {
      const s = session();
      granted(s.ask({ verb: 'get', path, kind: 'direct' }));
      const breaker = new Other('truncate -s 0 "$FILE"', file);
      await s.event('recall');
      s.close();
      must((await breaker.end()).code === 0 && statSync(file).size === 0, 'the truncate did not complete');
    },
  },
  {
    name: 'seq: a verb with an old one is ESTALE and changes nothing',
    verbs: ['get', 'return', 'map'],
    async run({ session, path }) {
      const s = session();
      const lease = granted(s.ask({ verb: 'get', path, kind: 'direct' }));
      refused(s.ask({ verb: 'return', id: lease.id, seq: lease.seq - 1 }), 'ESTALE');
      must(s.ask({ verb: 'map', id: lease.id }).reply?.ok === true, 'the lease is gone');
    },
  },
  {
    name: 'commit and seal: done twice is done once; a sealed file refuses truncate, unsealed it takes it',
    verbs: ['get', 'commit', 'return', 'seal', 'unseal'],
    async run({ session, path, file }) {
      const s = session();
      const { id } = granted(s.ask({ verb: 'get', path, kind: 'direct' }));
      for (let i = 0; i < 2; i++) {
        const { reply } = s.ask({ verb: 'commit', id, ranges: [{ offset: 0, length: 4096 }] });
        must(reply?.ok === true, `commit: ${JSON.stringify(reply)}`);
      }
      s.ask({ verb: 'return', id });
      for (let i = 0; i < 2; i++) must(s.ask({ verb: 'seal', path }).reply?.ok === true, 'seal is refused');
      const { code, said } = await new Other('truncate -s 0 "$FILE"', file).end();
      must(code !== 0 && /Text file busy|not permitted/.test(said), `truncate of a sealed file: exit ${code}, ${said}`);
      for (let i = 0; i < 2; i++) must(s.ask({ verb: 'unseal', path }).reply?.ok === true, 'unseal is refused');
      must((await new Other('truncate -s 0 "$FILE"', file).end()).code === 0, 'truncate after the unseal');
    },
  },
  {
    name: 'holes: a direct lease on one is refused with ENXIO',
    verbs: ['get'],
    async run({ session, path, file }) {
      must((await new Other('truncate -s 2M "$FILE"', file).end()).code === 0, 'truncate');
      refused(session().ask({ verb: 'get', path, kind: 'direct' }), 'ENXIO');
    },
  },
  {
    name: 'ranges: leases of the two halves do not meet; one may be returned and the other lives on',
    verbs: ['get', 'return', 'map'],
    async run({ session, path }) {
      const [a, b] = [session(), session()];
      const half = SIZE / 2;
      const low = granted(a.ask({ verb: 'get', path, kind: 'exclusive', offset: 0, length: half }));
      const high = granted(b.ask({ verb: 'get', path, kind: 'exclusive', offset: half, length: half }));
      refused(b.ask({ verb: 'get', path, kind: 'exclusive', offset: half - 4096, length: 8192 }), 'EAGAIN', 'EBUSY');
      accepted(a.ask({ verb: 'return', id: low.id, seq: low.seq }));
      accepted(b.ask({ verb: 'map', id: high.id }));
    },
  },
  {
    name: 'return: a range out of the middle leaves two leases',
    verbs: ['get', 'return', 'map'],
    async run({ session, path }) {
      const s = session();
      const { id } = granted(s.ask({ verb: 'get', path, kind: 'direct' }));
      const reply = accepted(s.ask({ verb: 'return', id, offset: 262144, length: 262144 }));
      must(typeof reply.rest === 'number' && reply.rest !== id, `no second lease: ${JSON.stringify(reply)}`);
      for (const lease of [id, reply.rest as number]) accepted(s.ask({ verb: 'map', id: lease }));
    },
  },
  {
    name: 'sub-leases: a parent with one is EBUSY, unless the return cascades',
    verbs: ['get', 'return', 'map'],
    async run({ session, path }) {
      const s = session();
      const parent = granted(s.ask({ verb: 'get', path, kind: 'direct' }));
      const child = granted(s.ask({ verb: 'get', path, kind: 'direct', parent: parent.id, offset: 0, length: 4096 }));
      refused(s.ask({ verb: 'return', id: parent.id }), 'EBUSY');
      accepted(s.ask({ verb: 'return', id: parent.id, cascade: true }));
      refused(s.ask({ verb: 'map', id: child.id }), 'ENOENT', 'ESTALE');
    },
  },
  {
    name: 'unbreakable: a truncate gets ETXTBSY at once and changes nothing',
    verbs: ['get'],
    async run({ session, path, file }) {
      const s = session();
      granted(s.ask({ verb: 'get', path, kind: 'direct', unbreakable: true }));
      const { code, said } = await new Other('truncate -s 0 "$FILE"', file).end();
      must(code !== 0 && said.includes('Text file busy'), `truncate: exit ${code}, ${said}`);
      must(statSync(file).size === SIZE, 'the size changed');
      must(!s.heard('recall'), 'the holder was disturbed');
    },
  },
  {
    name: 'layout rw: alloc fills a hole durably, commit grows the file and never shrinks it',
    verbs: ['get', 'alloc', 'commit', 'map'],
    async run({ session, path, file }) {
      must((await new Other('truncate -s 0 "$FILE"', file).end()).code === 0, 'truncate');
      const s = session();
      const { id } = granted(s.ask({ verb: 'get', path, kind: 'layout', mode: 'rw' }));
      accepted(s.ask({ verb: 'alloc', id, offset: 0, length: 65536, keep_size: true }));
      accepted(s.ask({ verb: 'commit', id, offset: 0, length: 65536, size: 65536 }));
      must(statSync(file).size === 65536, `the file has ${statSync(file).size} bytes`);
      accepted(s.ask({ verb: 'commit', id, offset: 0, length: 4096, size: 4096 }));
      must(statSync(file).size === 65536, 'a commit cut the file');
    },
  },
  {
    name: 'downgrade and upgrade: exclusive becomes direct at once; back, it is not dropped when somebody is in the way',
    verbs: ['get', 'downgrade', 'upgrade', 'map'],
    async run({ session, path }) {
      const [a, b] = [session(), session()];
      const lease = granted(a.ask({ verb: 'get', path, kind: 'exclusive' }));
      refused(b.ask({ verb: 'get', path, kind: 'direct' }), 'EAGAIN');
      must(
        accepted(a.ask({ verb: 'downgrade', id: lease.id, kind: 'direct' })).kind === 'direct',
        'not a direct lease',
      );
      granted(b.ask({ verb: 'get', path, kind: 'direct' }));
      refused(a.ask({ verb: 'upgrade', id: lease.id, kind: 'exclusive' }), 'EAGAIN', 'EDEADLK');
      accepted(a.ask({ verb: 'map', id: lease.id }));
    },
  },
  {
    name: 'named: lives on without its session, and is reclaimed by its secret only',
    verbs: ['get', 'renew', 'reclaim', 'return'],
    async run({ session, path }) {
      const name = `kit${path.replaceAll('/', '-')}`;
      const first = session();
      const { id } = granted(
        first.ask({ verb: 'get', path, kind: 'direct', bind: 'named', name, secret: 'open sesame' }),
      );
      accepted(first.ask({ verb: 'renew', id, secret: 'open sesame' }));
      first.close();
      const second = session();
      refused(second.ask({ verb: 'reclaim', name, secret: 'wrong' }), 'EACCES', 'EPERM');
      const mine = accepted(second.ask({ verb: 'reclaim', name, secret: 'open sesame' }));
      must(mine.id === id, `another lease: ${mine.id}`);
      accepted(second.ask({ verb: 'return', id }));
    },
  },
];
