import type { MountedVolume } from '../../test/harness/index.ts';

/**
 * Runs fsx on a mount, unmounting and mounting it again as often as asked, and gives what it said.
 * @throws Error with the operations before the first difference.
 */
export async function runFsx(
  volume: MountedVolume,
  program: string,
  options: { seed: number; operations: number; largest: number; remounts: number; deadline: number },
): Promise<string> {
  const { seed, operations, largest, remounts, deadline } = options;
  const child = volume.start(program, [volume.dir, seed, operations, largest, remounts].map(String));
  const timer = setTimeout(() => child.kill('SIGKILL'), deadline);
  let said = '';
  let wrong = '';
  child.stderr?.on('data', (part: Buffer) => {
    wrong += part;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  try {
    for await (const part of child.stdout as AsyncIterable<Buffer>) {
      said += part;
      if (!said.includes('remount\n')) continue;
      said = said.replace('remount\n', '');
      await volume.unmount();
      await volume.remount();
      child.stdin?.write('go on\n');
    }
    const code = await ended;
    if (code !== 0) throw new Error(`fsx, seed ${seed}: exit ${code}\n${wrong.slice(-12_000)}`);
    return said.trim();
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
  }
}
