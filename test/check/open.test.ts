import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { type CheckOptions, check, FSCK_EXIT, type Progress, renderReport } from '../../src/check/index.ts';
import { COPY_AT, encodeHeader, MINOR, readHeader } from '../../src/volume/header.ts';
import { openDevice } from '../../src/volume/lock.ts';
import { Volume } from '../../src/volume/volume.ts';
import { BLOCK, DEVICE_BLOCKS, type Fixture, volume } from './fixture.ts';

const run = (fixture: Fixture, options: CheckOptions) => check(fixture.image, { now: 1_700_000_100, ...options });

test('a fresh volume is clean, before and after it was open', async () => {
  const fixture = volume();
  rmSync(fixture.image);
  rmSync(`${fixture.image}.meta`);
  Volume.make(fixture.image, { size: 64 * 2 ** 20 });
  expect(await run(fixture, { mode: 'report' })).toMatchObject({ found: 0, exitCode: FSCK_EXIT.CLEAN });
  const opened = Volume.open(fixture.image);
  expect(opened.close()).toBe(0);
  expect(await run(fixture, { mode: 'report' })).toMatchObject({ found: 0, exitCode: FSCK_EXIT.CLEAN });
});

test('a volume in use is refused with its owner, and can be checked online', async () => {
  const fixture = volume();
  fixture.damage('UPDATE inode SET nlink = 7 WHERE ino = 3');
  const opened = Volume.open(fixture.image);
  try {
    for (const mode of ['report', 'preen', 'all'] as const) {
      const report = await run(fixture, { mode });
      expect(report.exitCode).toBe(FSCK_EXIT.OPERATIONAL);
      expect(report.refused).toContain(`process ${process.pid}`);
    }
    const online = await run(fixture, { mode: 'report', online: true });
    expect(online.counts).toEqual({ 'link-count': 1 });
    expect(online.exitCode).toBe(FSCK_EXIT.UNCORRECTED);
    const mending = await run(fixture, { mode: 'preen', online: true });
    expect(mending.exitCode).toBe(FSCK_EXIT.OPERATIONAL);
    expect(fixture.value('SELECT nlink FROM inode WHERE ino = 3')).toBe(7);
  } finally {
    opened.close();
  }
});

test('an online check reads one moment while the volume changes', async () => {
  const fixture = volume();
  const opened = Volume.open(fixture.image);
  try {
    const rename = opened.database.mutation('UPDATE dentry SET name = ? WHERE parent = 1 AND ino = 4');
    let round = 0;
    const change = (): void => {
      rename.run(Buffer.from(`b${round++}`));
      opened.commits.commitNow();
    };
    const report = await run(fixture, { mode: 'report', online: true, progress: change });
    expect(round).toBeGreaterThan(5);
    expect(report).toMatchObject({ found: 0, exitCode: FSCK_EXIT.CLEAN });
  } finally {
    opened.close();
  }
});

test('an online check waits for a header that is being written, and leaves nothing behind', async () => {
  const fixture = volume();
  const opened = Volume.open(fixture.image);
  const sector = Buffer.alloc(512);
  const fd = openSync(fixture.image, 'r+');
  const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`layoutfs-scrub-${process.pid}-`));
  try {
    readSync(fd, sector, 0, 512, COPY_AT);
    writeSync(fd, Buffer.alloc(512), 0, 512, COPY_AT);
    const whole = setTimeout(() => writeSync(fd, sector, 0, 512, COPY_AT), 300);
    expect((await run(fixture, { mode: 'report', online: true })).counts).toEqual({});
    clearTimeout(whole);
    writeSync(fd, Buffer.alloc(512), 0, 512, COPY_AT);
    expect((await run(fixture, { mode: 'report', online: true })).counts).toEqual({ 'header-copy': 1 });
    expect(left()).toEqual([]);
  } finally {
    closeSync(fd);
    opened.close();
  }
}, 30_000);

test('what is missing or no volume is an operational error', async () => {
  const fixture = volume();
  expect(await check(`${fixture.image}.none`, { mode: 'report' })).toMatchObject({ exitCode: FSCK_EXIT.OPERATIONAL });
  unlinkSync(`${fixture.image}.meta`);
  expect(await run(fixture, { mode: 'all' })).toMatchObject({ exitCode: FSCK_EXIT.OPERATIONAL });
});

