import type { Command } from './command.ts';
import { EXIT, usageError } from './exit.ts';
import { print, printJson } from './output.ts';

export const replay: Command = {
  name: 'replay',
  summary: 'do again on the volume IMAGE what a recording (layoutfs mount --record) has',
  usage: 'RECORDING IMAGE | RECORDING --print',
  about:
    'IMAGE must be what the volume was when the recording began: fresh, or a copy from before. Every request is given to the\n' +
    'filesystem without a kernel, in its order and at its time; replies are compared. Exit code 0: all replies were the same;\n' +
    '1: some were not. --print shows the recording as text, as layoutfs mount --trace does.',
  options: { print: { type: 'boolean', help: 'only show the requests and replies' } },
  positionals: [1, 2],
  examples: ['layoutfs replay requests.rec again.img', 'layoutfs replay requests.rec --print'],
  async run({ positionals: [path, image], options, json }) {
    const { Recording } = await import('../fuse/recording.ts');
    const recording = new Recording(path as string);
    try {
      if (options.print === true) {
        const { printRecording } = await import('../fuse/recorded-text.ts');
        for (const line of printRecording(recording)) print(line);
        return EXIT.ok;
      }
      if (image === undefined) throw usageError('an argument is missing: IMAGE, or --print');
      const result = await (await import('../mount/replay.ts')).replay(recording, image);
      const same = result.different === 0 && result.unanswered === 0;
      if (json) printJson({ ok: same, ...result });
      else {
        for (const line of result.differences) print(line);
        const { requests, replies, different, unanswered } = result;
        print(`${requests} requests, ${replies} replies: ${different} not the same, ${unanswered} missing`);
      }
      return same ? EXIT.ok : EXIT.failed;
    } finally {
      recording.close();
    }
  },
};
