/**
 * Rules of leases on a real mount, with processes, that need many verbs or much time: time is put forward by the verb inject. What
 * each rule is, and which other tests show it: docs/leases-coverage.md.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { COMPATIBILITY, SLOTS, type Slot } from '../../src/lease/compatibility.ts';
import { describeMounted, type MountedVolume, mountVolume, until } from '../harness/index.ts';
import { Actor, type Reply } from './actor.ts';

const BLOCK = 4096;
const SIZE = 8 * BLOCK;
const ASK: Record<Slot, Record<string, unknown>> = {
  'layout ro': { kind: 'layout' },
  'layout rw': { kind: 'layout', mode: 'rw' },
  direct: { kind: 'direct' },
  unbreakable: { kind: 'direct', unbreakable: true },
  frozen: { kind: 'frozen' },
  swap: { kind: 'swap' },
  exclusive: { kind: 'exclusive' },
};

let volume: MountedVolume;
/** Two holders, and a third party. */
let a: Actor;
let b: Actor;
let third: Actor;
let files = 0;

async function file(size = SIZE): Promise<string> {
  const name = `r${files++}`;
  await third.do('write', name, 0, size, 'p');
  return name;
}

const get = (actor: Actor, name: string, fields: Record<string, unknown> = { kind: 'direct' }): Promise<Reply> =>
  actor.hold({ verb: 'get', path: `/${name}`, ...fields });
const back = (actor: Actor, lease: Reply): Promise<Reply> => actor.must({ verb: 'return', id: lease.id });
const pass = (seconds: number): Promise<Reply> => third.verb({ verb: 'inject', fault: 'clock-step', by: seconds });
const inject = (fault: string, count: number): Promise<Reply> => third.verb({ verb: 'inject', fault, count });

async function stateOf(lease: Reply): Promise<string> {
  const { leases } = (await third.verb({ verb: 'ls', all: true })) as unknown as {
    leases: { id: number; state: string }[];
  };
  return leases.find(({ id }) => id === lease.id)?.state ?? 'gone';
}

const becomes = (lease: Reply, state: string): Promise<void> =>
  until(`lease ${lease.id} is ${state}`, 20_000, async () => (await stateOf(lease)) === state);

