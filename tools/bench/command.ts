import { spawnSync } from 'node:child_process';

/** Runs a program and answers its stdout. Throws with its stderr when it fails or takes longer than `timeout` ms. */
export function command(program: string, args: readonly string[], timeout = 60_000): string {
  const result = spawnSync(program, args, { encoding: 'utf8', timeout });
  if (result.error) throw new Error(`${program}: ${result.error.message}`);
  if (result.status !== 0) {
    const words = `${result.stderr}${result.stdout}`.trim().split('\n').slice(-3).join(' / ');
    throw new Error(`${program} ${args.join(' ')}: exit ${result.status ?? result.signal}${words ? `: ${words}` : ''}`);
  }
  return result.stdout;
}

export function available(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}
