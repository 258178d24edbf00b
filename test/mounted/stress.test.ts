import { afterEach, expect, it } from 'vitest';
import { describeMounted, type MountedVolume, mountVolume, within } from '../harness/index.ts';
import { seed } from '../harness/seed.ts';
import { Actor } from './actor.ts';

/** Seconds; `npm run soak:leases` takes ten minutes. */
const SECONDS = Number(process.env.LAYOUTFS_SOAK ?? 10);
const HOLDERS = 50;
const BREAKERS = 50;
const FILES = 10;
const BLOCK = 4096;
const BLOCKS = 16;

let volume: MountedVolume | undefined;
afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

/** A stream of numbers below n that the seed decides. */
function dice(start: number): (n: number) => number {
  let state = start >>> 0;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** What an operation or a grant may meet in a crowd. */
const EXPECTED = new Set([
  undefined,
  'EAGAIN',
  'ETXTBSY',
  'EDEADLK',
  'ETIMEDOUT',
  'ENXIO',
  'EINVAL',
  'EBUSY',
  'ENOENT',
  'ESTALE',
]);

describeMounted('stress', ['python3'], () => {
  it(
    `${HOLDERS} holders and ${BREAKERS} breakers for ${SECONDS} s: no deadlock, no lost wake-up, no byte in another file`,
    async () => {
      volume = await mountVolume({ size: '256m', options: 'break=3', deadline: (SECONDS + 110) * 1000 });
      const mount = volume;
      const actors = await Promise.all(Array.from({ length: 4 }, async () => new Actor(mount)));
      const holding = actors.slice(0, 2) as Actor[];
      const breaking = actors.slice(2) as Actor[];
      const names = Array.from({ length: FILES }, (_, i) => `s${i}`);
      const letter = (file: number): string => String.fromCharCode(97 + file);
      for (const [i, name] of names.entries())
        await (breaking[0] as Actor).do('write', name, 0, BLOCKS * BLOCK, letter(i));
      const until = performance.now() + SECONDS * 1000;
      const done = { grants: 0, recalls: 0, silent: 0, operations: 0, waits: 0 };
      const odd: string[] = [];
      const judge = (what: string, errno: string | undefined): void => {
        if (!EXPECTED.has(errno)) odd.push(`${what}: ${errno}`);
      };

      /** Takes a lease, and gives it back when it is asked, or by itself; one in eight says nothing and is fenced. */
      const hold = async (n: number): Promise<void> => {
        const roll = dice(seed + n);
        const actor = holding[n % holding.length] as Actor;
        while (performance.now() < until) {
          const path = `/${names[roll(FILES)]}`;
          const kind = ['direct', 'layout', 'layout', 'exclusive'][roll(4)] as string;
          const mode = kind === 'layout' && roll(2) === 1 ? { mode: 'rw' } : {};
          const reply = await actor.hold({ verb: 'get', path, kind, ...mode });
          judge(`get ${kind}`, reply.errno);
          if (!reply.ok) {
            await new Promise((resolve) => setTimeout(resolve, 20 + roll(50)));
            continue;
          }
          done.grants++;
          const id = reply.id as number;
          const recalled = await actor.event(id, 'recall', 200 + roll(800)).catch(() => undefined);
          if (recalled) done.recalls++;
          if (recalled && roll(8) === 0) {
            done.silent++;
            await actor.event(id, 'revoked', 30_000);
            judge('ack', (await actor.hold({ verb: 'ack', id })).errno);
            continue;
          }
          judge('return', (await actor.hold({ verb: 'return', id })).errno);
        }
      };

      /** Writes its file's own letter, cuts and fills; no operation may take longer than its patience. */
      const breakIn = async (n: number): Promise<void> => {
        const roll = dice(seed + 1000 + n);
        const actor = breaking[n % breaking.length] as Actor;
        while (performance.now() < until) {
          const file = roll(FILES);
          const name = names[file] as string;
          const begun = performance.now();
          const block = roll(BLOCKS) * BLOCK;
          const operations = [
            () => actor.outcome('write', name, block, BLOCK, letter(file)),
            () => actor.outcome('truncate', name, block),
            () => actor.outcome('fallocate', name, 3, block, BLOCK),
            () => actor.outcome('fallocate', name, 0, 0, BLOCKS * BLOCK),
            () => actor.verb({ verb: 'relocate', path: `/${name}`, wait: 60 }),
            () => actor.verb({ verb: 'prepare', path: `/${name}`, length: BLOCKS * BLOCK, extend: true }),
          ];
          const { errno } = await (operations[roll(operations.length)] as () => Promise<{ errno?: string }>)();
          done.operations++;
          if (performance.now() - begun > 500) done.waits++;
          judge('operation', errno);
          await new Promise((resolve) => setTimeout(resolve, roll(20)));
        }
      };

      const all = [
        ...Array.from({ length: HOLDERS }, (_, n) => hold(n)),
        ...Array.from({ length: BREAKERS }, (_, n) => breakIn(n)),
      ];
      // Patience is 60 s: whoever is not back by then was forgotten.
      await within((SECONDS + 75) * 1000, 'everybody is back', Promise.all(all));
      expect(odd.slice(0, 5)).toEqual([]);
      expect(done.grants).toBeGreaterThan(HOLDERS / 2);
      expect(done.recalls).toBeGreaterThan(0);
      expect(done.operations).toBeGreaterThan(BREAKERS);

      const observer = breaking[0] as Actor;
      for (const [i, name] of names.entries()) {
        const { runs } = await observer.look(name);
        expect(
          runs.filter((byte) => byte !== letter(i) && byte !== '\0'),
          `bytes of others in ${name}`,
        ).toEqual([]);
      }
      const { leases } = (await observer.verb({ verb: 'ls' })) as unknown as { leases: { state: string }[] };
      expect(leases).toEqual([]);
      expect((await mount.bash('cat .layout/waiters')).trim().split('\n')).toHaveLength(1);
      await Promise.all(actors.map((actor) => actor.end()));
      await mount.unmount();
      const fsck = await mount.layoutfs(['fsck', mount.image]);
      expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
    },
    (SECONDS + 110) * 1000,
  );
});
