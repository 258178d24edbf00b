import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtModule } from '../harness/built-module.ts';
import { checkout, describeMounted, hasTool } from '../harness/index.ts';
import { expected, type Part, parts } from './page.ts';
import { hidden, runParts } from './sandbox.ts';

/** LAYOUTFS_DOCS=write: outputs that a page shows are replaced by what was said now. */
const WRITE = process.env.LAYOUTFS_DOCS === 'write';

const pages = [
  'README.md',
  'ARCHITECTURE.md',
  ...readdirSync(join(checkout, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const read = (page: string): string => readFileSync(join(checkout, page), 'utf8');
const runs = (list: readonly Part[]): boolean => list.some(({ type }) => type === 'run');

/** Programs that a page uses beyond those of every Debian; where one is missing, the page is skipped by name. */
const TOOLS: Record<string, string[]> = {
  'README.md': ['git', 'sqlite3'],
  'docs/storage.md': ['sqlite3'],
  'docs/tutorial-c.md': ['cc'],
  'docs/outgrowing.md': ['nbdkit', 'nbdfuse', 'ip', 'sqlite3'],
};

describe('how pages are read', () => {
  it('an output matches with its gaps, and nothing else does', () => {
    const shown = { text: 'a … c\n…\nnumber 12 here\n', like: false };
    expect('a b c\nnumber 12 here\n').toMatch(expected(shown));
    expect('a b c\nx\ny\nnumber 12 here\n').toMatch(expected(shown));
    expect('a b c\nnumber 13 here\n').not.toMatch(expected(shown));
    expect('a b c\nnumber   1234 here\n').toMatch(expected({ ...shown, like: true }));
    expect('a b c\nnumber 12 here\nmore\n').not.toMatch(expected({ ...shown, like: true }));
  });

  it('commands, files, outputs, set-up and reasons are told apart', () => {
    const page =
      '<!-- setup\nx=1\n-->\n```sh\necho $x\n```\n\n```text\n1\n```\n\n```sh fails\nfalse\n```\n\n```c a.c\nint a;\n```\n' +
      '\n```sh\n# not run by the tests: needs two hosts\nssh b\n```\n\n```text\nnot an output\n```\n';
    expect(parts(page)).toEqual([
      { type: 'run', commands: 'x=1\n', fails: false, setup: true },
      {
        type: 'run',
        commands: 'echo $x\n',
        fails: false,
        setup: false,
        output: { text: '1\n', like: false, start: 46, end: 48 },
      },
      { type: 'run', commands: 'false\n', fails: true, setup: false },
      { type: 'file', name: 'a.c', content: 'int a;\n' },
      { type: 'not-run', commands: '# not run by the tests: needs two hosts\nssh b\n', reason: 'needs two hosts' },
    ]);
  });

  it.each(pages)('%s: whatever looks like commands is in a block that is run, or says why it is not', (page) => {
    const text = read(page);
    expect(text.match(/^```(console|bash|shell)\b/gm), 'these are `sh` here').toBeNull();
    const outside = text.replace(/^```.*?^```$/gms, '').replace(/^<!--.*?^-->$/gms, '');
    expect(outside.match(/^ {4}(npx|npm|layoutfs|mount|umount|apt-get|echo|sudo) .*$/gm), 'in a block').toBeNull();
  });
});

describeMounted(
  'the commands of the pages',
  ['unshare', 'ip'],
  () => {
    let module: string;
    beforeAll(async () => {
      module = await builtModule();
    }, 100_000);
    afterAll(() => rmSync(module, { recursive: true, force: true }));

    for (const page of pages.filter((name) => runs(parts(read(name))))) {
      const missing = (TOOLS[page] ?? []).filter((tool) => !hasTool(tool));
      const name = missing.length === 0 ? page : `${page} (skipped: needs ${missing.join(', ')})`;
      it.skipIf(missing.length > 0)(`${name}: do what the page shows`, { timeout: 300_000 }, async () => {
        const text = read(page);
        const list = parts(text);
        const ran = await runParts(list, module);
        const stopped = ran.failed === undefined ? undefined : list[ran.failed];
        const commands = stopped?.type === 'run' ? stopped.commands : '';
        expect(ran.failed, `${page}: stopped in\n${commands}\n${ran.all}`).toBeUndefined();
        if (WRITE) return writeFileSync(join(checkout, page), rewritten(text, list, ran.outputs));
        list.forEach((part, at) => {
          if (part.type !== 'run' || part.output === undefined) return;
          expect(ran.outputs.get(at), `${page}: the output of\n${part.commands}`).toMatch(expected(part.output));
        });
      });
    }
  },
  hidden && `needs a checkout outside of ${hidden}`,
);

/** Outputs without gaps are printed anew; one with gaps was shortened by a person, and stays. */
function rewritten(text: string, list: readonly Part[], outputs: ReadonlyMap<number, string>): string {
  let page = text;
  for (const [at, part] of [...list.entries()].reverse()) {
    if (part.type !== 'run' || part.output === undefined || part.output.text.includes('…')) continue;
    page = page.slice(0, part.output.start) + (outputs.get(at) ?? '') + page.slice(part.output.end);
  }
  return page;
}
