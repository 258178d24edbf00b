import { expect, it } from 'vitest';
import { allRoundsOf, measureRow, type Plan } from '../../tools/bench/measure.ts';
import type { Peer } from '../../tools/bench/peer.ts';
import { ROWS, type Row } from '../../tools/bench/rows.ts';
import { Runs } from '../../tools/bench/runs.ts';

/** A load generator that says figures and does nothing; on the peer `broken` it fails. */
const LOAD = ['sh', '-c', 'case "$3" in *broken) exit 1;; esac; echo 10 1000 0 0', 'sh'];

function setUp() {
  const drawn: string[] = [];
  let ms = 0;
  const runs = new Runs({
    quietMs: 0,
    out: { isTTY: true, columns: 100, write: (text: string) => drawn.push(text) },
    now: () => (ms += 1000),
  });
  const said: string[] = [];
  const plan: Plan = {
    load: 'load',
    rounds: 5,
    patience: 1,
    duration: 1,
    size: 4096,
    tree: { path: '/nowhere', files: 1 },
    prefix: LOAD,
    say: (line) => said.push(line),
  };
  const counts = (): string[] => drawn.map((text) => /[\d,]+ of [\d,]+ runs/.exec(text)?.[0] ?? text);
  return { runs, plan, said, counts };
}

const peer = (name: string): Peer => ({
  name,
  about: '',
  dir: `/${name}`,
  data: `/${name}`,
  below: [],
  pid: undefined,
});
const row = (name: string): Row => ROWS.find((one) => one.name === name) as Row;

it('each round of each peer counts, the first and those of a peer that failed with it', async () => {
  const { runs, plan, said, counts } = setUp();
  const peers = [peer('one'), peer('broken')];
  const rows = [row('stat'), row('create-tail')];
  expect(rows.map((one) => allRoundsOf(one, plan))).toEqual([6, 4]);
  for (const one of rows) runs.expect(allRoundsOf(one, plan), peers.length);
  for (const one of rows) await measureRow(one, peers, plan, runs);
  expect(counts()).toEqual([...Array(20).keys()].map((done) => `${done} of 20 runs`));
  expect(said.map((line) => line.slice(0, 14))).toEqual(['  stat: broken', '  create-tail:']);
});
