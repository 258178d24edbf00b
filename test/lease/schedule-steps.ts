/** The steps that random schedules are made of. */
import fc from 'fast-check';

export const FILES = [5, 6];
export const PEOPLE = [2, 3, 4];
export type Step =
  | {
      do: 'get';
      who: number;
      ino: number;
      kind: 'layout' | 'direct' | 'exclusive' | 'frozen' | 'swap';
      rw: boolean;
      pin: boolean;
      from: number;
      count: number;
      wait: boolean;
      odp: boolean;
      expire: 'relocate' | 'kill' | 'none';
      bind: 'fd' | 'process' | 'named';
    }
  | { do: 'expose'; which: number; who: number }
  | { do: 'unmap'; which: number }
  | { do: 'return'; which: number; stale: boolean; part: boolean }
  | { do: 'ack' | 'delay' | 'downgrade' | 'upgrade' | 'revoke' | 'expire' | 'force' | 'renew'; which: number }
  | { do: 'reclaim'; which: number; who: number }
  | {
      do: 'shrink' | 'punch' | 'append' | 'fallocate' | 'insert';
      who: number;
      ino: number;
      at: number;
      count: number;
      nonblocking: boolean;
    }
  | { do: 'interrupt'; which: number }
  | { do: 'wait'; ms: number }
  | { do: 'die'; who: number }
  | { do: 'lose event' | 'fail fence' | 'relocate fails' | 'slow fences' | 'crash' | 'adopt' };

const who = fc.constantFrom(...PEOPLE);
const ino = fc.constantFrom(...FILES);
const which = fc.nat(20);
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('get' as const),
      who,
      ino,
      kind: fc.constantFrom('layout', 'direct', 'direct', 'exclusive', 'frozen', 'swap'),
      rw: fc.boolean(),
      pin: fc.boolean(),
      from: fc.constantFrom(0, 0, 2, 4),
      count: fc.constantFrom(0, 0, 2, 4),
      wait: fc.boolean(),
      odp: fc.constantFrom(false, false, false, true),
      expire: fc.constantFrom('relocate', 'kill', 'none'),
      bind: fc.constantFrom('fd', 'fd', 'process', 'named'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('expose' as const), which, who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unmap' as const), which }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('return' as const),
      which,
      stale: fc.constantFrom(false, false, true),
      part: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('ack', 'delay', 'downgrade', 'upgrade', 'revoke', 'expire', 'force', 'renew'),
      which,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reclaim' as const), which, who }) },
  {
    weight: 7,
    arbitrary: fc.record({
      do: fc.constantFrom('shrink', 'punch', 'append', 'fallocate', 'insert'),
      who,
      ino,
      at: fc.nat(7),
      count: fc.integer({ min: 1, max: 4 }),
      nonblocking: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('interrupt' as const), which }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(1, 1000, 2000, 20_000, 45_000, 60_000, 200_000, 700_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), who }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('lose event', 'fail fence', 'relocate fails', 'slow fences', 'crash', 'adopt'),
    }),
  },
) as fc.Arbitrary<Step>;
