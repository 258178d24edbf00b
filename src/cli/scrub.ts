import { check, renderReport } from '../check/index.ts';
import type { Command } from './command.ts';
import { showProgress } from './fsck.ts';
import { mountAt } from './mounts.ts';
import { print } from './output.ts';
import { onlyMount } from './verb.ts';

export const scrub: Command = {
  name: 'scrub',
  summary: 'check a volume that is in use, without a hold-up for its users',
  usage: '[DIR] [--progress]',
  about:
    'Looks at a copy of the metadata as of the last commit; nothing is mended. DIR is a mount point; it may be left out\n' +
    'where only one layoutfs is mounted. Exit codes as of layoutfs fsck: 0 clean, 4 damage, 8 could not be checked.',
  options: {
    progress: { type: 'boolean', short: 'C', help: 'show what is being checked also where stderr is no terminal' },
  },
  positionals: [0, 1],
  examples: ['layoutfs scrub', 'layoutfs scrub /mnt --json'],
  async run({ options, positionals, json }) {
    const { source } = positionals[0] === undefined ? onlyMount() : mountAt(positionals[0]);
    const cancel = new AbortController();
    const onSignal = (): void => cancel.abort();
    process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
    try {
      const shown = showProgress('scrub', options.progress === true);
      const report = await check(source, {
        mode: 'report',
        online: true,
        signal: cancel.signal,
        progress: shown.progress,
      });
      shown.end();
      print(renderReport(report, { json }));
      return report.exitCode;
    } finally {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    }
  },
};
