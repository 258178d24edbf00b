import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { CheckMode, Progress as CheckProgress } from '../check/index.ts';
import { untilClosed } from './closing.ts';
import { type Command, HELP, helpOf, parse } from './command.ts';
import { CommandError, EXIT, usageError } from './exit.ts';
import { print } from './output.ts';
import { Progress } from './progress.ts';
import { failureOf, report } from './report.ts';

/** fsck(8)'s codes; src/check has the same ones, loaded only when a check runs. */
const FSCK_OPERATIONAL = 8;
const FSCK_USAGE = 16;

export const fsck: Command = {
  name: 'fsck',
  summary: 'check the volume IMAGE, and mend it if asked to',
  usage: 'IMAGE [-n | -p | -y] [--progress]',
  about:
    'The volume must not be mounted. Exit codes are those of fsck(8): 0 clean, 1 mended, 4 damage left,\n' +
    '8 could not be checked, 16 wrong command line, 32 cancelled; they add up.',
  options: {
    'dry-run': { type: 'boolean', short: 'n', help: 'only report (the default)' },
    preen: { type: 'boolean', short: 'p', help: 'mend what can be mended without choosing' },
    yes: { type: 'boolean', short: 'y', help: 'mend everything that can be mended' },
    automatic: { type: 'boolean', short: 'a', help: 'the same as -p, for fsck(8)' },
    force: { type: 'boolean', short: 'f', help: 'accepted for fsck(8): a check always looks at everything' },
    progress: { type: 'boolean', short: 'C', help: 'show what is being checked also where stderr is no terminal' },
    verbose: { type: 'boolean', short: 'V', help: 'accepted for fsck(8)' },
  },
  positionals: [1, 1],
  examples: ['layoutfs fsck disk.img', 'layoutfs fsck disk.img -p', 'layoutfs fsck disk.img --json'],
  async run({ options, positionals, json }) {
    const image = positionals[0] as string;
    const modes = [options['dry-run'], options.preen === true || options.automatic === true, options.yes];
    if (modes.filter((given) => given === true).length > 1) throw usageError('one of -n, -p, -y');
    const mode: CheckMode = options.yes === true ? 'all' : modes[1] === true ? 'preen' : 'report';
    if (!existsSync(image)) throw new CommandError(`${image}: there is no such volume`, FSCK_OPERATIONAL, 'ENOENT');
    await untilClosed(resolve(image));
    const { check, renderReport } = await import('../check/index.ts');
    const cancel = new AbortController();
    const onSignal = (): void => cancel.abort();
    process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
    try {
      const shown = showProgress('fsck', options.progress === true);
      const report = await check(image, { mode, signal: cancel.signal, progress: shown.progress });
      shown.end();
      print(renderReport(report, { json }));
      return report.exitCode;
    } finally {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    }
  },
};

/** A line in a terminal; `always` (-C): a line for each check where stderr is something else. */
export function showProgress(
  label: string,
  always: boolean,
): { progress: (progress: CheckProgress) => void; end: () => void } {
  const bar = new Progress({ label, unit: 'rows', ...(always && { quietMs: 0 }) });
  let last = 0;
  return {
    progress: ({ check, step, steps, done, total }) => {
      if (always && process.stderr.isTTY !== true && step !== last)
        process.stderr.write(`[${step}/${steps}] ${check}\n`);
      last = step;
      bar.update(done, total === 0 ? undefined : total, `${step}/${steps} ${check}`);
    },
    end: () => bar.end(),
  };
}

/** fsck.layoutfs, as fsck(8) calls it: usage errors and failures are its codes, not ours. */
export async function fsckHelper(argv: readonly string[]): Promise<number> {
  try {
    // fsck(8) passes `-C4`: the descriptor for its own progress bar, which is not served.
    const args = parse(
      fsck,
      argv.map((word) => (/^-C\d+$/.test(word) ? '-C' : word)),
    );
    if (args === HELP) {
      print(helpOf('fsck.layoutfs', fsck));
      return EXIT.ok;
    }
    return await fsck.run(args);
  } catch (error) {
    const failure = failureOf(error);
    report('fsck.layoutfs', failure, argv.includes('--json'));
    return failure.exit === EXIT.usage ? FSCK_USAGE : FSCK_OPERATIONAL;
  }
}
