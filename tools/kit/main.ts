/**
 * `npm run kit -- --ctl MOUNT/.layout/ctl`: does a control surface keep the promises of layout leases? Works through
 * files and lines only, so any implementation of the protocol can be tried. Prints TAP; exit code 1 when a case fails.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CASES } from './cases.ts';
import { Surface } from './surface.ts';

const { values } = parseArgs({
  options: { ctl: { type: 'string' }, dir: { type: 'string' }, only: { type: 'string' }, list: { type: 'boolean' } },
});
if (values.list) {
  for (const { name, verbs } of CASES) process.stdout.write(`${name}\n    ${verbs.join(' ')}\n`);
  process.exit(0);
}
if (values.ctl === undefined) {
  process.stderr.write('npm run kit -- --ctl MOUNT/.layout/ctl [--dir MOUNT] [--only TEXT], or --list\n');
  process.exit(2);
}
const ctl = resolve(values.ctl);
const mount = values.dir === undefined ? dirname(dirname(ctl)) : resolve(values.dir);
const cases = CASES.filter(({ name }) => values.only === undefined || name.includes(values.only));

let failed = 0;
process.stdout.write(`TAP version 13\n1..${cases.length}\n`);
for (const [at, { name, run }] of cases.entries()) {
  const file = join(mount, `kit-${process.pid}-${at}`);
  const sessions: Surface[] = [];
  try {
    const fd = openSync(file, 'wx');
    writeSync(fd, randomBytes(1 << 20));
    fsyncSync(fd);
    closeSync(fd);
    const session = (): Surface => {
      const made = new Surface(ctl);
      sessions.push(made);
      return made;
    };
    await run({ file, path: `/${basename(file)}`, ctl, session });
    process.stdout.write(`ok ${at + 1} - ${name}\n`);
  } catch (error) {
    failed++;
    process.stdout.write(`not ok ${at + 1} - ${name}\n  # ${(error as Error).message.replaceAll('\n', '\n  # ')}\n`);
  } finally {
    for (const each of sessions) each.close();
    rmSync(file, { force: true });
  }
}
process.stdout.write(`# ${cases.length - failed} of ${cases.length} hold\n`);
process.exitCode = failed > 0 || cases.length === 0 ? 1 : 0;
