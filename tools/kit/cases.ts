import { readFileSync, statSync } from 'node:fs';
import { type Answer, type Line, Other, pause, type Surface } from './surface.ts';

/** What a case works with: a file of 1 MiB, written and synced, on the mount; its name there; and sessions. */
export interface World {
  /** On the host. */
  file: string;
  /** On the mount: `path` of requests. */
  path: string;
  session(): Surface;
}

export interface Case {
  name: string;
  run(world: World): Promise<void>;
}

export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

function granted({ wrote, reply }: Answer): Line & { id: number; seq: number } {
  must(wrote === '' && reply?.ok === true, `should be granted: ${wrote} ${JSON.stringify(reply)}`);
  must(
    typeof reply.id === 'number' && typeof reply.seq === 'number',
    `a reply without id and seq: ${JSON.stringify(reply)}`,
  );
  return reply as Line & { id: number; seq: number };
}

function refused({ wrote, reply }: Answer, ...errnos: string[]): Line {
  must(reply !== undefined && reply.ok === false, `should be refused: ${JSON.stringify(reply)}`);
  must(errnos.includes(String(reply.errno)), `refused with ${reply.errno}, not ${errnos.join(' or ')}`);
  must(wrote === reply.errno, `write(2) says ${wrote || 'all is well'}, the reply ${reply.errno}`);
  return reply;
}

const SIZE = 1 << 20;

export const CASES: readonly Case[] = [
  {
    name: 'get and return: a lease has an id and a seq, and is over after its return',
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
    name: 'recall: a truncate waits; the holder hears who and why, answers through the session, and the truncate completes',
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
    name: 'lifetime: closing the session ends its leases, and who waits goes on',
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
    name: 'compatibility: two layout leases share a file, an exclusive one shares it with nobody',
    async run({ session, path }) {
      const [a, b, c] = [session(), session(), session()];
      granted(a.ask({ verb: 'get', path, kind: 'layout' }));
      granted(b.ask({ verb: 'get', path, kind: 'layout' }));
      refused(c.ask({ verb: 'get', path, kind: 'exclusive' }), 'EAGAIN', 'EBUSY', 'ETXTBSY');
    },
  },
  {
    name: 'seq: a verb with an old one is ESTALE and changes nothing',
    async run({ session, path }) {
      const s = session();
      const lease = granted(s.ask({ verb: 'get', path, kind: 'direct' }));
      refused(s.ask({ verb: 'return', id: lease.id, seq: lease.seq - 1 }), 'ESTALE');
      must(s.ask({ verb: 'map', id: lease.id }).reply?.ok === true, 'the lease is gone');
    },
  },
  {
    name: 'commit and seal: done twice is done once; a sealed file refuses truncate, unsealed it takes it',
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
    async run({ session, path, file }) {
      must((await new Other('truncate -s 2M "$FILE"', file).end()).code === 0, 'truncate');
      refused(session().ask({ verb: 'get', path, kind: 'direct' }), 'ENXIO');
    },
  },
  {
    name: 'malformed lines: EINVAL or ENOSYS from the write itself, and the session goes on',
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
];
