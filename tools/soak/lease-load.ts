import { join } from 'node:path';
import { type MountedVolume, sleep } from '../../test/harness/index.ts';
import { Holder } from '../../test/mounted/holder.ts';

/** Holders at a time, and bytes of the file of each. */
const HOLDERS = 2;
const SIZE = 256 * 1024;
const PAGES = SIZE / 4096;
/** That a dead process is gone is seen each second, and by a scan of all processes: longer on a busy machine. */
const PROOF_MS = 60_000;

export interface LeaseLoad {
  random: () => number;
  running: () => boolean;
  problem: (text: string) => void;
}

interface Counts {
  taken: number;
  returned: number;
  recalled: number;
  killed: number;
}

/**
 * Holders that take the blocks of a file, store into them through a mapping of the device, and give them back, by
 * themselves or because somebody wants to change the file; a part of them is killed meanwhile. Gives what they did, in words.
 */
export async function keepLeases(volume: MountedVolume, load: LeaseLoad): Promise<string> {
  const counts: Counts = { taken: 0, returned: 0, recalled: 0, killed: 0 };
  const all = Array.from({ length: HOLDERS }, (_, number) => keep(volume, number, load, counts));
  await Promise.all(all);
  return `leases: ${JSON.stringify(counts)}`;
}

async function keep(volume: MountedVolume, number: number, load: LeaseLoad, counts: Counts): Promise<void> {
  const { random, running } = load;
  const name = `lease/held${number}`;
  const path = join(volume.dir, name);
  let holder: Holder | undefined;
  try {
    for (let round = 1; running(); round++) {
      if (!(await filled(volume, name, running))) break;
      holder ??= await Holder.open(volume);
      const { id, extents, device } = await take(holder, `/${name}`);
      counts.taken++;
      await holder.ask('map', { path: device, extents });
      await holder.ask('store', { round });
      const { right } = await holder.ask('verify', { round });
      if (right !== PAGES) return load.problem(`lease ${id}: ${String(right)} of ${PAGES} pages are what was stored`);
      await sleep(random() * 2000);
      const end = random();
      if (end < 0.3) {
        await holder.kill();
        holder = undefined;
        counts.killed++;
        // The blocks are those that it was told until it is known that it has ended; what it has stored is in the file.
        await stored(volume, name, round, load);
      } else if (end < 0.6) {
        const cut = volume.run('truncate', ['-s', '0', name], { timeout: 120_000 });
        const recall = await holder.event('recall', 120_000);
        if (recall.lease !== id) return load.problem(`lease ${id}: told of ${JSON.stringify(recall)}`);
        await holder.ask('unmap');
        await holder.must({ verb: 'return', id, ...(recall.seq === undefined ? {} : { seq: recall.seq }) });
        const { code, stderr } = await cut;
        if (code !== 0) return load.problem(`truncate: ${stderr}`);
        counts.recalled++;
      } else {
        await holder.ask('unmap');
        await holder.must({ verb: 'return', id });
        counts.returned++;
        await stored(volume, name, round, load);
      }
      if (random() < 0.1) await volume.run('rm', ['-f', path], { timeout: 120_000 });
    }
  } finally {
    await holder?.kill();
  }
}

/** Until it is proven that a holder that was killed has ended, a new lease on its file is refused. */
async function take(holder: Holder, path: string): ReturnType<Holder['take']> {
  const end = performance.now() + PROOF_MS;
  for (;;) {
    try {
      return await holder.take(path);
    } catch (error) {
      if (!String(error).includes('EAGAIN') || performance.now() > end) throw error;
      await sleep(200);
    }
  }
}

/** The file has all of its blocks; waits while the volume is full. */
async function filled(volume: MountedVolume, name: string, running: () => boolean): Promise<boolean> {
  while (running()) {
    const made = await volume.run(
      'bash',
      ['-c', `[ "$(stat -c %s ${name} 2>&1)" = ${SIZE} ] || head -c ${SIZE} /dev/urandom > ${name}`],
      {
        timeout: 120_000,
      },
    );
    if (
      made.code === 0 &&
      (await volume.layoutfs(['prepare', join(volume.dir, name)], { timeout: 120_000 })).code === 0
    )
      return true;
    await volume.run('rm', ['-f', name], { timeout: 120_000 });
    await sleep(300);
  }
  return false;
}

/** Read through the file system, each page begins with its number and the round. */
async function stored(volume: MountedVolume, name: string, round: number, load: LeaseLoad): Promise<void> {
  const hex = await volume.run('od', ['-A', 'n', '-t', 'u8', '-w4096', '-v', name], { timeout: 120_000 });
  if (hex.code !== 0) return load.problem(`${name}: ${hex.stderr}`);
  hex.stdout
    .trim()
    .split('\n')
    .forEach((line, page) => {
      const word = BigInt(/\d+/.exec(line)?.[0] ?? '0');
      const expected = (BigInt(page) << 20n) | BigInt(round & 0xfffff);
      if (word !== expected) load.problem(`${name}: page ${page} is ${word}, stored was ${expected}`);
    });
}
