import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  describeMounted,
  ended,
  layoutfs,
  type MountedVolume,
  mountVolume,
  type Result,
  until,
} from '../harness/index.ts';

describeMounted('lease hold', ['python3', 'truncate'], () => {
  let volume: MountedVolume;

  beforeAll(async () => {
    volume = await mountVolume({ deadline: 110_000, options: 'break=1' });
    await volume.bash('for f in data asked stubborn deaf; do head -c 1M /dev/zero > $f; sync $f; done');
  });

  afterAll(() => volume?.dispose());

  const hold = (...args: string[]): Promise<Result> => volume.layoutfs(['lease', 'hold', ...args]);
  const at = (name: string): string => join(volume.dir, name);
  const leases = async (name: string): Promise<number> =>
    Number(await volume.bash(`grep -c '/${name}$' .layout/leases || true`));

  /** A command that runs under a lease until it ends of itself: what it has said, and how it ends. */
  function running(...args: string[]): { child: ChildProcess; said: () => string; end: Promise<unknown> } {
    const child = volume.start(process.execPath, [layoutfs, 'lease', 'hold', ...args]);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => (text += part));
    return { child, said: () => text, end: ended(child, 40_000) };
  }

  it('tells the command its lease, its device and its extents, and ends as the command does', async () => {
    const script =
      'import json, os; e = os.environ; print(json.dumps({k: e[k] for k in e if k.startswith("LAYOUTFS_")}))';
    const told = await hold(at('data'), '--range', '0-64k', '--', 'python3', '-c', script);
    expect(told.stderr + String(told.code)).toBe('0');
    const env = JSON.parse(told.stdout) as Record<string, string>;
    expect(env).toMatchObject({ LAYOUTFS_PATH: at('data'), LAYOUTFS_DEVICE: volume.image });
    expect(Number(env.LAYOUTFS_LEASE)).toBeGreaterThan(0);
    expect(JSON.parse(env.LAYOUTFS_EXTENTS as string)).toEqual([
      { offset: 0, device: expect.any(Number), length: 65536, state: 'written' },
    ]);
    expect(await leases('data')).toBe(0);
    const ways: [string[], number][] = [
      [['sh', '-c', 'exit 7'], 7],
      [['sh', '-c', 'kill -HUP $$'], 129],
      [['./no such command'], 127],
      [[at('data')], 126],
    ];
    const codes = await Promise.all(ways.map(([command]) => hold(at('data'), '--', ...command)));
    expect(codes.map(({ code }) => code)).toEqual(ways.map(([, code]) => code));
    expect(await leases('data')).toBe(0);
  });

  it('refuses what it can not do before anything runs', async () => {
    const [missing, word, signal, none] = await Promise.all([
      hold(at('data')),
      hold(at('data'), '--on-recall=shout', '--', 'true'),
      hold(at('data'), '--on-recall=signal', '--signal=NONE', '--', 'true'),
      hold(at('not there'), '--', 'true'),
    ]);
    expect(missing.stderr).toContain('a COMMAND is missing');
    expect(word.stderr).toContain('is none of term, signal, ignore');
    expect(signal.stderr).toContain('there is no signal "NONE"');
    expect([missing.code, word.code, signal.code]).toEqual([2, 2, 2]);
    expect(none.code).toBe(3);
  });

  it('by default ends the command when the lease is wanted back', async () => {
    const held = running(at('data'), '-v', '--', 'sh', '-c', 'echo runs; exec sleep 60');
    await until('runs', 20_000, () => held.said().includes('runs'));
    // Who does not wait hears so, by the code he chose.
    const busy = await hold(at('data'), '--kind=exclusive', '-n', '-E', '42', '--', 'true');
    expect(busy.code).toBe(42);
    expect(await held.end).toBe(128 + 15);
    expect(held.said()).toMatch(/lease \d+ \(direct\) granted.*recalled: .*returned/s);
    const waited = await hold(at('data'), '--kind=exclusive', '--wait', '5', '--', 'true');
    expect(waited.code, waited.stderr).toBe(0);
  });

  it('passes a recall on as a signal, and leaves it to the command to end', async () => {
    const command = 'trap "echo asked; exit 5" USR1; echo runs; while :; do sleep 0.05; done';
    const held = running(at('asked'), '--on-recall=signal', '--', 'sh', '-c', command);
    await until('runs', 20_000, () => held.said().includes('runs'));
    await volume.bash('truncate -s 4096 asked');
    expect(await held.end).toBe(5);
    expect(held.said()).toContain('asked');
    expect(await volume.bash('stat -c %s asked')).toBe('4096\n');
  });

  it('may ignore it: then the deadline comes, the holder is fenced, and the command runs on', async () => {
    const held = running(at('deaf'), '--on-recall=ignore', '--', 'sh', '-c', 'echo runs; read line; echo still here');
    await until('runs', 20_000, () => held.said().includes('runs'));
    await volume.bash('truncate -s 4096 deaf');
    expect(await volume.bash('stat -c %s deaf')).toBe('4096\n');
    held.child.stdin?.write('\n');
    expect(await held.end).toBe(0);
    expect(held.said()).toContain('still here');
  });

  it('passes SIGTERM on to the command, and gives the lease back when that has ended', async () => {
    const command = 'trap "echo stopping; exit 3" TERM; echo runs; while :; do sleep 0.05; done';
    const held = running(at('stubborn'), '--', 'sh', '-c', command);
    await until('runs', 20_000, () => held.said().includes('runs'));
    expect(await leases('stubborn')).toBe(1);
    held.child.kill('SIGTERM');
    expect(await held.end).toBe(3);
    expect(held.said()).toContain('stopping');
    expect(await leases('stubborn')).toBe(0);
  });
});
