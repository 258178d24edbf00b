import { afterAll, beforeAll, expect, it } from 'vitest';
import { ClientLayouts } from '../../tools/pnfs/client-layouts.ts';
import { EXTENT, type Layout, NFS4, type Recall, type RecallAnswer } from '../../tools/pnfs/types.ts';
import { describeMounted, type MountedVolume, mountVolume, until } from '../harness/index.ts';

const MIB = 1 << 20;

describeMounted('a pNFS block layout server of our verbs', ['python3'], () => {
  let volume: MountedVolume;
  let recalls: Recall[];
  let answers: RecallAnswer[];
  let client: ClientLayouts;
  let other: ClientLayouts;

  beforeAll(async () => {
    volume = await mountVolume({ deadline: 90_000 });
    recalls = [];
    answers = [];
    client = await ClientLayouts.open(volume.dir, async (recall) => {
      recalls.push(recall);
      return answers.shift() ?? NFS4.OK;
    });
    other = await ClientLayouts.open(volume.dir, async () => NFS4.DELAY);
    await volume.bash('head -c 1M /dev/zero > file; truncate -s 2M file; sync file');
  });

  afterAll(async () => {
    await client?.close();
    await other?.close();
    await volume?.dispose();
  });

  it('LAYOUTGET tells states as the RFC names them, and allocates for writers', async () => {
    const whole = { offset: 0, length: 2 * MIB };
    const read = (await client.layoutGet('/file', 'READ', whole)) as Layout;
    expect(read.extents.map(({ state, length }) => [state, length])).toEqual([
      [EXTENT.READ_DATA, MIB],
      [EXTENT.NONE_DATA, MIB],
    ]);
    expect(await client.layoutReturn({ type: 'FILE', stateid: read.stateid, ...whole })).toEqual({ status: NFS4.OK });
    const write = (await client.layoutGet('/file', 'RW', whole)) as Layout;
    expect(new Set(write.extents.map(({ state }) => state))).toEqual(
      new Set([EXTENT.READWRITE_DATA, EXTENT.INVALID_DATA]),
    );
    const commit = { offset: MIB, length: 4096 };
    expect(await client.layoutCommit(write.stateid, commit)).toEqual({ status: NFS4.OK, size: 2 * MIB });
    expect(await client.layoutCommit({ ...write.stateid, seqid: write.stateid.seqid + 7 }, commit)).toEqual({
      status: NFS4.OLD_STATEID,
    });
    const half = await client.layoutReturn({ type: 'FILE', stateid: write.stateid, offset: 0, length: MIB });
    expect(half).toMatchObject({ status: NFS4.OK, stateid: { other: expect.any(Number) } });
    expect(await client.layoutReturn({ type: 'ALL' })).toEqual({ status: NFS4.OK });
    expect((await volume.bash('tail -n +2 .layout/leases')).trim()).toBe('');
  });

  it('LAYOUTCOMMIT grows the file over blocks that LAYOUTGET allocated, and never shrinks it', async () => {
    await volume.bash(': > grown');
    const range = { offset: 0, length: 65536 };
    const layout = (await client.layoutGet('/grown', 'RW', range)) as Layout;
    expect(layout.extents[0]?.state).toBe(EXTENT.INVALID_DATA);
    expect(await client.layoutCommit(layout.stateid, { offset: 0, length: 100 }, 99)).toEqual({
      status: NFS4.OK,
      size: 100,
    });
    expect(await client.layoutCommit(layout.stateid, { offset: 0, length: 10 }, 9)).toMatchObject({ size: 100 });
    expect((await volume.bash('stat -c %s grown; tr -d "\\0" < grown | wc -c')).split('\n').slice(0, 2)).toEqual([
      '100',
      '0',
    ]);
    await client.layoutReturn({ type: 'FSID' });
  });

  it('refuses with the status that a client knows', async () => {
    await volume.bash('head -c 64k /dev/zero > sealed; sync sealed; echo "seal path=/sealed" > .layout/ctl');
    const range = { offset: 0, length: 65536 };
    expect(await client.layoutGet('/nothing', 'READ', range)).toEqual({ status: NFS4.STALE });
    expect(await client.layoutGet('/file', 'READ', { offset: 5, length: 100 })).toEqual({
      status: NFS4.LAYOUTUNAVAILABLE,
    });
    expect(await client.layoutGet('/sealed', 'RW', range)).toEqual({ status: NFS4.LAYOUTUNAVAILABLE });
    await volume.bash(': > cloned; echo "clone path=/file to=/cloned" > .layout/ctl');
    expect(await client.layoutGet('/cloned', 'RW', range)).toEqual({ status: NFS4.LAYOUTUNAVAILABLE });
    expect((await volume.bash('tail -n +2 .layout/leases')).trim()).toBe('');
  });

  it('CB_LAYOUTRECALL is the event, its answers are verbs, and RECALLCONFLICT keeps others out meanwhile', async () => {
    await volume.bash('head -c 64k /dev/zero > recalled; sync recalled');
    const range = { offset: 0, length: 65536 };
    const layout = (await client.layoutGet('/recalled', 'RW', range)) as Layout;
    recalls.length = 0;
    answers.push(NFS4.OK);
    const truncated = volume.bash('python3 -c "import os; os.truncate(\'recalled\', 4096)"');
    await until('the recall', 10_000, () => recalls.length > 0);
    expect(recalls[0]).toMatchObject({ stateid: { other: layout.stateid.other }, iomode: 'ANY', changed: false });
    expect(await other.layoutGet('/recalled', 'READ', { offset: 0, length: 4096 })).toEqual({
      status: NFS4.RECALLCONFLICT,
    });
    const { stateid } = recalls[0] as Recall;
    expect(await client.layoutReturn({ type: 'FILE', stateid, ...range })).toEqual({ status: NFS4.OK });
    await truncated;
    expect((await volume.bash('stat -c %s recalled')).trim()).toBe('4096');
  });

  it('a client that has forgotten its layout says NOMATCHING_LAYOUT, and the breaker goes on', async () => {
    await client.layoutGet('/recalled', 'RW', { offset: 0, length: 4096 });
    answers.push(NFS4.NOMATCHING_LAYOUT);
    await volume.bash('python3 -c "import os; os.truncate(\'recalled\', 0)"', { timeout: 20_000 });
    expect((await volume.bash('tail -n +2 .layout/leases')).trim()).toBe('');
  });
});