test("another volume's database is not touched", async () => {
  const fixture = volume();
  fixture.damage(
    `UPDATE volume SET uuid = '00000000-0000-4000-8000-000000000000'; UPDATE inode SET nlink = 9 WHERE ino = 3`,
  );
  const report = await run(fixture, { mode: 'all' });
  expect(report.exitCode).toBe(FSCK_EXIT.OPERATIONAL);
  expect(report.refused).toContain('not a pair');
  expect(fixture.value('SELECT nlink FROM inode WHERE ino = 3')).toBe(9);
});

/** Puts a changed header into both places. */
function changeHeader(fixture: Fixture, change: { minor?: number; major?: number; features?: string[] }): void {
  const device = openDevice(fixture.image, { readOnly: true });
  const { newest } = readHeader(device);
  closeSync(device.fd);
  const sector = encodeHeader({ ...newest!, ...change });
  fixture.write(0, sector);
  fixture.write(COPY_AT / BLOCK, sector);
}

test('a newer minor version is read and not repaired', async () => {
  const fixture = volume();
  fixture.damage('UPDATE inode SET nlink = 7 WHERE ino = 3');
  changeHeader(fixture, { minor: MINOR + 1 });
  const read = await run(fixture, { mode: 'report' });
  expect(read.exitCode).toBe(FSCK_EXIT.UNCORRECTED);
  expect(read.refused).toBeUndefined();
  const repair = await run(fixture, { mode: 'all' });
  expect(repair.exitCode).toBe(FSCK_EXIT.UNCORRECTED | FSCK_EXIT.OPERATIONAL);
  expect(repair.counts).toEqual({ 'link-count': 1 });
  expect(fixture.value('SELECT nlink FROM inode WHERE ino = 3')).toBe(7);
});

test('a newer major version and unknown features are refused by name', async () => {
  const newer = volume();
  changeHeader(newer, { major: 99 });
  expect((await run(newer, { mode: 'report' })).refused).toContain('99');
  const odd = volume();
  changeHeader(odd, { features: ['quantum-blocks'] });
  expect((await run(odd, { mode: 'report' })).refused).toContain('quantum-blocks');
});

test.each([
  { place: 0, which: 'first' },
  { place: COPY_AT / BLOCK, which: 'second' },
])('a damaged $which header is mended from the other', async ({ place }) => {
  const fixture = volume();
  fixture.write(place, Buffer.from('damage'));
  expect((await run(fixture, { mode: 'report' })).counts).toEqual({ 'header-copy': 1 });
  expect((await run(fixture, { mode: 'preen' })).exitCode).toBe(FSCK_EXIT.CORRECTED);
  expect(await run(fixture, { mode: 'report' })).toMatchObject({ found: 0 });
});

test('a header lost twice is made again from the database, and the volume opens', async () => {
  const fixture = volume();
  const uuid = fixture.value('SELECT uuid FROM volume');
  for (const place of [0, COPY_AT / BLOCK]) fixture.write(place, Buffer.alloc(512));
  expect((await run(fixture, { mode: 'preen' })).exitCode).toBe(FSCK_EXIT.UNCORRECTED);
  expect((await run(fixture, { mode: 'all' })).exitCode).toBe(FSCK_EXIT.CORRECTED);
  expect(await run(fixture, { mode: 'report' })).toMatchObject({ found: 0 });
  const opened = Volume.open(fixture.image);
  expect(opened.uuid).toBe(uuid);
  expect(opened.close()).toBe(0);
});

test('a database with other sizes is set right by the header', async () => {
  const fixture = volume();
  fixture.damage('UPDATE volume SET first_block = 300, device_blocks = 30000');
  const report = await run(fixture, { mode: 'report' });
  expect(report.counts).toEqual({ 'volume-geometry': 2 });
  expect((await run(fixture, { mode: 'all' })).exitCode).toBe(FSCK_EXIT.CORRECTED);
  expect(await run(fixture, { mode: 'report' })).toMatchObject({ found: 0 });
  expect(fixture.value('SELECT device_blocks FROM volume')).toBe(DEVICE_BLOCKS);
});

