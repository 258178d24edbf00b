import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { capabilitySet, has, NEEDED } from '../../src/system/capabilities.ts';
import { describeMounted, type MountedVolume, mountVolume } from '../harness/index.ts';
import { Holder } from './holder.ts';

let volume: MountedVolume | undefined;

afterEach(async () => {
  await volume?.dispose();
  volume = undefined;
});

/** Rights of a thread beyond those that a daemon needs, by their numbers. */
function beyond(status: string): Record<string, number[]> {
  const sets = ['CapEff', 'CapPrm', 'CapInh', 'CapBnd'].map((field) => {
    const set = capabilitySet(field, status);
    return [field, Array.from({ length: 53 }, (_, n) => n).filter((n) => has(set, n) && !has(NEEDED, n))];
  });
  return Object.fromEntries(sets);
}

const NOTHING = { CapEff: [], CapPrm: [], CapInh: [], CapBnd: [] };

describeMounted('what a daemon keeps of the rights of root', [], () => {
  it('is what it needs, in every thread of it under a supervisor', async () => {
    volume = await mountVolume({ size: '64m', supervised: true, deadline: 280_000 });
    await volume.bash('echo text > file; sync file; cat file');
    const { daemonPid } = volume;
    const threads = readdirSync(`/proc/${daemonPid}/task`);
    expect(threads.length).toBeGreaterThan(1);
    for (const thread of threads) {
      expect(beyond(readFileSync(`/proc/${daemonPid}/task/${thread}/status`, 'latin1')), thread).toEqual(NOTHING);
    }
    expect(beyond(readFileSync(`/proc/${volume.supervisorPid}/status`, 'latin1'))).toEqual(NOTHING);
    await volume.unmount();
  }, 300_000);

  it('is as little without one, in the thread that serves, and enough for a fence command that needs more', async () => {
    volume = await mountVolume({ size: '64m', deadline: 280_000 });
    const script = join(volume.root, 'fence');
    await volume.bash(`printf 'cat /proc/self/status > ${volume.root}/status' > ${script}`);
    expect(beyond(readFileSync(`/proc/${volume.daemonPid}/status`, 'latin1'))).toEqual(NOTHING);
    await volume.unmount();
    await volume.remount(`break=1,expired=hold,fence_cmd=sh ${script}`);
    const status = readFileSync(`/proc/${volume.daemonPid}/status`, 'latin1');
    expect(beyond(status)).toMatchObject({ CapEff: [], CapPrm: [], CapInh: [] });
    const holder = await Holder.open(volume);
    await volume.bash(': > data');
    await holder.must({ verb: 'prepare', path: '/data', offset: 0, length: 65_536, extend: true });
    await holder.take('/data');
    await volume.bash('truncate -s 0 data', { timeout: 120_000 });
    const own = capabilitySet('CapEff', readFileSync('/proc/self/status', 'latin1'));
    expect(capabilitySet('CapEff', readFileSync(join(volume.root, 'status'), 'latin1'))).toBe(own);
    await holder.kill();
  }, 300_000);
});
