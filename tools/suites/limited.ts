import { RunError, type RunOptions } from '../../test/harness/index.ts';
import type { SuiteContext } from './suite.ts';

/** Runs a program in the mount, bounded in time; what it said on both outputs, and a last line with how it ended. */
export async function limited(
  context: SuiteContext,
  command: string,
  args: readonly string[],
  options: RunOptions,
): Promise<string> {
  try {
    const { code, signal, stdout, stderr } = await context.volume.run(command, args, options);
    return `${stdout}${stderr}\nended with ${signal ?? code}\n`;
  } catch (error) {
    if (error instanceof RunError) {
      return `${error.result.stdout}${error.result.stderr}\nended with the time limit\n`;
    }
    throw error;
  }
}
