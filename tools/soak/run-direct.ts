import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkout, generator, type MountedVolume, sleep, until } from '../../test/harness/index.ts';

/** As in direct.py. */
const FILES = 4;
const BLOCKS = 64;
const BLOCK = 4096;
const WRITERS = 3;
const READERS = 2;

export interface DirectSoak {
  seconds: number;
  seed: number;
}

/**
 * Writers store through windows, readers read through the mount; holders are asked for their leases, revoked and killed.
 * Afterwards every block has a version between the last that was committed and the last that was stored, and nothing is
 * left in quarantine. Gives what was done; throws what was wrong.
 */
export async function runDirect(volume: MountedVolume, { seconds, seed }: DirectSoak): Promise<string> {
  const random = generator(seed);
  const end = Date.now() + seconds * 1000;
  const counts = { breaks: 0, moves: 0, clones: 0, revocations: 0, kills: 0, committed: 0 };
  for (const table of ['stored', 'committed']) {
    writeFileSync(join(volume.root, table), Buffer.alloc(FILES * BLOCKS * 8));
  }
  await volume.bash(
    `for i in $(seq 0 ${FILES - 1}); do head -c ${BLOCKS * BLOCK} /dev/zero > d$i; sync d$i; done; mkdir clones`,
  );
  const wrong: string[] = [];
  let over = false;
  const living = new Map<string, ChildProcess>();
  let lives = 0;
  const start = (role: string, number: number): void => {
    const child = volume.start('sh', [
      '-c',
      `cd "$MNT" && exec python3 "$0" "$@"`,
      join(checkout, 'tools/soak/direct.py'),
      role,
      String(number),
      String(seed + lives++),
    ]);
    living.set(`${role} ${number}`, child);
    const said: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => said.push(String(part)));
    child.on('close', (code, signal) => {
      // SIGKILL is ours; SIGBUS is what a mapping gets that was revoked.
      if (signal !== 'SIGKILL' && signal !== 'SIGBUS') wrong.push(`${role} ${number}: ${code}: ${said.join('')}`);
      if (!over) start(role, number);
    });
  };
  for (let i = 0; i < WRITERS; i++) start('writer', i);
  for (let i = 0; i < READERS; i++) start('reader', i);
  const ask = (line: string): Promise<string> =>
    volume.bash(`printf '%s\\n' '${line}' > .layout/ctl || true`, { timeout: 30_000 });
  while (Date.now() < end && wrong.length === 0) {
    await sleep(50 + random() * 200);
    const file = Math.floor(random() * FILES);
    const what = random();
    if (what < 0.4) {
      counts.breaks++;
      await ask(`break path=/d${file}`);
    } else if (what < 0.6) {
      counts.moves++;
      await ask(`relocate path=/d${file} wait=3`);
    } else if (what < 0.75) {
      counts.clones++;
      await volume.bash(`: > clones/d${file}`);
      await ask(`clone path=/d${file} to=/clones/d${file} wait=3`);
    } else if (what < 0.9) {
      counts.revocations++;
      await volume.bash(
        'id=$(ls .layout/lease | shuf -n 1); [ -z "$id" ] || echo "revoke id=$id reason=soak" > .layout/ctl || true',
      );
    } else {
      counts.kills++;
      living.get(`writer ${Math.floor(random() * WRITERS)}`)?.kill('SIGKILL');
    }
  }
  over = true;
  for (const child of living.values()) child.kill('SIGKILL');
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  const left = (): Promise<string> =>
    volume.bash("tail -n +2 .layout/leases | grep -v ' revoked ' || true; tail -n +2 .layout/quarantine");
  // A fence that failed is tried again after up to 180 s.
  const drained = until('all leases are over and quarantine is empty', 240_000, async () => (await left()) === '');
  await drained.catch(async (error: Error) => {
    throw new Error(`${error.message}:\n${await left()}${volume.messages().slice(-4000)}`);
  });
  counts.committed = await verify(volume);
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  return JSON.stringify(counts);
}

/** Every block is one that was stored, and none older than its last commit; gives the number of commits. */
export async function verify(volume: MountedVolume): Promise<number> {
  const table = (name: string): BigUint64Array =>
    new BigUint64Array(new Uint8Array(readFileSync(join(volume.root, name))).buffer);
  const stored = table('stored');
  const committed = table('committed');
  let sum = 0;
  for (let file = 0; file < FILES; file++) {
    await volume.bash(`cat d${file} > "$ROOT/copy"`);
    const bytes = readFileSync(join(volume.root, 'copy'));
    for (let block = 0; block < BLOCKS; block++) {
      const at = file * BLOCKS + block;
      const most = stored[at] as bigint;
      const least = committed[at] as bigint;
      sum += Number(least);
      const versions = new Set<bigint>();
      for (let i = block * BLOCK; i < (block + 1) * BLOCK; i += 16) {
        const version = bytes.readBigUInt64LE(i + 8);
        if (version !== 0n && bytes.readBigUInt64LE(i) !== BigInt(at))
          throw new Error(`d${file} block ${block} has bytes of block ${bytes.readBigUInt64LE(i)}`);
        if (version < least || version > most)
          throw new Error(`d${file} block ${block} has version ${version}, not ${least} to ${most}`);
        versions.add(version);
      }
      // Torn is only what was under way when its writer ended.
      if (versions.size > 1 && least === most) throw new Error(`d${file} block ${block} is torn: ${[...versions]}`);
    }
  }
  return sum;
}