test('a device that lost its end is reported and not papered over', async () => {
  const fixture = volume();
  truncateSync(fixture.image, (DEVICE_BLOCKS - 1) * BLOCK);
  const report = await run(fixture, { mode: 'all' });
  expect(report.counts).toEqual({ 'device-short': 1 });
  expect(report.exitCode).toBe(FSCK_EXIT.UNCORRECTED);
});

test('a cancelled repair has changed nothing', async () => {
  const fixture = volume();
  fixture.damage('UPDATE inode SET nlink = 7 WHERE ino = 3');
  const cancel = new AbortController();
  const progress = ({ check: name }: Progress): void => {
    if (name === 'blocks') cancel.abort();
  };
  const report = await run(fixture, { mode: 'all', signal: cancel.signal, progress });
  expect(report.exitCode).toBe(FSCK_EXIT.CANCELLED | FSCK_EXIT.UNCORRECTED);
  expect(report.problems.map((problem) => problem.repaired)).toEqual([false]);
  expect(fixture.value('SELECT nlink FROM inode WHERE ino = 3')).toBe(7);
});

test('an index that disagrees with its table is made again', async () => {
  const fixture = volume();
  // The index is defined otherwise while a row is changed: SQLite then keeps it by the wrong rule.
  fixture.damage(`DROP INDEX lease_by_ino; CREATE INDEX lease_by_ino ON lease (ino) WHERE id = 1;
    PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = 'CREATE INDEX lease_by_ino ON lease (ino)' WHERE name = 'lease_by_ino';
    PRAGMA writable_schema = RESET`);
  const found = await run(fixture, { mode: 'report' });
  expect(found.counts['sqlite-index']).toBeGreaterThan(0);
  // The copy that an online check reads is one of the pages as they are.
  const online = await run(fixture, { mode: 'report', online: true });
  expect(online.counts['sqlite-index']).toBe(found.counts['sqlite-index']);
  expect((await run(fixture, { mode: 'preen' })).exitCode).toBe(FSCK_EXIT.CORRECTED);
  expect(await run(fixture, { mode: 'report' })).toMatchObject({ found: 0 });
});

test('a damaged page of the database is told, and nothing is repaired on top of it', async () => {
  const fixture = volume();
  const root = Number(fixture.value(`SELECT rootpage FROM sqlite_schema WHERE name = 'extent'`));
  const meta = `${fixture.image}.meta`;
  fixture.damage('UPDATE inode SET nlink = 7 WHERE ino = 3; PRAGMA wal_checkpoint(TRUNCATE)');
  const fd = openSync(meta, 'r+');
  writeSync(fd, Buffer.alloc(2000, 0xa5), 0, 2000, (root - 1) * 4096 + 8);
  closeSync(fd);
  const report = await run(fixture, { mode: 'all' });
  expect(report.counts['sqlite-corrupt']).toBeGreaterThan(0);
  expect(Object.keys(report.counts)).toEqual(['sqlite-corrupt']);
  expect(report.exitCode & FSCK_EXIT.UNCORRECTED).toBeTruthy();
  expect(report.repaired).toBe(0);
});

test('a file moves out of quarantined blocks with its data', async () => {
  const fixture = volume();
  const data = Buffer.alloc(10 * BLOCK, 'layout');
  fixture.write(1000, data);
  fixture.damage(`INSERT INTO quarantine VALUES (1002, 3, 2, 3, 1, 'shrink', 0), (2001, 1, 2, 3, 1, 'shrink', 0)`);
  const found = await run(fixture, { mode: 'report' });
  expect(found.counts).toEqual({ 'quarantine-in-file': 2 });
  expect((await run(fixture, { mode: 'preen' })).exitCode).toBe(FSCK_EXIT.UNCORRECTED);
  expect((await run(fixture, { mode: 'all' })).exitCode).toBe(FSCK_EXIT.CORRECTED);
  expect(await run(fixture, { mode: 'report' })).toMatchObject({ found: 0 });
  const now = fixture.rows(
    'SELECT file_block, device_block, length FROM extent WHERE ino = 3 AND state = 1 ORDER BY 1',
  );
  const read = now.map((row) => fixture.read(Number(row.device_block), Number(row.length) * BLOCK));
  expect(Buffer.concat(read).equals(data)).toBe(true);
  expect(
    now.some((row) => Number(row.device_block) < 1005 && Number(row.device_block) + Number(row.length) > 1002),
  ).toBe(false);
  expect(fixture.value('SELECT gen FROM inode WHERE ino = 3')).toBe(2);
});