describeMounted('rules of leases on a mount', ['python3'], () => {
  beforeAll(async () => {
    volume = await mountVolume({ size: '256m', options: 'inject', deadline: 280_000 });
    [a, b, third] = [new Actor(volume), new Actor(volume), new Actor(volume)];
  }, 60_000);
  afterAll(async () => {
    await volume?.dispose();
  });

  it('every cell of the compatibility of grants, and accept=ro', async () => {
    const wrong: string[] = [];
    const ERRNO = { ok: undefined, busy: 'EBUSY', text: 'ETXTBSY' } as Record<string, string | undefined>;
    for (const existing of SLOTS) {
      for (const wanted of SLOTS) {
        const name = await file();
        const one = await get(a, name, ASK[existing]);
        const meeting = COMPATIBILITY[existing][wanted];
        const reply = await get(b, name, ASK[wanted]);
        const right = meeting in ERRNO ? ERRNO[meeting] : 'EAGAIN';
        if (meeting.startsWith('recall')) await a.event(one.id as number, 'recall');
        const recalled = a.eventsOf(one.id as number, 'recall');
        const target = meeting === 'recall to ro' ? 'layout ro' : 'none';
        const told = recalled.length === (meeting.startsWith('recall') ? 1 : 0);
        if (reply.errno !== right || !told || (recalled[0] && recalled[0].target !== target))
          wrong.push(`${existing}, ${wanted}: ${JSON.stringify([reply, recalled])}`);
        if (meeting === 'ro') {
          const accepted = await get(b, name, { ...ASK[wanted], accept: 'ro' });
          if (accepted.mode !== 'ro') wrong.push(`${existing}, ${wanted}, accept=ro: ${JSON.stringify(accepted)}`);
          else await back(b, accepted);
        }
        if (reply.ok) await back(b, reply);
        await back(a, one);
      }
    }
    const sealed = await file();
    await third.verb({ verb: 'seal', path: `/${sealed}` });
    for (const wanted of SLOTS) {
      const reply = await get(b, sealed, ASK[wanted]);
      if (reply.errno !== ERRNO[COMPATIBILITY.sealed[wanted]])
        wrong.push(`sealed, ${wanted}: ${JSON.stringify(reply)}`);
      if (reply.ok) await back(b, reply);
    }
    expect(wrong).toEqual([]);
  }, 120_000);

  it('no grant of any kind over a lease that is being recalled; one that waits gets it afterwards', async () => {
    const name = await file();
    const one = await get(a, name);
    const shrink = third.outcome('truncate', name, BLOCK);
    await a.event(one.id as number, 'recall');
    for (const slot of SLOTS) {
      const reply = await get(b, name, ASK[slot]);
      expect(reply, slot).toMatchObject({ errno: 'EAGAIN', lease: one.id });
    }
    const later = get(b, name, { kind: 'direct', wait: 1000 });
    await until('it waits', 20_000, async () => /get.direct/.test(await volume.bash('cat .layout/waiters')));
    await back(a, one);
    expect((await shrink).errno).toBeUndefined();
    const granted = await later;
    expect(granted).toMatchObject({ ok: true });
    await back(b, granted);
  }, 60_000);

  it('a wait for a grant ends by its time; a session that closes releases all that it holds', async () => {
    const name = await file();
    const closing = new Actor(volume);
    const held = await get(closing, name, { kind: 'exclusive' });
    const others = [await get(closing, await file()), await get(closing, await file(), { kind: 'layout' })];
    const wait = get(b, name, { kind: 'layout', wait: 5 });
    await until('it waits', 20_000, async () => (await volume.bash('cat .layout/waiters')).split('\n').length > 2);
    await pass(6);
    expect(await wait).toMatchObject({ errno: 'ETIMEDOUT' });
    await closing.end();
    for (const lease of [held, ...others]) await becomes(lease, 'gone');
  }, 60_000);

  it('upgrade: EAGAIN without a wait, EDEADLK where two wait for each other, and nothing held is lost', async () => {
    const name = await file();
    const [one, two] = [await get(a, name, { kind: 'layout' }), await get(b, name, { kind: 'layout' })];
    const up = (lease: Reply, wait?: number) => ({ verb: 'upgrade', id: lease.id, kind: 'exclusive', wait });
    const first = a.hold(up(one, 1000));
    await b.event(two.id as number, 'recall');
    expect(await b.hold(up(two, 1000))).toMatchObject({ errno: expect.stringMatching(/EDEADLK|EAGAIN/) });
    expect([await stateOf(one), await stateOf(two)]).toEqual(['granted', 'recalled']);
    await back(b, two);
    expect(await first).toMatchObject({ ok: true, kind: 'exclusive' });
    await back(a, one);
  }, 60_000);

  it('delay is bounded by the longest time of the mount, and an old seq is ESTALE', async () => {
    const name = await file();
    const one = await get(a, name);
    const shrink = third.outcome('truncate', name, BLOCK);
    const { seq } = await a.event(one.id as number, 'recall');
    let delays = 0;
    let last: Reply;
    do {
      last = await a.hold({ verb: 'delay', id: one.id, for: 100 });
      delays++;
    } while (last.ok && delays < 100);
    expect(last).toMatchObject({ errno: 'ETIMEDOUT' });
    expect(delays).toBeLessThan(20);
    expect(await a.hold({ verb: 'return', id: one.id, seq })).toMatchObject({ errno: 'ESTALE' });
    await back(a, one);
    expect((await shrink).errno).toBeUndefined();
  }, 60_000);

  it('all or nothing: where one lease forbids it nobody is recalled', async () => {
    const name = await file();
    const one = await get(a, name, { kind: 'direct', offset: 0, length: BLOCK });
    const pin = await get(b, name, { kind: 'direct', unbreakable: true, offset: 4 * BLOCK, length: BLOCK });
    expect((await third.outcome('truncate', name, 0)).errno).toBe('ETXTBSY');
    expect(a.eventsOf(one.id as number, 'recall')).toEqual([]);
    expect((await third.outcome('truncate', name, 6 * BLOCK)).errno).toBeUndefined();
    await back(a, one);
    await back(b, pin);
  }, 60_000);

  it('a breaker has patience for a minute, and the recall goes on without it', async () => {
    const name = await file();
    const one = await get(a, name, { kind: 'direct', timeout: 300 });
    const shrink = third.outcome('truncate', name, 0);
    await a.event(one.id as number, 'recall');
    await pass(61);
    expect((await shrink).errno).toBe('ETIMEDOUT');
    expect(await stateOf(one)).toBe('recalled');
    expect((await third.look(name)).size).toBe(SIZE);
    await back(a, one);
  }, 60_000);

  it('a fence that fails is tried again after 1, 2, 4 s; a late return is welcome until the proof, and ESTALE after it', async () => {
    const names = [await file(), await file()];
    const [late, lost] = [await get(a, names[0] as string), await get(a, names[1] as string)] as [Reply, Reply];
    const warnings = () =>
      volume
        .messages()
        .split('\n')
        .filter((line) => line.includes('trying again')).length;
    const before = warnings();
    await inject('fail-fence', 3);
    const shrinks = names.slice(0, 1).map((name) => third.outcome('truncate', name, 0));
    const recall = await a.event(late.id as number, 'recall');
    await pass(46);
    await becomes(late, 'fence_failed');
    // expired=quarantine: who waited goes on. A grant does not, before the proof.
    expect((await shrinks[0])?.errno).toBeUndefined();
    expect(await get(b, names[0] as string, { kind: 'layout' })).toMatchObject({ errno: 'EAGAIN', lease: late.id });
    for (const seconds of [1, 2]) {
      await pass(seconds + 0.1);
      await becomes(late, 'fence_failed');
    }
    expect(warnings() - before, 'one warning a holder').toBe(1);
    expect(await a.hold({ verb: 'return', id: late.id, seq: recall.seq })).toMatchObject({ ok: true });
    expect(await stateOf(late)).toBe('gone');

    expect(await third.verb({ verb: 'expire', id: lost.id })).toMatchObject({ ok: true });
    await becomes(lost, 'revoked');
    expect(await a.hold({ verb: 'return', id: lost.id })).toMatchObject({ errno: 'ESTALE' });
    expect(await a.hold({ verb: 'ack', id: lost.id })).toMatchObject({ ok: true });
    expect(await stateOf(lost)).toBe('gone');
  }, 90_000);

  it('an administrator ends a lease by force, which is on record; a tombstone is buried after ten minutes', async () => {
    const name = await file();
    const one = await get(a, name, { kind: 'direct', unbreakable: true });
    expect(await third.verb({ verb: 'expire', id: one.id, force: true })).toMatchObject({ ok: true });
    expect(await stateOf(one)).toBe('revoked');
    // Nothing is proven: who wants to be sure is not served.
    expect(await get(b, name, { min_fence: 'strong' })).toMatchObject({ errno: 'EAGAIN', lease: one.id });
    await back(b, await get(b, name));
    const { default: Database } = await import('better-sqlite3');
    const db = new Database(`${volume.image}.meta`, { readonly: true });
    const row = db.prepare('select verb from audit where lease = ?').get(one.id);
    db.close();
    expect(row).toEqual({ verb: 'expire --force' });
    await pass(601);
    await becomes(one, 'gone');
  }, 60_000);

  it('a named lease that is not renewed for 30 s is an orphan, and its name brings it back', async () => {
    const one = await get(a, await file(), { kind: 'direct', bind: 'named', name: 'renewed', secret: 'sesame' });
    await pass(20);
    await a.must({ verb: 'renew', id: one.id });
    await pass(20);
    expect(await stateOf(one)).toBe('granted');
    await pass(11);
    await becomes(one, 'orphaned');
    expect(await b.hold({ verb: 'reclaim', name: 'renewed', secret: 'wrong' })).toMatchObject({ errno: 'EACCES' });
    expect(await b.hold({ verb: 'reclaim', name: 'renewed', secret: 'sesame' })).toMatchObject({ state: 'granted' });
    await back(b, one);
  }, 60_000);

  it('what may not be asked for', async () => {
    const name = await file();
    await third.do('fallocate', 'unwritten', 0, 0, SIZE);
    const cases: [Record<string, unknown>, string | undefined][] = [
      [{ offset: 100, length: BLOCK }, 'EINVAL'],
      [{ offset: 0, length: 100 }, 'EINVAL'],
      [{ offset: 2 * SIZE, length: BLOCK }, 'EINVAL'],
      [{ align: 3000 }, 'EINVAL'],
      [{ timeout: 301 }, 'EINVAL'],
      [{ kind: 'frozen', mode: 'rw' }, 'EINVAL'],
      [{ parent: 999_999 }, 'ENOENT'],
    ];
    for (const [fields, errno] of cases)
      expect((await get(a, name, { kind: 'direct', ...fields })).errno, JSON.stringify(fields)).toBe(errno);
    expect(await get(a, 'unwritten')).toMatchObject({ errno: 'ENXIO' });
    const swap = await get(a, 'unwritten', { kind: 'swap' });
    expect(swap).toMatchObject({ ok: true });
    await back(a, swap);
  }, 60_000);

  it('commit never shrinks; the last unlink keeps the blocks until the lease ends', async () => {
    const name = await file();
    const one = await get(a, name, { kind: 'layout', mode: 'rw' });
    await a.must({ verb: 'commit', id: one.id, offset: 0, length: BLOCK });
    expect((await third.look(name)).size).toBe(SIZE);
    const used = async (): Promise<number> =>
      Number(await volume.bash("stat -f -c '%b %f' . | awk '{ print $1 - $2 }'"));
    const before = await used();
    await third.do('unlink', name);
    expect(await used()).toBe(before);
    expect(a.eventsOf(one.id as number, 'recall')).toEqual([]);
    await back(a, one);
    await until('its blocks are free', 20_000, async () => (await used()) < before);
  }, 60_000);
});
