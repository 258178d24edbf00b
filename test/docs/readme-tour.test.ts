import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { abortConnection, connectionOf, lazyUnmount } from '../harness/clean-up.ts';
import { checkout, describeMounted, run } from '../harness/index.ts';

interface Block {
  commands: string;
  fails: boolean;
  /** The text block that follows: must be part of what the commands say. */
  says: string | undefined;
}

/** The blocks marked `sh tour`, in their order; `fails` after it: the last command must fail. */
function tour(page: string): Block[] {
  const text = readFileSync(join(checkout, page), 'utf8');
  const blocks: Block[] = [];
  for (const [, language, body] of text.matchAll(/^```(\S+(?: [^\n]*)?)\n(.*?)^```$/gms)) {
    const [name, mark, fails] = (language as string).split(' ');
    if (name === 'sh' && mark === 'tour')
      blocks.push({ commands: body as string, fails: fails === 'fails', says: undefined });
    const last = blocks.at(-1);
    if (name === 'text' && last?.fails && last.says === undefined) last.says = (body as string).trim();
  }
  return blocks;
}

let folder = '';

afterEach(() => {
  const dir = join(folder, 'mount');
  abortConnection(dir);
  lazyUnmount(dir);
  rmSync(folder, { recursive: true, force: true });
});

describeMounted('the tour of the README', ['git', 'sqlite3'], () => {
  it('works as it is written', async () => {
    folder = mkdtempSync(join(tmpdir(), 'layoutfs-tour-'));
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(join(checkout, 'node_modules', '.bin'), join(folder, 'node_modules', '.bin'));
    const blocks = tour('README.md');
    expect(blocks.length).toBeGreaterThan(6);
    // One shell for all of it. Every line is echoed to stderr, so that a failure shows where it was.
    const script = blocks.map(({ commands, fails }, at) =>
      fails
        ? `echo "== ${at}"; if ( ${commands.trim()} ) 2>&1; then echo "block ${at} did not fail" >&2; exit 1; fi`
        : `echo "== ${at}"\n${commands}`,
    );
    const result = await run('bash', ['-eu', '-c', `cd "$1"\n${script.join('\n')}`, 'bash', folder], {
      timeout: 100_000,
    });
    expect(result.code, `${result.stdout}\n${result.stderr}`).toBe(0);
    const said = result.stdout.split(/^== \d+\n/m).slice(1);
    blocks.forEach(({ says }, at) => {
      if (says !== undefined) expect(said[at]).toContain(says);
    });
    expect(result.stdout).toContain('recalled: truncate by');
    expect(connectionOf(join(folder, 'mount')), 'unmounted').toBeUndefined();
  }, 120_000);
});