test('without room a file stays in quarantined blocks, and that is said', async () => {
  const fixture = volume();
  fixture.damage(`INSERT INTO quarantine VALUES (1002, 3, 2, 3, 1, 'shrink', 0);
    INSERT INTO extent SELECT 4, 100 + value, 7000 + value, ${DEVICE_BLOCKS - 7000}, 0 FROM (SELECT 0 AS value);
    DELETE FROM quarantine WHERE device_block = 35000;
    INSERT INTO extent VALUES (4, 40000, 256, 744, 0), (4, 41000, 1010, 990, 0), (4, 43000, 2005, 995, 0), (4, 45000, 3008, 992, 0),
      (4, 46000, 4002, 998, 0), (4, 47000, 5016, 984, 0), (4, 48000, 6004, 996, 0)`);
  const report = await run(fixture, { mode: 'all' });
  expect(report.problems.filter((problem) => !problem.repaired).map((problem) => problem.code)).toEqual([
    'quarantine-in-file',
  ]);
  expect(report.exitCode).toBe(FSCK_EXIT.CORRECTED | FSCK_EXIT.UNCORRECTED);
});

test('answered operations in the redo log come first, then the repair', async () => {
  const fixture = volume();
  const script = `
    import { Volume } from ${JSON.stringify(new URL('../../src/volume/volume.ts', import.meta.url).href)};
    const volume = Volume.open(${JSON.stringify(fixture.image)}, { commitInterval: 60000 });
    volume.database.mutation('UPDATE inode SET uid = ? WHERE ino = 4').run(4242);
    volume.database.mutation('UPDATE inode SET nlink = ? WHERE ino = 3').run(9);
    volume.database.redo.seal();
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { stdio: 'inherit' });
  const signal = await new Promise((done) => child.on('close', (_code, by) => done(by)));
  expect(signal).toBe('SIGKILL');
  expect(existsSync(`${fixture.image}.meta-redo`)).toBe(true);

  const before = await run(fixture, { mode: 'report' });
  expect(before.notes.join()).toContain('redo log');
  expect(before.found).toBe(0);
  const mended = await run(fixture, { mode: 'preen' });
  expect(mended.counts).toEqual({ 'link-count': 1 });
  expect(mended.notes.join()).toContain('brought back');
  expect(fixture.value('SELECT uid FROM inode WHERE ino = 4')).toBe(4242);

  const opened = Volume.open(fixture.image);
  expect(opened.recovery.replayed).toBe(0);
  opened.close();
  expect(fixture.value('SELECT nlink FROM inode WHERE ino = 3')).toBe(2);
  expect(await run(fixture, { mode: 'report' })).toMatchObject({ found: 0 });
});

test('the report keeps as many problems as asked for, counts all, and is told in both forms', async () => {
  const fixture = volume();
  fixture.damage('UPDATE inode SET blocks = 99 WHERE ino IN (3, 4, 5, 9)');
  const steps: string[] = [];
  const report = await run(fixture, { mode: 'report', limit: 2, progress: ({ check: name }) => steps.push(name) });
  expect(report.problems).toHaveLength(2);
  expect(report.counts).toEqual({ 'inode-blocks': 4 });
  expect(steps).toContain('blocks');
  expect(renderReport(report)).toMatch(/inode-blocks[\s\S]*and 2 more[\s\S]*DAMAGED, 4 problems/);
  expect(JSON.parse(renderReport(report, { json: true }))).toMatchObject({ found: 4, exitCode: 4 });
});

test('a report leaves every byte as it was', async () => {
  const fixture = volume();
  fixture.damage('UPDATE inode SET nlink = 7; PRAGMA wal_checkpoint(TRUNCATE)');
  const before = readFileSync(`${fixture.image}.meta`);
  await run(fixture, { mode: 'report' });
  expect(readFileSync(`${fixture.image}.meta`).equals(before)).toBe(true);
});
