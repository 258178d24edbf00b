import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { VERB_NAMES } from '../../src/control/grammar/verbs.ts';
import { CASES, NOT_TRIED } from '../../tools/kit/cases.ts';
import { checkout, describeMounted, type MountedVolume, mountVolume, type Result, run } from '../harness/index.ts';

describeMounted('the conformance kit', ['fallocate', 'od'], () => {
  vi.setConfig({ testTimeout: 90_000 });
  let volume: MountedVolume;
  const kit = (...args: string[]): Promise<Result> =>
    run(process.execPath, ['--import', 'tsx', join(checkout, 'tools/kit/main.ts'), ...args], {
      cwd: checkout,
      timeout: 80_000,
    });

  beforeAll(async () => {
    volume = await mountVolume();
  });
  afterAll(() => volume?.dispose());

  it('finds that this filesystem keeps all promises, and leaves nothing behind', async () => {
    const { stdout, code } = await kit('--ctl', join(volume.dir, '.layout/ctl'));
    expect(stdout.split('\n').filter((line) => line.startsWith('not ok') || line.startsWith('  #'))).toEqual([]);
    expect(stdout.match(/^ok /gm)).toHaveLength(CASES.length);
    expect(code).toBe(0);
    expect(await volume.bash('ls; wc -l < .layout/leases')).toBe('1\n');
  });

  it('fails each case on a surface that promises nothing: an ordinary file', async () => {
    const folder = join(volume.root, 'nothing', '.layout');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'ctl'), '');
    const { stdout, code } = await kit('--ctl', join(folder, 'ctl'));
    expect(code).toBe(1);
    expect(stdout.match(/^not ok /gm)).toHaveLength(CASES.length);
  });
});

/** What a wrong implementation does, and a case that must notice. */
const WRONG: [does: string, noticed: string][] = [
  ['grants whatever is asked for', 'compatibility: what others get beside a lease "exclusive"'],
  ['takes an old seq', 'seq: a verb with an old one'],
  ['forgets leases of a closed session', 'lifetime: closing the session'],
  ['tells no holder anything', 'break: starts the recall'],
  ['refuses without a reason', 'refusals explain themselves'],
  ['lets others append', 'direct: a write in place goes on'],
  ['truncates without asking', 'recall: a truncate waits'],
];

describeMounted('the conformance kit on a daemon that breaks promises', ['fallocate', 'od'], () => {
  vi.setConfig({ testTimeout: 90_000 });
  const folder = mkdtempSync(join(tmpdir(), 'layoutfs-broken-'));
  const file = join(folder, 'broken');
  let volume: MountedVolume;

  beforeAll(async () => {
    writeFileSync(file, '');
    volume = await mountVolume({ deadline: 600_000 });
    await volume.kill();
    vi.stubEnv('LAYOUTFS_BROKEN', file);
    vi.stubEnv('NODE_OPTIONS', `--import ${pathToFileURL(join(checkout, 'test/kit/broken.mjs')).href}`);
    try {
      await volume.remount();
    } finally {
      vi.unstubAllEnvs();
    }
  }, 200_000);
  afterAll(async () => {
    await volume?.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([['' as string, 'compatibility'], ...WRONG])(
    '"%s" is noticed by "%s" (none by none)',
    async (does, noticed) => {
      const names = CASES.map(({ name }) => name).filter((name) => name.startsWith(noticed));
      expect(names.length).toBeGreaterThan(0);
      writeFileSync(file, does);
      const ctl = join(volume.dir, '.layout/ctl');
      const { stdout, code } = await run(
        process.execPath,
        ['--import', 'tsx', join(checkout, 'tools/kit/main.ts'), '--ctl', ctl, '--only', noticed],
        { cwd: checkout, timeout: 80_000 },
      );
      writeFileSync(file, '');
      expect({ code, failed: /^not ok /m.test(stdout) }, stdout).toEqual({
        code: does === '' ? 0 : 1,
        failed: does !== '',
      });
      // What the broken session has left.
      await volume.bash(
        'for id in $(tail -n +2 .layout/leases | awk \'{print $1}\'); do echo "expire id=$id force" > .layout/ctl || true; done',
      );
    },
  );
});

it('the kit tries every verb of the protocol, or says that it does not', () => {
  const tried = new Set(CASES.flatMap(({ verbs }) => verbs));
  expect(VERB_NAMES.filter((verb) => !tried.has(verb)).sort()).toEqual([...NOT_TRIED].sort());
  expect([...tried].filter((verb) => !(VERB_NAMES as readonly string[]).includes(verb))).toEqual([]);
});
