import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { cleanUp, connectionOf } from '../harness/clean-up.ts';
import { bash, checkout, describeMounted, ended, until } from '../harness/index.ts';
import { identify, register, runId } from '../harness/registry.ts';

const example = join(checkout, 'tools', 'examples', 'memory-fs.ts');

describeMounted('the example filesystem of docs/fuse-engine.md', [], () => {
  it('keeps files, refuses what it does not know, and ends with its unmount', { timeout: 60_000 }, async () => {
    const root = mkdtempSync(join(tmpdir(), 'layoutfs-example-'));
    const dir = join(root, 'mnt');
    mkdirSync(dir);
    const server = spawn(process.execPath, ['--import', 'tsx', example, dir], {
      cwd: checkout,
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    let said = '';
    server.stderr.on('data', (part: Buffer) => (said += part));
    const entry = { root, dir, daemon: identify(server.pid!), owner: identify(process.pid)!, run: runId() };
    register(basename(root), entry);
    try {
      await until('mount', 20_000, () => connectionOf(dir) !== undefined);
      const env = { D: dir, R: root };
      expect(await bash('cd "$D"; echo hello > a; echo more >> a; cat a; stat -c "%s %a" a; ls', { env })).toBe(
        'hello\nmore\n11 644\na\n',
      );
      const big =
        'head -c 3M /dev/urandom > "$R/big"; cp "$R/big" "$D/big"; cmp "$R/big" "$D/big"; truncate -s 5 "$D/big"; wc -c < "$D/big"';
      expect(await bash(big, { env })).toBe('5\n');
      expect(await bash('cd "$D"; rm a; ls; mkdir x 2>&1 || true', { env })).toMatch(
        /^big\n.*Function not implemented/,
      );
      expect(
        await bash('cd "$D"; for i in $(seq 300); do echo $i > file-$i; done; ls | wc -l; cat file-300', { env }),
      ).toBe('301\n300\n');
      server.kill('SIGINT');
      expect(await ended(server, 10_000)).toBe(0);
      expect(said).toBe('');
    } finally {
      cleanUp(basename(root), entry);
    }
  });

  it('is about sixty lines of code', () => {
    const lines = readFileSync(example, 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '');
    expect(lines.length).toBeLessThanOrEqual(66);
  });
});
