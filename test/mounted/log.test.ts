import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeMounted, mountVolume } from '../harness/index.ts';

type Line = Record<string, unknown> & { level: string; part: string; message: string };

describeMounted('the log of a mount', [], () => {
  it('is JSON where that is asked for: mounted, each event of a lease, a fence, unmounted', async () => {
    await using volume = await mountVolume();
    await volume.unmount();
    const log = join(volume.root, 'messages');
    writeFileSync(log, '{"what":"was there"}\n');
    const args = ['--log', log, '--log-format', 'json', '--log-level', 'debug', '-o', 'break=0,on_expire=none'];
    const mounted = await volume.layoutfs(['mount', volume.image, volume.dir, ...args]);
    expect(mounted.code, mounted.stderr).toBe(0);
    await volume.bash(`
      head -c 64k /dev/zero > data
      exec 3<> .layout/ctl; echo 'get path=/data kind=direct' >&3; read -r line <&3
      truncate -s 0 data 3>&- & wait $!`);
    const gone = await volume.layoutfs(['umount', volume.dir]);
    expect(gone.code, gone.stderr).toBe(0);
    const lines = readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
    expect(lines.shift()).toEqual({ what: 'was there' });
    for (const { time } of lines) expect(time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const first = lines.find(({ message }) => message === 'mounted');
    expect(first).toMatchObject({ level: 'info', part: 'mount', volume: volume.image, dir: volume.dir });
    expect(first?.options).toBe(`break=0,on_expire=none,log=${log},log_level=debug,log_format=json`);
    const events = lines.filter(({ part }) => part === 'lease').map(({ message }) => message);
    expect(events.slice(0, 2)).toEqual(['granted', 'recall']);
    expect(lines.find(({ message }) => message === 'recall')).toMatchObject({ path: '/data', reason: 'truncate' });
    expect(lines.at(-1)).toMatchObject({ message: 'unmounted', level: 'info' });
    await volume.remount();
  });

  it('is of words that are told where one is wrong', async () => {
    await using volume = await mountVolume();
    const wrong = await volume.layoutfs(['mount', volume.image, volume.dir, '--log-level', 'loud']);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('log_level=error|warning|notice|info|debug|trace');
  });
});
