/**
 * `npm run suite -- NAME [DIR|PATH] [WORDS…] [--limit SECONDS]`: a public suite on a fresh volume, bounded in time. What fails although
 * `tools/suites/expected/NAME.txt` does not expect it, and what passes although it does, makes exit code 1; afterwards
 * the volume must be clean.
 */
import { appendFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { hasTool, mountVolume } from '../../test/harness/index.ts';
import { readExpected, reasonFor } from './expected.ts';
import { external } from './external.ts';
import { packaged } from './packaged.ts';
import type { CaseResult, Suite } from './suite.ts';

const suites: readonly Suite[] = [...external, ...packaged];

function usage(): never {
  const lines = suites.map(({ name, takes, about }) => `  ${`${name} ${takes ?? ''}`.padEnd(16)} ${about}`);
  process.stderr.write(`usage: npm run suite -- NAME [DIR|PATH] [WORDS…] [--limit SECONDS]\n${lines.join('\n')}\n`);
  process.exit(2);
}

const words = process.argv.slice(2);
const limitAt = words.indexOf('--limit');
const limit = limitAt < 0 ? 1800 : Number(words.splice(limitAt, 2)[1]);
const suite = suites.find((each) => each.name === words[0]);
if (suite === undefined || !(limit > 0)) usage();
const place = suite.takes === undefined ? '' : resolve(words[1] ?? usage());
if (place !== '' && !existsSync(place)) throw new Error(`${place}: there is no such file or folder`);
const missing = suite.needs.filter((tool) => !hasTool(tool));
if (missing.length > 0) throw new Error(`${suite.name} needs ${missing.join(', ')}`);

const logs = join(tmpdir(), `layoutfs-suite-${suite.name}`);
rmSync(logs, { recursive: true, force: true });
mkdirSync(logs, { recursive: true });
const expected = readExpected(suite.name);
const results: CaseResult[] = [];
let clean = false;
{
  await using volume = await mountVolume({ size: suite.size, deadline: (limit + 300) * 1000 });
  results.push(
    ...(await suite.run({
      volume,
      place,
      words: words.slice(suite.takes === undefined ? 1 : 2),
      limit: limit * 1000,
      log: (name, text) => {
        appendFileSync(join(logs, name), text);
        return join(logs, name);
      },
    })),
  );
  await volume.unmount();
  const fsck = await volume.layoutfs(['fsck', '-n', volume.image], { timeout: 200_000 });
  clean = fsck.code === 0;
  if (!clean) process.stdout.write(`fsck: ${fsck.stdout}${fsck.stderr}\n`);
}

let wrong = clean ? 0 : 1;
const counts = { passed: 0, failed: 0, skipped: 0, expected: 0 };
for (const { name, result, detail } of results) {
  const reason = reasonFor(expected, name);
  if (result === 'failed' && reason !== undefined) {
    counts.expected++;
    process.stdout.write(`expected  ${name}: ${reason.reason}\n`);
    continue;
  }
  counts[result]++;
  if (result === 'failed') wrong++;
  if (result !== 'passed') process.stdout.write(`${result.padEnd(9)} ${name}: ${detail.slice(0, 1000)}\n`);
  if (result === 'passed' && reason !== undefined && !reason.pattern.includes('*')) {
    wrong++;
    process.stdout.write(`passed    ${name}, which was expected to fail: ${reason.reason}\n`);
  }
}
if (results.length === 0) wrong++;
const { passed, failed, skipped } = counts;
process.stdout.write(
  `${suite.name}: ${passed} passed, ${failed} failed, ${counts.expected} expected failures, ${skipped} skipped; ` +
    `the volume is ${clean ? 'clean' : 'NOT clean'}; logs in ${logs}\n`,
);
process.exitCode = wrong > 0 ? 1 : 0;
