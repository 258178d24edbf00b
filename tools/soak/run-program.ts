import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkout, mountVolume } from '../../test/harness/index.ts';
import type { Program } from './program-list.ts';

/**
 * Runs one program on a fresh volume, which has to be clean afterwards; answers what it said.
 * @throws Error when it fails or takes too long.
 */
export async function runProgram({ script, seconds }: Program): Promise<string> {
  await using volume = await mountVolume({ size: '8g', deadline: (seconds + 300) * 1000 });
  const file = join(volume.root, 'script.sh');
  writeFileSync(file, `set -e\n${script}\n`);
  const said = await volume.bash(`bash ${file}`, { timeout: seconds * 1000, env: { SOURCE: checkout } });
  await volume.unmount();
  const fsck = await volume.layoutfs(['fsck', '-n', volume.image], { timeout: 200_000 });
  if (fsck.code !== 0) throw new Error(`fsck: ${fsck.stdout}${fsck.stderr}`);
  return said;
}
