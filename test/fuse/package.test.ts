import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { builtModule } from '../harness/built-module.ts';
import { cleanUp, connectionOf } from '../harness/clean-up.ts';
import { bash, check, checkout, describeMounted, ended, run, until } from '../harness/index.ts';
import { identify, register, runId } from '../harness/registry.ts';

const SETTINGS = {
  compilerOptions: {
    strict: true,
    target: 'es2022',
    module: 'nodenext',
    lib: ['es2023', 'esnext.disposable'],
    types: ['node'],
    skipLibCheck: false,
    outDir: 'out',
  },
};

/** A project that has nothing of this one but the package as `npm pack` makes it. */
describeMounted('the packed package in a project of somebody else', [], () => {
  let root = '';
  let module = '';
  const tsc = (...args: string[]) =>
    run(join(checkout, 'node_modules/.bin/tsc'), args, { cwd: root, timeout: 100_000 });

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'layoutfs-third-'));
    module = await builtModule();
    await check('npm', ['pack', '--ignore-scripts', '--pack-destination', root], { cwd: module, timeout: 60_000 });
    mkdirSync(join(root, 'node_modules/layoutfs'), { recursive: true });
    await check('tar', ['-xf', 'layoutfs-0.1.0.tgz', '-C', 'node_modules/layoutfs', '--strip-components=1'], {
      cwd: root,
    });
    for (const name of ['koffi', 'better-sqlite3', 'bindings', 'file-uri-to-path', '@types', 'undici-types'])
      symlinkSync(join(checkout, 'node_modules', name), join(root, 'node_modules', name));
    writeFileSync(join(root, 'package.json'), '{"type":"module"}');
    writeFileSync(join(root, 'tsconfig.json'), JSON.stringify(SETTINGS));
    const example = readFileSync(join(checkout, 'tools/examples/memory-fs.ts'), 'utf8');
    writeFileSync(join(root, 'memory-fs.ts'), example.replace("'../../src/fuse/index.ts'", "'layoutfs/fuse'"));
    mkdirSync(join(root, 'mnt'));
  }, 200_000);
  afterAll(() => {
    for (const folder of [root, module]) rmSync(folder, { recursive: true, force: true });
  });

  it('has types: the example compiles under strict, and a wrong use of it does not', async () => {
    const good = await tsc();
    expect(good.stdout + good.stderr).toBe('');
    writeFileSync(
      join(root, 'wrong.ts'),
      "import * as fuse from 'layoutfs/fuse';\nimport { Session } from 'layoutfs/client';\n" +
        'fuse.typedHandlers({ READ: (r, { offfset }) => r.ok(offfset) });\n' +
        'fuse.typedHandlers({ UNLINK: (r, _, name: string) => r.ok() });\n' +
        "await (await Session.open('/mnt')).request('get', { path: '/a', kind: 'dirct' });\n",
    );
    const wrong = await tsc('--noEmit');
    rmSync(join(root, 'wrong.ts'));
    expect([...wrong.stdout.matchAll(/wrong\.ts\((\d),/g)].map(([, line]) => line)).toEqual(['3', '4', '5']);
  }, 200_000);

  it('runs the example with nothing but node', async () => {
    const dir = join(root, 'mnt');
    const server = spawn(process.execPath, ['out/memory-fs.js', dir], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    let said = '';
    server.stderr.on('data', (part: Buffer) => (said += part));
    const entry = { root, dir, daemon: identify(server.pid!), owner: identify(process.pid)!, run: runId() };
    register(basename(root), entry);
    try {
      await until('mount', 30_000, () => connectionOf(dir) !== undefined || server.exitCode !== null);
      expect(await bash('cd "$D"; echo hello > a; echo more >> a; cat a; ls', { env: { D: dir } })).toBe(
        'hello\nmore\na\n',
      );
      server.kill('SIGINT');
      expect(await ended(server, 10_000)).toBe(0);
      expect(said).toBe('');
    } finally {
      cleanUp(basename(root), entry);
    }
  }, 60_000);
});
