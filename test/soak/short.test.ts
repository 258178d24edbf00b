import { expect, test } from 'vitest';
import { PROGRAMS } from '../../tools/soak/program-list.ts';
import { runFsx } from '../../tools/soak/run-fsx.ts';
import { runProgram } from '../../tools/soak/run-program.ts';
import { compile } from '../../tools/soak/tools.ts';
import { describeMounted, mountVolume, seed } from '../harness/index.ts';

/** The short forms of `npm run soak:fsx` and `npm run soak:stress`. */
describeMounted('soak, in short', ['cc'], () => {
  test('random operations on files, over two remounts, agree with memory', { timeout: 120_000 }, async () => {
    const program = await compile('fsx');
    await using volume = await mountVolume();
    const options = { seed, operations: 4000, largest: 256 * 1024, remounts: 2, deadline: 90_000 };
    expect(await runFsx(volume, program, options)).toContain('no difference');
    await volume.unmount();
    expect((await volume.layoutfs(['fsck', '-n', volume.image])).code).toBe(0);
  });

  test('many processes at random in one tree leave a clean volume', { timeout: 120_000 }, async () => {
    const program = await compile('stress');
    await using volume = await mountVolume();
    const result = await volume.run(program, ['.', String(seed), '6', '8'], { timeout: 60_000 });
    expect(result.stderr).toBe('');
    expect(result.code).toBe(0);
    await volume.unmount();
    const fsck = await volume.layoutfs(['fsck', '-n', volume.image], { timeout: 60_000 });
    expect(fsck.stdout + fsck.stderr).toContain('clean');
    expect(fsck.code).toBe(0);
  });
});

/** Those of `npm run soak:programs` that take seconds. */
for (const program of PROGRAMS.filter(({ seconds }) => seconds <= 60)) {
  describeMounted(program.name, program.needs, () => {
    test('does its work, and the volume is clean', { timeout: 90_000 }, async () => {
      expect(await runProgram(program)).toBe('');
    });
  });
}
