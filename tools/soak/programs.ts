/**
 * `npm run soak:programs [-- NAME…]`: real programs on a fresh volume, each bounded in time; then fsck. What the machine
 * does not have is left out, and said.
 */
import { hasTool } from '../../test/harness/index.ts';
import { PROGRAMS } from './program-list.ts';
import { runProgram } from './run-program.ts';

const chosen = process.argv.slice(2);
let failed = 0;
for (const program of PROGRAMS) {
  const { name, needs } = program;
  if (chosen.length > 0 && !chosen.some((word) => name.includes(word))) continue;
  const missing = needs.filter((tool) => !hasTool(tool));
  if (missing.length > 0) {
    process.stdout.write(`left out  ${name}: needs ${missing.join(', ')}\n`);
    continue;
  }
  const started = Date.now();
  try {
    const said = await runProgram(program);
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    process.stdout.write(`good      ${name} (${seconds} s) ${said.trim().replaceAll('\n', ', ')}\n`);
  } catch (error) {
    failed++;
    process.stdout.write(`FAILED    ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}
process.exitCode = failed > 0 ? 1 : 0;
